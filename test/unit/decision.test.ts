import { describe, expect, test } from 'vitest';
import { type DecisionReason, decide, type Question } from '../../src/model/decision.ts';
import { ACTIONS, type ActionName, type Level, withLevels } from '../../src/model/flags.ts';
import { ALL_PERMISSIONS, permissionBit } from '../../src/model/member-permissions.ts';

const NOW = new Date('2026-01-31T12:00:00.000Z');
const [BEFORE, AFTER] = [new Date(NOW.getTime() - 1), new Date(NOW.getTime() + 1)];
const LONG_AGO = new Date(0);

/** A group in force whose level for one action is this, and whose other levels say the opposite. */
function groupWith(action: ActionName, level: Level): Question['group'] {
  const others: Level = level === 1 ? 0 : 1;
  const levels = Object.fromEntries(ACTIONS.map((each) => [each, each === action ? level : others]));
  return { active: true, startsAt: LONG_AGO, expiresAt: AFTER, flags: withLevels(0, levels) };
}

/** A member of which only the permission for the action is as said, and all others the opposite; null: no member. */
function memberWith(action: ActionName, own: boolean | null, entry?: boolean): Question['member'] {
  if (own === null) return undefined;
  const bit = permissionBit(action);
  const bits = (yes: boolean, all: number) => (yes ? bit : all & ~bit);
  return { permissions: bits(own, ALL_PERMISSIONS), entry: entry === undefined ? undefined : bits(entry, 3) };
}

const REASONS: Record<string, DecisionReason> = {
  ANY: 'ANYONE',
  MEM: 'MEMBER',
  SEL: 'SELECTED_MEMBER',
  'no:mem': 'NOT_A_MEMBER',
  'no:own': 'NOT_SELECTED',
  'no:typ': 'MESSAGE_TYPE_NOT_SELECTED',
};
const YES = ['ANY', 'MEM', 'SEL'];

/** The rows of a table: what leads each, and its reasons. */
function rows(table: string, lead: number): { lead: string[]; cells: string[] }[] {
  const lines = table.trim().split('\n');
  return lines.map((line) => {
    const words = line.replaceAll('|', ' ').trim().split(/\s+/);
    return { lead: words.slice(0, lead), cells: words.slice(lead) };
  });
}

function settled(question: Question): { allowed: boolean; reason: DecisionReason } {
  const { allowed, reason } = decide(question);
  return { allowed, reason };
}

const answer = (cell: string) => ({ allowed: YES.includes(cell), reason: REASONS[cell] });

// The own permission of the address: none (no member), false, true.
const GROUP_TABLE = `
  send 0 | no:mem  MEM     MEM
  send 1 | no:mem  no:own  SEL
  send 2 | ANY     ANY     ANY
  recv 0 | no:mem  MEM     MEM
  recv 1 | no:mem  no:own  SEL
  recv 2 | no:mem  MEM     MEM
  pub  0 | no:mem  MEM     MEM
  pub  1 | no:mem  no:own  SEL
  pub  2 | ANY     ANY     ANY
  sub  0 | no:mem  MEM     MEM
  sub  1 | no:mem  no:own  SEL
  sub  2 | ANY     ANY     ANY
  list 0 | no:mem  MEM     MEM
  list 1 | no:mem  no:own  SEL
  list 2 | ANY     ANY     ANY`;

describe('the level of the group', () => {
  for (const { lead, cells } of rows(GROUP_TABLE, 2)) {
    const [action, level] = [lead[0] as ActionName, Number(lead[1]) as Level];
    test(`${action} ${level}`, () => {
      expect(cells).toHaveLength(3);
      [null, false, true].forEach((own, index) => {
        const question = { group: groupWith(action, level), member: memberWith(action, own), action, now: NOW };
        expect(settled({ ...question, messageType: 0 })).toEqual(answer(cells[index] as string));
        // A message type without a set of its own changes nothing.
        expect(settled({ ...question, messageType: 7 })).toEqual(answer(cells[index] as string));
      });
    });
  }
});

// Group level, type level; then no member; own permission false with the entry absent, false, true; own permission true
// with the same.
const TYPE_TABLE = `
  send 0 0 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM
  send 0 1 | no:mem | no:typ  no:typ  SEL    | no:typ  no:typ  SEL
  send 0 2 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM
  send 1 0 | no:mem | no:own  no:own  no:own | SEL     SEL     SEL
  send 1 1 | no:mem | no:own  no:own  no:own | no:typ  no:typ  SEL
  send 1 2 | no:mem | no:own  no:own  no:own | SEL     SEL     SEL
  send 2 0 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM
  send 2 1 | no:mem | no:typ  no:typ  SEL    | no:typ  no:typ  SEL
  send 2 2 | ANY    | ANY     ANY     ANY    | ANY     ANY     ANY
  recv 0 0 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM
  recv 0 1 | no:mem | no:typ  no:typ  SEL    | no:typ  no:typ  SEL
  recv 0 2 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM
  recv 1 0 | no:mem | no:own  no:own  no:own | SEL     SEL     SEL
  recv 1 1 | no:mem | no:own  no:own  no:own | no:typ  no:typ  SEL
  recv 1 2 | no:mem | no:own  no:own  no:own | SEL     SEL     SEL
  recv 2 0 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM
  recv 2 1 | no:mem | no:typ  no:typ  SEL    | no:typ  no:typ  SEL
  recv 2 2 | no:mem | MEM     MEM     MEM    | MEM     MEM     MEM`;
