import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changedSets, undone } from '../../src/changes/log/recorded-types.ts';
import type { ChangedSet, RecordedType } from '../../src/changes/log/records.ts';
import type { TypeLevels } from '../../src/model/group.ts';

type Types = ReadonlyMap<number, TypeLevels>;
const listOf = (types: Types): RecordedType[] => [...types].map(([type, { send, recv }]) => [type, send, recv]);

/** What a group has after each of several changes: each puts or drops some sets. */
const histories = fc
  .array(
    fc.record({
      put: fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 1, 2), fc.constantFrom(0, 1, 2)), {
        maxLength: 3,
      }),
      drop: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 }),
      whole: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((changes) => {
    let types: Types = new Map();
    return changes.map(({ put, drop, whole }) => {
      const before = types;
      const next = new Map(before);
      for (const [type, send, recv] of put) next.set(type, { send, recv });
      for (const type of drop) next.delete(type);
      types = new Map([...next].sort(([a], [b]) => a - b));
      return { before, after: types, whole };
    });
  });

test('what changed, undone from what is so now or from a record that has all, gives every version', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const now = listOf(history.at(-1)?.after ?? new Map());
      const records = history.map(({ before, after, whole }): [ChangedSet[], RecordedType[] | null] => [
        changedSets(before, after),
        whole ? listOf(after) : null,
      ]);
      for (const [index, { before }] of history.entries()) {
        // What is so now does not count where a later record has all.
        const rest = records.slice(index);
        const later = rest.some(([, types]) => types) ? [[99, 1, 1] satisfies RecordedType] : now;
        expect(undone(later, rest)).toEqual(listOf(before));
      }
      expect(undone(now, [])).toEqual(now);
    }),
  );
});

test('a set that is as it was is no change', () => {
  const types = new Map([[7, { send: 1, recv: 0 }]] as const);
  expect(changedSets(types, new Map(types))).toEqual([]);
  expect(changedSets(types, new Map([[7, { send: 1, recv: 2 }]] as const))).toEqual([[7, [1, 2], [1, 0]]]);
  expect(changedSets(types, new Map())).toEqual([[7, null, [1, 0]]]);
});
