import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ACTIONS, type ActionName } from '../../src/model/flags.ts';
import {
  ALL_PERMISSIONS,
  entryPermissions,
  type MemberPermissions,
  permissionBit,
  permissionsOf,
  TYPE_PERMISSIONS,
  withPermissions,
} from '../../src/model/member-permissions.ts';
import { holds } from '../setup/property.ts';

const bits = fc.integer({ min: 0, max: ALL_PERMISSIONS });
const given: fc.Arbitrary<Partial<MemberPermissions>> = fc.record(
  Object.fromEntries(ACTIONS.map((action) => [action, fc.boolean()])) as Record<ActionName, fc.Arbitrary<boolean>>,
  { requiredKeys: [] },
);

test('the bits of storage', () => {
  expect(ACTIONS.map((action) => [action, permissionBit(action)])).toEqual([
    ['send', 1],
    ['recv', 2],
    ['pub', 4],
    ['sub', 8],
    ['list', 16],
  ]);
  expect([ALL_PERMISSIONS, TYPE_PERMISSIONS]).toEqual([31, 3]);
});

describe('the codec', () => {
  test('encoding what was decoded gives the same, for all bits', () => {
    for (let value = 0; value <= ALL_PERMISSIONS; value++) {
      expect(withPermissions(0, permissionsOf(value))).toBe(value);
      expect(withPermissions(ALL_PERMISSIONS, permissionsOf(value))).toBe(value);
    }
  });

  test('only what is given changes', () => {
    holds(
      fc.property(bits, given, (before, change) => {
        const after = withPermissions(before, change);
        expect(permissionsOf(after)).toEqual({ ...permissionsOf(before), ...change });
        expect(withPermissions(after, change)).toBe(after);
      }),
    );
  });
});

describe('for a message type', () => {
  test('send and recv are the entry’s, the others the member’s own', () => {
    holds(
      fc.property(bits, fc.integer({ min: 0, max: TYPE_PERMISSIONS }), (own, entry) => {
        const { send, recv } = permissionsOf(entry);
        expect(entryPermissions(own, entry)).toEqual({ ...permissionsOf(own), send, recv });
      }),
    );
  });

  test('without an entry nobody is selected', () => {
    holds(
      fc.property(bits, (own) => {
        expect(entryPermissions(own, undefined)).toEqual({ ...permissionsOf(own), send: false, recv: false });
      }),
    );
  });
});
