import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  changedValidity,
  DEFAULT_DURATION,
  newValidity,
  stateAt,
  type Validity,
  type ValidityInput,
} from '../../src/model/validity.ts';
import { holds } from '../setup/property.ts';

const NOW = new Date('2030-06-01T00:00:00.000Z');
const MAX = 2 ** 31 - 1;
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const validity = (start: number, end: number, extension: number | null = null): Validity => ({
  startsAt: at(start),
  expiresAt: at(end),
  extension,
});

/** In seconds from now: what has begun, what is to come, what is over. */
const BEGUN = validity(-100, 900);
const COMING = validity(100, 1100);
const OVER = validity(-1000, -10, 5);

const seconds = fc.oneof(fc.integer({ min: 0, max: MAX }), fc.constantFrom(0, 1, MAX));
const input: fc.Arbitrary<ValidityInput> = fc.record(
  { start: seconds, duration: seconds, extension: fc.option(seconds) },
  { requiredKeys: [] },
);
const current = fc
  .tuple(fc.integer({ min: -MAX, max: MAX }), fc.integer({ min: 1, max: MAX }), fc.option(fc.integer({ min: 1, max: MAX })))
  .map(([start, length, extension]) => validity(start, start + length, extension));

test.each<[ValidityInput, Validity]>([
  [{}, validity(0, DEFAULT_DURATION)],
  [{ start: 0, duration: 0, extension: 0 }, validity(0, DEFAULT_DURATION)],
  [{ start: 60 }, validity(60, 60 + 365 * 24 * 60 * 60)],
  [{ duration: 1 }, validity(0, 1)],
  [{ start: 60, duration: 30, extension: 7 }, validity(60, 90, 7)],
  [{ extension: null }, validity(0, DEFAULT_DURATION)],
  [{ start: MAX, duration: MAX, extension: MAX }, validity(MAX, 2 * MAX, MAX)],
])('a new group: %j', (given, expected) => {
  expect(newValidity(given, NOW)).toEqual(expected);
});

describe('a change', () => {
  test.each<[string, Validity, ValidityInput, Validity]>([
    ['nothing', BEGUN, {}, BEGUN],
    ['start: 0 of what has begun', BEGUN, { start: 0 }, BEGUN],
    ['start: 0 of what begins now', validity(0, 10), { start: 0 }, validity(0, 10)],
    ['start: 0 of what is to come', COMING, { start: 0 }, validity(0, 1000)],
    ['start: 0 of what is over', OVER, { start: 0 }, OVER],
    ['start alone keeps the length', BEGUN, { start: 50 }, validity(50, 1050)],
    ['start alone, of what is to come', COMING, { start: 500 }, validity(500, 1500)],
    ['start alone, of what is over', OVER, { start: 20 }, validity(20, 1010, 5)],
    ['duration from now', BEGUN, { duration: 60 }, validity(-100, 60)],
    ['duration from the start to come', COMING, { duration: 60 }, validity(100, 160)],
    ['duration of what is over', OVER, { duration: 60 }, validity(-1000, 60, 5)],
    ['duration: 0', COMING, { duration: 0 }, COMING],
    ['start and duration', BEGUN, { start: 5, duration: 6 }, validity(5, 11)],
    ['start: 0 and duration, begun', BEGUN, { start: 0, duration: 6 }, validity(-100, 6)],
    ['start: 0 and duration, to come', COMING, { start: 0, duration: 6 }, validity(0, 6)],
    ['start and duration: 0 keeps the length', BEGUN, { start: 5, duration: 0 }, validity(5, 1005)],
    ['extension', BEGUN, { extension: 9 }, validity(-100, 900, 9)],
    ['extension: 0', OVER, { extension: 0 }, validity(-1000, -10)],
    ['extension: null', OVER, { extension: null }, validity(-1000, -10)],
  ])('%s', (_, before, given, expected) => {
    expect(changedValidity(before, given, NOW)).toEqual(expected);
  });

  test('what is not given stays; a start alone keeps the length; a duration counts from the later of start and now', () => {
    holds(
      fc.property(current, input, (before, given) => {
        const after = changedValidity(before, given, NOW);
        const length = ({ startsAt, expiresAt }: Validity) => expiresAt.getTime() - startsAt.getTime();
        expect(after.extension).toBe(given.extension === undefined ? before.extension : given.extension || null);
        if (given.start) expect(after.startsAt).toEqual(at(given.start));
        if (given.start === undefined || before.startsAt <= NOW) {
          if (!given.start) expect(after.startsAt).toEqual(before.startsAt);
        } else expect(after.startsAt).toEqual(at(given.start));
        if (given.duration) {
          const from = Math.max(after.startsAt.getTime(), NOW.getTime());
          expect(after.expiresAt.getTime() - from).toBe(given.duration * 1000);
        } else expect(length(after)).toBe(length(before));
        expect(length(after)).toBeGreaterThan(0);
      }),
    );
  });

  test('the same change again, at the same time, changes nothing', () => {
    holds(
      fc.property(current, input, (before, given) => {
        const after = changedValidity(before, given, NOW);
        expect(changedValidity(after, given, NOW)).toEqual(after);
      }),
    );
  });

  test('a new group is what the same input makes of one that begins now, with the default length', () => {
    holds(
      fc.property(input, (given) => {
        const changed = changedValidity(validity(0, DEFAULT_DURATION), given, NOW);
        expect(newValidity(given, NOW)).toEqual(changed);
      }),
    );
  });
});

describe('the state', () => {
  test.each<[number, number, boolean, string]>([
    [-1, 1, true, 'ACTIVE'],
    [0, 1, true, 'ACTIVE'],
    [-1, 1, false, 'PAUSED'],
    [1, 2, true, 'SCHEDULED'],
    [1, 2, false, 'SCHEDULED'],
    [-2, 0, true, 'EXPIRED'],
    [-2, -1, false, 'EXPIRED'],
    [0.001, 1, true, 'SCHEDULED'],
    [-1, 0.001, true, 'ACTIVE'],
  ])('starting at %d s, expiring at %d s, active %s: %s', (start, end, active, state) => {
    expect(stateAt({ active, startsAt: at(start), expiresAt: at(end) }, NOW)).toBe(state);
  });
});
