/** How long one call takes, in microseconds: the median of rounds. */
export interface Measured {
  name: string;
  small: number;
  large: number;
  ratio: number;
}

const WARM_UP = 100;
const ROUNDS = 40;
const CALLS_A_ROUND = 25;

async function timed(run: () => Promise<unknown>, calls: number): Promise<number> {
  const begun = performance.now();
  for (let call = 0; call < calls; call++) await run();
  return ((performance.now() - begun) * 1000) / calls;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Compares two calls in one run, alternating round by round, so that a slow moment of the machine slows both. */
export async function compare(name: string, small: () => Promise<unknown>, large: () => Promise<unknown>): Promise<Measured> {
  for (const run of [small, large]) await timed(run, WARM_UP);
  const [times, largeTimes]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    times.push(await timed(small, CALLS_A_ROUND));
    largeTimes.push(await timed(large, CALLS_A_ROUND));
  }
  const [a, b] = [median(times), median(largeTimes)];
  return { name, small: a, large: b, ratio: b / a };
}
