import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasMoreValues } from '../../src/model/json.ts';

/** What stands behind a comma or a bracket: of lists and objects one more than items, of which an empty one has none. */
function behindSigns(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const items = Object.values(value);
  return items.reduce<number>((sum, item) => sum + behindSigns(item), Math.max(1, items.length));
}

test('counts what JSON has, whatever its strings contain', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), fc.constantFrom(undefined, 1), (value, indent) => {
      const json = JSON.stringify(value, null, indent);
      const count = behindSigns(value);
      expect([hasMoreValues(json, count), count > 0 && hasMoreValues(json, count - 1)]).toEqual([false, count > 0]);
    }),
  );
});

test.each([
  ['"', 0],
  ['"[[[[', 0],
  ['"\\"[[[[', 0],
  ['"\\\\"[', 1],
  ['["\\\\\\"[",[', 3],
  ['', 0],
])('of broken JSON too: %s', (json, count) => {
  expect(hasMoreValues(json, count)).toBe(false);
  if (count > 0) expect(hasMoreValues(json, count - 1)).toBe(true);
});
