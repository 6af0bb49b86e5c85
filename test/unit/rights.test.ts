import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ADMIN_STANDS_FOR,
  ALL_RIGHTS,
  changeRights,
  contradictions,
  hasRight,
  RIGHT_NAMES,
  type Right,
  type RightsChange,
  rightBit,
  rightsOf,
} from '../../src/model/rights.ts';
import { holds } from '../setup/property.ts';

const OF_ADMIN: readonly Right[] = ['admin', 'modify', 'addUser', 'removeUser', 'addAdmin', 'removeAdmin'];
const bitsOf = (...rights: Right[]) => rights.reduce((bits, right) => bits | rightBit(right), 0);

const yesOrNo = fc.boolean();
const change: fc.Arbitrary<RightsChange> = fc.record(
  Object.fromEntries(RIGHT_NAMES.map((right) => [right, yesOrNo])) as Record<Right, fc.Arbitrary<boolean>>,
  { requiredKeys: [] },
);
/** Bits as they are stored: an owner has them all. */
const stored = fc.integer({ min: 0, max: ALL_RIGHTS }).map((bits) => (hasRight(bits, 'owner') ? ALL_RIGHTS : bits));
/** A change that is let in. */
const legal = fc.tuple(stored, change).filter(([bits, given]) => contradictions(bits, given).length === 0);

test('the bits of storage, in the order of the list', () => {
  expect(RIGHT_NAMES.map((right) => [right, rightBit(right)])).toEqual([
    ['owner', 0x1],
    ['admin', 0x2],
    ['modify', 0x4],
    ['remove', 0x8],
    ['addUser', 0x10],
    ['removeUser', 0x20],
    ['addAdmin', 0x40],
    ['removeAdmin', 0x80],
    ['removeOwner', 0x100],
  ]);
  expect(ALL_RIGHTS).toBe(0x1ff);
  expect(ADMIN_STANDS_FOR).toBe(bitsOf(...OF_ADMIN) & ~rightBit('admin'));
});

test('rightsOf says the bits, for all of them', () => {
  for (let bits = 0; bits <= ALL_RIGHTS; bits++) {
    const rights = rightsOf(bits);
    expect(bitsOf(...RIGHT_NAMES.filter((right) => rights[right]))).toBe(bits);
  }
});

describe('a change', () => {
  test.each<[Right[], RightsChange, Right[]]>([
    [[], {}, []],
    [['remove'], {}, ['remove']],
    [[], { admin: true }, [...OF_ADMIN]],
    [[], { admin: true, modify: false, addAdmin: false }, ['admin', 'addUser', 'removeUser', 'removeAdmin']],
    [['modify'], { admin: true, modify: false }, ['admin', 'addUser', 'removeUser', 'addAdmin', 'removeAdmin']],
    [[...OF_ADMIN, 'remove'], { admin: false }, ['remove']],
    [[...OF_ADMIN], { admin: false, modify: true, removeOwner: true }, ['modify', 'removeOwner']],
    [[], { owner: true }, [...RIGHT_NAMES]],
    [['modify'], { owner: false }, ['modify']],
    [[...RIGHT_NAMES], { owner: false }, []],
    [[...RIGHT_NAMES], { owner: false, remove: true }, ['remove']],
    [
      [...RIGHT_NAMES],
      { owner: false, admin: true, addUser: false },
      ['admin', 'modify', 'removeUser', 'addAdmin', 'removeAdmin'],
    ],
  ])('%j by %j', (before, given, after) => {
    expect(changeRights(bitsOf(...before), given)).toBe(bitsOf(...after));
  });

  test('what is named true is held after it, what is named false is not', () => {
    holds(
      fc.property(legal, ([bits, given]) => {
        const after = rightsOf(changeRights(bits, given));
        for (const right of RIGHT_NAMES)
          if (given[right] !== undefined) expect([right, after[right]]).toEqual([right, given[right]]);
      }),
    );
  });

  test('what is not named stays, but for what the roles bring and take', () => {
    holds(
      fc.property(legal, ([bits, given]) => {
        const after = changeRights(bits, given);
        for (const right of RIGHT_NAMES) {
          if (given[right] !== undefined) continue;
          if (given.owner === true) expect(hasRight(after, right)).toBe(true);
          else if (given.admin !== undefined && OF_ADMIN.includes(right)) expect(hasRight(after, right)).toBe(given.admin);
          else if (given.owner === false && hasRight(bits, 'owner')) expect(hasRight(after, right)).toBe(false);
          else expect(hasRight(after, right)).toBe(hasRight(bits, right));
        }
      }),
    );
  });

  test('an owner has every right, before and after; the same change again changes nothing', () => {
    holds(
      fc.property(legal, ([bits, given]) => {
        const after = changeRights(bits, given);
        expect(after & ~ALL_RIGHTS).toBe(0);
        if (hasRight(after, 'owner')) expect(after).toBe(ALL_RIGHTS);
        expect(changeRights(after, given)).toBe(after);
        expect(changeRights(bits, {})).toBe(bits);
      }),
    );
  });

  test('who was an owner has what a newcomer would have been given', () => {
    holds(
      fc.property(change, ({ owner: _, ...given }) => {
        expect(changeRights(ALL_RIGHTS, { ...given, owner: false })).toBe(changeRights(0, given));
      }),
    );
  });
});

describe('contradictions', () => {
  test.each<[Right[], RightsChange, Right[]]>([
    [[], { owner: true, modify: true }, []],
    [[], { owner: true, admin: false, modify: false }, ['admin', 'modify']],
    [[], { owner: false, modify: false }, []],
    [['modify'], { modify: false, admin: false }, []],
    [[...RIGHT_NAMES], { modify: false }, ['modify']],
    [[...RIGHT_NAMES], { modify: true, admin: true }, []],
    [[...RIGHT_NAMES], { owner: true, removeOwner: false }, ['removeOwner']],
    [[...RIGHT_NAMES], { owner: false, removeOwner: false }, []],
  ])('%j by %j', (before, given, expected) => {
    expect(contradictions(bitsOf(...before), given)).toEqual(expected);
  });

  test('without one, nobody who stays an owner is named false anything', () => {
    holds(
      fc.property(stored, change, (bits, given) => {
        const staysOwner = hasRight(changeRights(bits, given), 'owner');
        const takes = RIGHT_NAMES.some((right) => given[right] === false);
        expect(contradictions(bits, given).length > 0).toBe(staysOwner && takes);
      }),
    );
  });
});
