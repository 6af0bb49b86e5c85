import { type CallSettings, RESOLUTIONS, resolutionOf } from './call-settings.ts';
import type { Level } from './flags.ts';
import type { Validity } from './validity.ts';

/** The send and recv levels of a message type's own set. */
export interface TypeLevels {
  send: Level;
  recv: Level;
}

/** A level that is not given narrows nothing: ANYONE for send, MEMBERS for recv. */
export const OPEN_TYPE: TypeLevels = { send: 2, recv: 0 };

/** All that can be set about a group, but for its members. */
export interface GroupSettings extends Validity {
  name: string | null;
  active: boolean;
  /** The bitmask of flags.ts. */
  flags: number;
  call: CallSettings;
  /** By message type, above 0, in ascending order. */
  types: ReadonlyMap<number, TypeLevels>;
}

/** A group as it was when it was read. The sets of its message types are read apart. */
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

/** The columns of a GroupRow, from `groups g`. */
export const GROUP_COLUMNS = `g.gid, g.name, g.active, g.flags, g.starts_at, g.expires_at, g.extension, g.call_flags,
  g.call_resolution, g.call_max_duration, g.member_count, g.version, g.mark, g.created_at, g.updated_at`;

export interface GroupRow {
  gid: number;
  name: string | null;
  active: boolean;
  flags: number;
  starts_at: Date;
  expires_at: Date;
  extension: number | null;
  call_flags: number;
  call_resolution: number;
  call_max_duration: number | null;
  member_count: number;
  version: number;
  mark: number;
  created_at: Date;
  updated_at: Date;
  read_at: Date;
}

export function groupOf(row: GroupRow): Group {
  return {
    gid: row.gid,
    name: row.name,
    active: row.active,
    flags: row.flags,
    startsAt: row.starts_at,
    expiresAt: row.expires_at,
    extension: row.extension,
    call: {
      flags: row.call_flags,
      resolution: resolutionOf(row.call_resolution) ?? 'DEFAULT',
      maxDuration: row.call_max_duration,
    },
    memberCount: row.member_count,
    version: row.version,
    mark: row.mark,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    readAt: row.read_at,
  };
}

/** The settings columns with their values, in one order for insert and update. */
export const SETTINGS_COLUMNS = [
  'name',
  'name_folded',
  'active',
  'flags',
  'starts_at',
  'expires_at',
  'extension',
  'call_flags',
  'call_resolution',
  'call_max_duration',
  'start_due',
  'expiry_due',
] as const;

/**
 * The values of SETTINGS_COLUMNS. The start is due to be recorded when it is still to come at `now`; a group that starts
 * at once has no such record.
 */
export function settingsValues(settings: Omit<GroupSettings, 'types'>, now: Date): unknown[] {
  return [
    settings.name,
    settings.name === null ? null : foldName(settings.name),
    settings.active,
    settings.flags,
    settings.startsAt,
    settings.expiresAt,
    settings.extension,
    settings.call.flags,
    RESOLUTIONS[settings.call.resolution],
    settings.call.maxDuration,
    settings.startsAt > now ? settings.startsAt : null,
    settings.expiresAt > now ? settings.expiresAt : null,
  ];
}

/**
 * For comparing names in any case, the same on every database. A part of a name folds to a part of the folded name. By way
 * of upper case ß finds SS and ı finds I; a sigma has one form wherever it stands.
 */
export function foldName(name: string): string {
  return name.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}
