/**
 * How many requests begin in one turn of the event loop. In each turn Node takes one new connection, so a long one, with the
 * requests of hundreds of connections, would hold up all who connect.
 */
const A_TURN = 4;

/** What waits, by address; the next address first. */
const waiting = new Map<string, (() => void)[]>();
let begun = 0;

function next(): (() => void) | undefined {
  for (const [address, line] of waiting) {
    const first = line.shift();
    waiting.delete(address);
    if (line.length > 0) waiting.set(address, line);
    return first;
  }
  return undefined;
}

function turn(): void {
  begun = 0;
  for (let begin = next(); begin; begin = begun < A_TURN ? next() : undefined) {
    if (begun++ === 0) setImmediate(turn);
    begin();
  }
}

/** Begins a request, in this turn of the event loop or in a later one: those of each address in order, addresses in turn. */
export function beginInTurn(address: string, begin: () => void): void {
  if (begun >= A_TURN) {
    const line = waiting.get(address);
    if (line) line.push(begin);
    else waiting.set(address, [begin]);
    return;
  }
  if (begun++ === 0) setImmediate(turn);
  begin();
}
