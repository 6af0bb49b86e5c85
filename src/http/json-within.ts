import { giveBack, isLong } from '../graphql/pace.ts';

/** How much text is made before the count is looked at, in characters. */
const PIECE = 64 * 1024;

/**
 * The JSON of a completed value, made piece by piece: between pieces others have their turn.
 * @returns undefined where it would have more than `limit` bytes; no more than that was made of it
 */
export async function jsonWithin(value: unknown, limit: number): Promise<string | undefined> {
  const pieces: string[] = [];
  let bytes = 0;
  for (const piece of inPieces(value)) {
    bytes += Buffer.byteLength(piece);
    if (bytes > limit) return undefined;
    pieces.push(piece);
    if (isLong()) await giveBack();
  }
  return pieces.join('');
}

function* inPieces(value: unknown): Generator<string> {
  let text = '';
  /** Goes into what may be long; yields when there is a piece. */
  function* write(part: unknown): Generator<undefined> {
    if (!mayBeLong(part)) {
      text += JSON.stringify(part);
      if (text.length > PIECE) yield;
      return;
    }
    const isList = Array.isArray(part);
    let separator = isList ? '[' : '{';
    for (const [key, item] of Object.entries(part)) {
      text += isList ? separator : `${separator}${JSON.stringify(key)}:`;
      separator = ',';
      yield* write(item);
    }
    text += isList ? (part.length > 0 ? ']' : '[]') : '}';
  }
  for (const _ of write(value)) {
    yield text;
    text = '';
  }
  yield text;
}

/** A list, an object that has one somewhere, or one with many fields. */
function mayBeLong(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  const items = Object.values(value);
  return items.length > 100 || items.some(mayBeLong);
}
