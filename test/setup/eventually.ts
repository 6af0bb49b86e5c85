import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats until the answer is as expected, else fails with the last one. Returns the milliseconds. */
export async function eventually<T>(ask: () => Promise<T> | T, wanted: (answer: T) => boolean, within = 10_000): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const answer = await ask();
    const took = performance.now() - begun;
    if (wanted(answer)) return took;
    if (took > within) throw new Error(`Not within ${within} ms; the last answer: ${JSON.stringify(answer)}`);
    await sleep(20);
  }
}