const STANDINGS: [own: boolean | null, entry?: boolean][] = [
  [null],
  [false],
  [false, false],
  [false, true],
  [true],
  [true, false],
  [true, true],
];

describe('the level of a message type', () => {
  for (const { lead, cells } of rows(TYPE_TABLE, 3)) {
    const action = lead[0] as 'send' | 'recv';
    const [level, own] = [Number(lead[1]) as Level, Number(lead[2]) as Level];
    // The other level of the set says the opposite.
    const other: Level = own === 1 ? 0 : 1;
    const type = action === 'send' ? { send: own, recv: other } : { send: other, recv: own };
    test(`${action}: group ${level}, type ${own}`, () => {
      expect(cells).toHaveLength(STANDINGS.length);
      STANDINGS.forEach(([permission, entry], index) => {
        const member = memberWith(action, permission, entry);
        const question = { group: groupWith(action, level), type, member, action, messageType: 7, now: NOW };
        expect(settled(question)).toEqual(answer(cells[index] as string));
      });
    });
  }

  test('pub, sub and list never look at it, and message type 0 has none', () => {
    const type = { send: 1, recv: 1 } as const;
    for (const action of ['pub', 'sub', 'list'] as const) {
      const question = { group: groupWith(action, 0), type, member: memberWith(action, false), action, messageType: 7, now: NOW };
      expect(decide(question)).toMatchObject({ allowed: true, reason: 'MEMBER', rules: [{}, {}] });
    }
    const member = memberWith('send', true);
    const question = { group: groupWith('send', 0), type, member, action: 'send' as const, messageType: 0, now: NOW };
    expect(decide(question)).toMatchObject({ allowed: true, reason: 'MEMBER', rules: [{}, {}] });
  });
});

// active; start before, at, after now; expiry the same.
const STATE_TABLE: [active: boolean, startsAt: Date, expiresAt: Date, reason: DecisionReason | null][] = [
  [true, BEFORE, AFTER, null],
  [true, NOW, AFTER, null],
  [false, BEFORE, AFTER, 'GROUP_PAUSED'],
  [false, NOW, AFTER, 'GROUP_PAUSED'],
  [true, AFTER, AFTER, 'GROUP_NOT_STARTED'],
  [false, AFTER, AFTER, 'GROUP_NOT_STARTED'],
  [true, BEFORE, BEFORE, 'GROUP_EXPIRED'],
  [true, BEFORE, NOW, 'GROUP_EXPIRED'],
  [true, NOW, NOW, 'GROUP_EXPIRED'],
  [false, BEFORE, NOW, 'GROUP_EXPIRED'],
];

describe('the state', () => {
  test.each(STATE_TABLE)('active %s, from %s to %s: %s', (active, startsAt, expiresAt, reason) => {
    for (const action of ACTIONS) {
      for (const level of [0, 1, 2] as const) {
        for (const member of [undefined, memberWith(action, true, true)]) {
          for (const type of [undefined, { send: 2, recv: 0 } as const]) {
            const group = { ...groupWith(action, level), active, startsAt, expiresAt };
            const decision = decide({ group, type, member, action, messageType: 7, now: NOW });
            if (reason === null) expect(decision.reason).not.toMatch(/^GROUP_/);
            else expect(decision).toMatchObject({ allowed: false, reason, rules: [{ rule: 'state', passed: false }] });
          }
        }
      }
    }
  });
});

describe('the rules', () => {
  const question: Omit<Question, 'member'> = {
    group: groupWith('send', 1),
    type: { send: 1, recv: 0 },
    action: 'send',
    messageType: 7,
    now: NOW,
  };
  const outcomes = (member: Question['member']) =>
    decide({ ...question, member }).rules.map(({ rule, passed }) => [rule, passed]);

  test('are told in order, and none after the first no', () => {
    const [state, own, type] = ['state', 'permissions.send', 'permissions(7).send'];
    expect(outcomes(memberWith('send', true, true))).toEqual([
      [state, true],
      [own, true],
      [type, true],
    ]);
    expect(outcomes(memberWith('send', true, false))).toEqual([
      [state, true],
      [own, true],
      [type, false],
    ]);
    expect(outcomes(memberWith('send', false, true))).toEqual([
      [state, true],
      [own, false],
    ]);
    expect(outcomes(undefined)).toEqual([
      [state, true],
      [own, false],
    ]);
  });

  test('say what they found', () => {
    const details = decide({ ...question, member: memberWith('send', true) }).rules.map(({ detail }) => detail);
    expect(details).toEqual([
      'the group is ACTIVE',
      'SELECTED; the address is a member, selected',
      'SELECTED; the address is a member, not selected',
    ]);
    const stranger = decide({ ...question, group: groupWith('recv', 2), action: 'recv' });
    expect(stranger.rules.at(-1)?.detail).toBe('ROUND_ROBIN; the address is not a member');
  });
});
