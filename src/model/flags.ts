/**
 * The group's bitmask (spec: Flags). It is the storage form; permissions and the three switches are views of it.
 */

export const AUDIENCES = ['MEMBERS', 'SELECTED', 'ANYONE'] as const;
export const RECEIVE_MODES = ['MEMBERS', 'SELECTED', 'ROUND_ROBIN'] as const;
export const ACTIONS = ['send', 'recv', 'pub', 'sub', 'list'] as const;

export type Audience = (typeof AUDIENCES)[number];
export type ReceiveMode = (typeof RECEIVE_MODES)[number];
/** What a permission is about: messages (send, recv), streams of a call (pub, sub), its list (list). */
export type ActionName = (typeof ACTIONS)[number];

/** Who may: 0 members, 1 selected members, 2 anyone (recv: one member in turn). */
export type Level = 0 | 1 | 2;
export type Levels = Record<ActionName, Level>;

/** A level from its number; the database holds no other. */
export function levelOf(number: number | undefined): Level {
  if (number !== 0 && number !== 1 && number !== 2) throw new RangeError(`No level: ${number}`);
  return number;
}

export const Flag = {
  AUTO_ADD: 0x8,
  NOT_STORED: 0x40,
  LOOPBACK: 0x80,
  NO_LEAVING: 0x40000,
} as const;

/** Where each action's pair of bits begins: the first bit means level 1, the second level 2. */
const SHIFT: Record<ActionName, number> = { send: 0, recv: 4, pub: 8, sub: 12, list: 16 };

const SWITCHES = Flag.AUTO_ADD | Flag.NOT_STORED | Flag.LOOPBACK | Flag.NO_LEAVING;
export const KNOWN_FLAGS = ACTIONS.reduce((mask, action) => mask | (3 << SHIFT[action]), SWITCHES);

/** The five levels in a legal bitmask. */
export function levelsOf(flags: number): Levels {
  const level = (action: ActionName) => ((flags >> SHIFT[action]) & 3) as Level;
  return { send: level('send'), recv: level('recv'), pub: level('pub'), sub: level('sub'), list: level('list') };
}

/** The bitmask with some levels set and everything else unchanged. */
export function withLevels(flags: number, levels: Partial<Levels>): number {
  let result = flags;
  for (const action of ACTIONS) {
    const level = levels[action];
    if (level !== undefined) result = (result & ~(3 << SHIFT[action])) | (level << SHIFT[action]);
  }
  return result;
}

/** The bitmask with one switch set or cleared. */
export function withFlag(flags: number, flag: number, on: boolean): number {
  return on ? flags | flag : flags & ~flag;
}

/** What is illegal about a bitmask, if anything. */
export function flagsProblem(flags: number): string | undefined {
  const unknown = flags & ~KNOWN_FLAGS;
  if (unknown !== 0) return `unknown flag bits 0x${(unknown >>> 0).toString(16)}`;
  const both = ACTIONS.find((action) => ((flags >> SHIFT[action]) & 3) === 3);
  return both && `both bits of ${both} are set (0x${(3 << SHIFT[both]).toString(16)}); only one may be`;
}
