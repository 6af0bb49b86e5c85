import fc from 'fast-check';

const SEED = Number(process.env['SEED'] ?? 1_000);

/** Checks a property on generated cases. A failure reports its seed and the smallest case; `SEED=… npm test` repeats it. */
export function holds<Case>(property: fc.IProperty<Case>, numRuns = 1_000): void {
  fc.assert(property, { seed: SEED, numRuns });
}

/** An integer of 32 bits, like GraphQL's Int. */
export const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
