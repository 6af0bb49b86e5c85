import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ACTIONS,
  type ActionName,
  Flag,
  flagsProblem,
  KNOWN_FLAGS,
  type Level,
  type Levels,
  levelsOf,
  withFlag,
  withLevels,
} from '../../src/model/flags.ts';
import { holds, int32 } from '../setup/property.ts';

const SWITCHES = Object.values(Flag);
const level = fc.constantFrom<Level[]>(0, 1, 2);
const levels = fc.record<Levels>({ send: level, recv: level, pub: level, sub: level, list: level });
const switches = fc.uniqueArray(fc.constantFrom(...SWITCHES));
/** Every legal bitmask. */
const legal = fc
  .tuple(levels, switches)
  .map(([given, on]) => on.reduce<number>((flags, flag) => withFlag(flags, flag, true), withLevels(0, given)));

describe('the bits', () => {
  test.each<[ActionName, Level, number]>([
    ['send', 1, 0x1],
    ['send', 2, 0x2],
    ['recv', 1, 0x10],
    ['recv', 2, 0x20],
    ['pub', 1, 0x100],
    ['pub', 2, 0x200],
    ['sub', 1, 0x1000],
    ['sub', 2, 0x2000],
    ['list', 1, 0x10000],
    ['list', 2, 0x20000],
  ])('%s %i is 0x%x', (action, value, bit) => {
    expect(withLevels(0, { [action]: value })).toBe(bit);
    expect(levelsOf(bit)).toEqual({ send: 0, recv: 0, pub: 0, sub: 0, list: 0, [action]: value });
  });

  test('the switches, and all that is known', () => {
    expect(Flag).toEqual({ AUTO_ADD: 0x8, NOT_STORED: 0x40, LOOPBACK: 0x80, NO_LEAVING: 0x40000 });
    expect(KNOWN_FLAGS).toBe(0x733fb);
  });
});

describe('the codec', () => {
  test('decoding what was encoded gives the same, for every legal bitmask', () => {
    let count = 0;
    for (let flags = 0; flags <= KNOWN_FLAGS; flags++) {
      if (flagsProblem(flags) !== undefined) continue;
      count++;
      const again = SWITCHES.reduce<number>(
        (made, flag) => withFlag(made, flag, (flags & flag) !== 0),
        withLevels(0, levelsOf(flags)),
      );
      if (again !== flags) expect(again).toBe(flags);
    }
    expect(count).toBe(3 ** 5 * 2 ** 4);
  });

  test('encoding what was decoded gives the same, for all levels and switches', () => {
    holds(
      fc.property(levels, switches, (given, on) => {
        const flags = on.reduce<number>((made, flag) => withFlag(made, flag, true), withLevels(0, given));
        expect(flagsProblem(flags)).toBeUndefined();
        expect(levelsOf(flags)).toEqual(given);
        for (const flag of SWITCHES) expect((flags & flag) !== 0).toBe(on.includes(flag));
      }),
    );
  });

  test('some levels set leave the other levels and the switches alone', () => {
    holds(
      fc.property(
        legal,
        fc.record({ send: level, recv: level, pub: level, sub: level, list: level }, { requiredKeys: [] }),
        (flags, given) => {
          const after = withLevels(flags, given);
          expect(levelsOf(after)).toEqual({ ...levelsOf(flags), ...given });
          for (const flag of SWITCHES) expect(after & flag).toBe(flags & flag);
          expect(withLevels(after, given)).toBe(after);
        },
      ),
    );
  });

  test('a switch turned leaves all else alone, and turned back too', () => {
    holds(
      fc.property(legal, fc.constantFrom(...SWITCHES), fc.boolean(), (flags, flag, on) => {
        const after = withFlag(flags, flag, on);
        expect((after & flag) !== 0).toBe(on);
        expect(after & ~flag).toBe(flags & ~flag);
        expect(withFlag(after, flag, (flags & flag) !== 0)).toBe(flags);
      }),
    );
  });
});

describe('what is illegal', () => {
  test.each(ACTIONS.map((action, index) => [action, 3 << (4 * index)] as const))('both bits of %s', (action, flags) => {
    expect(flagsProblem(flags)).toMatch(new RegExp(`both bits of ${action} .*0x${flags.toString(16)}\\b`));
  });

  test('each bit that nobody knows, the sign too', () => {
    for (let place = 0; place < 32; place++) {
      const bit = (1 << place) | 0;
      const known = [0x1, 0x2, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x1000, 0x2000, 0x10000, 0x20000, 0x40000].includes(
        bit,
      );
      expect([place, flagsProblem(bit)]).toEqual([place, known ? undefined : `unknown flag bits 0x${(bit >>> 0).toString(16)}`]);
    }
  });

  test('an integer is legal where it is what its levels and switches encode, and nowhere else', () => {
    const near = fc.tuple(legal, int32).map(([flags, noise]) => flags ^ (noise & (noise >> 3) & (noise >> 7)));
    holds(
      fc.property(fc.oneof(legal, int32, near), (flags) => {
        const on = SWITCHES.filter((flag) => (flags & flag) !== 0);
        const made = on.reduce<number>((sum, flag) => sum | flag, withLevels(0, levelsOf(flags)));
        const pairs = ACTIONS.every((action) => levelsOf(flags)[action] <= 2);
        expect(flagsProblem(flags) === undefined).toBe(pairs && made === flags);
      }),
      5_000,
    );
  });
});
