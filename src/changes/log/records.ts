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

/** The settings in a record. Times in milliseconds since 1970; types as [message type, send, recv]. */
export interface RecordedSettings extends PlainSettings {
  flags: number;
  startsAt: number;
  expiresAt: number;
  extension: number | null;
  call: GroupSettings['call'];
  types: [messageType: number, send: number, recv: number][];
}

/** The data of a record, by its kind. */
export type ChangeData =
  | { kind: 'GROUP_ADDED'; settings: RecordedSettings }
  | { kind: 'GROUP_UPDATED'; settings: RecordedSettings; changed: string[] }
  | { kind: 'GROUP_DELETED' }
  | { kind: 'GROUP_STARTED' | 'GROUP_EXPIRED'; due: number }
  | { kind: 'MEMBERS_ADDED' | 'MEMBERS_UPDATED'; members: RecordedMember[] }
  | { kind: 'MEMBERS_REMOVED'; addresses: string[] };

/** A record to be written: its data and the group's member count after it. */
export type NewChange = ChangeData & { memberCount: number };

export function recordedSettings(settings: GroupSettings): RecordedSettings {
  return {
    ...plainSettings(settings),
    flags: settings.flags,
    startsAt: settings.startsAt.getTime(),
    expiresAt: settings.expiresAt.getTime(),
    extension: settings.extension,
    call: settings.call,
    types: [...settings.types].map(([type, { send, recv }]) => [type, send, recv]),
  };
}
