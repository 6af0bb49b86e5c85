import type { CallSettings } from './call-settings.ts';
import type { Level } from './flags.ts';
import type { PlainSettings } from './plain-settings.ts';
import type { Validity } from './validity.ts';

/** The send and recv levels of a message type's own set. */
export interface TypeLevels {
  send: Level;
  recv: Level;
}

/** A level that is not given restricts nothing: ANYONE for send, MEMBERS for recv. */
export const OPEN_TYPE: TypeLevels = { send: 2, recv: 0 };

/** Everything that can be set about a group, except its members. */
export interface GroupSettings extends PlainSettings, Validity {
  /** The bitmask of flags.ts. */
  flags: number;
  call: CallSettings;
  /** By message type, above 0, in ascending order. */
  types: ReadonlyMap<number, TypeLevels>;
}

/** What one group may have. */
export interface GroupLimits {
  /** Message types with a set of their own, and as many for which members have entries. */
  maxMessageTypes: number;
}

export const GROUP_LIMITS: GroupLimits = { maxMessageTypes: 1_000 };

/** A group as it was when it was read. The sets of its message types are read separately. */
export interface Group extends Omit<GroupSettings, 'types'> {
  gid: number;
  memberCount: number;
  /** The number of its change records. */
  version: number;
  /** The random mark of the last of them. */
  mark: number;
  createdAt: Date;
  updatedAt: Date;
  /** The database's clock when it was read: `state` goes by it. */
  readAt: Date;
}

/**
 * Folds a name for case-insensitive search, the same on every database. A part of a name folds to a part of the folded name.
 * The upper case in between makes ß match SS and ı match I; a final sigma folds like any other.
 */
export function foldName(name: string): string {
  return name.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}
