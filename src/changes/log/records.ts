import type { GroupSettings } from '../../model/group.ts';
import { type PlainSettings, plainSettings } from '../../model/plain-settings.ts';

/** The kinds of change with their numbers in storage. */
export const CHANGE_KINDS = {
  GROUP_ADDED: 1,
  GROUP_UPDATED: 2,
  GROUP_DELETED: 3,
  GROUP_STARTED: 4,
  GROUP_EXPIRED: 5,
  MEMBERS_ADDED: 6,
  MEMBERS_UPDATED: 7,
  MEMBERS_REMOVED: 8,
} as const;
export type ChangeKind = keyof typeof CHANGE_KINDS;

/** The most members in one record. */
export const MEMBERS_A_RECORD = 1_000;

/** A member in a record: address, message type, whether it is there after the change, permission bits, right bits. */
export type RecordedMember = [address: string, messageType: number, present: boolean, permissions: number, rights: number];

/** The set of a message type in a record. */
export type RecordedType = [messageType: number, send: number, recv: number];

type RecordedLevels = [send: number, recv: number];
/** A set that changed, as it is and as it was; null: there is, or was, none. */
export type ChangedSet = [messageType: number, now: RecordedLevels | null, before: RecordedLevels | null];

/** The settings in a record. Times in milliseconds since 1970. */
export interface RecordedSettings extends PlainSettings {
  flags: number;
  startsAt: number;
  expiresAt: number;
  extension: number | null;
  call: GroupSettings['call'];
  /** How many message types have a set of their own. */
  typeCount: number;
  /** All of the sets; not given: they are those of that version, which recorded-types.ts finds. */
  types?: RecordedType[];
  at?: { gid: number; version: number };
}

/** The data of a record, by its kind. */
export type ChangeData =
  | { kind: 'GROUP_ADDED'; settings: RecordedSettings }
  | { kind: 'GROUP_UPDATED'; settings: RecordedSettings; changed: string[]; sets?: ChangedSet[] }
  | { kind: 'GROUP_DELETED' }
  | { kind: 'GROUP_STARTED' | 'GROUP_EXPIRED'; due: number }
  | { kind: 'MEMBERS_ADDED' | 'MEMBERS_UPDATED'; members: RecordedMember[] }
  | { kind: 'MEMBERS_REMOVED'; addresses: string[] };

/** A record to be written: its data and the group's member count after it. */
export type NewChange = ChangeData & { memberCount: number };

/** The settings with all of the sets, which a record need not have. */
export function recordedSettings(settings: GroupSettings): RecordedSettings {
  return {
    ...plainSettings(settings),
    flags: settings.flags,
    startsAt: settings.startsAt.getTime(),
    expiresAt: settings.expiresAt.getTime(),
    extension: settings.extension,
    call: settings.call,
    typeCount: settings.types.size,
    types: [...settings.types].map(([type, { send, recv }]) => [type, send, recv]),
  };
}
