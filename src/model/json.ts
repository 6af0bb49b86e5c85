/**
 * Whether JSON has more values than `most`, without parsing it: each is behind a comma or an opening bracket. To parse a million
 * empty lists, which have 3 bytes each, takes a hundred times the memory of their text, and of the time of a long string.
 */
export function hasMoreValues(json: string, most: number): boolean {
  let values = 0;
  const part = /[",[{]/g;
  for (let found = part.exec(json); found; found = part.exec(json)) {
    if (found[0] !== '"') {
      if (++values > most) return true;
      continue;
    }
    const end = endOfString(json, found.index);
    if (end < 0) return false; // broken, which the parser tells
    part.lastIndex = end + 1;
  }
  return false;
}

/** Where the quote stands that ends a string; below 0: nowhere. */
function endOfString(json: string, begin: number): number {
  for (let end = json.indexOf('"', begin + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let escapes = 0;
    while (json[end - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return end;
  }
  return -1;
}
