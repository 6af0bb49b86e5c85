import { randomBytes } from 'node:crypto';
import type { Tx } from '../db/sql.ts';
import type { GroupSettings } from '../groups/group.ts';

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

/** A record bears at most this many members. */
export const MEMBERS_A_RECORD = 1_000;

/** A member as a record tells it: address, message type, whether it is there now, permission bits, right bits. */
export type RecordedMember = [address: string, messageType: number, present: boolean, permissions: number, rights: number];

/** The settings as a record tells them. Times in milliseconds since 1970; types as [message type, send, recv]. */
export interface RecordedSettings {
  name: string | null;
  active: boolean;
  flags: number;
  startsAt: number;
  expiresAt: number;
  extension: number | null;
  call: GroupSettings['call'];
  types: [messageType: number, send: number, recv: number][];
}

/** What a record carries, by its kind. */
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
    name: settings.name,
    active: settings.active,
    flags: settings.flags,
    startsAt: settings.startsAt.getTime(),
    expiresAt: settings.expiresAt.getTime(),
    extension: settings.extension,
    call: settings.call,
    types: [...settings.types].map(([type, { send, recv }]) => [type, send, recv]),
  };
}

/** Where a group's log stands, and what the next records bear. Kept by the writer that holds the group's lock. */
export interface LogHead {
  readonly appId: number;
  readonly gid: number;
  readonly generation: number;
  /** An address; null: the application, or the gateway itself. */
  readonly actor: string | null;
  /** The database's clock under the lock, never earlier than the record before. */
  readonly at: Date;
  version: number;
  mark: number;
  memberCount: number;
  /** The last joining number given. */
  joins: number;
}

/** 48 random bits: exact in a JavaScript number. */
const newMark = () => randomBytes(6).readUIntBE(0, 6);

// The group's row and the records in one statement: there is no version without its record.
const APPEND = {
  name: 'changes_append',
  text: `with head as (
      update groups set version = $3 + cardinality($7::int[]), mark = $11, member_count = $12, joins = $13, updated_at = $5,
        xid = pg_current_xact_id()::text::bigint, generation = $4
      where app_id = $1 and gid = $2)
    insert into changes (app_id, gid, version, generation, xid, kind, at, actor, mark, member_count, data)
    select $1, $2, $3 + r.ord, $4, pg_current_xact_id()::text::bigint, r.kind, $5, $6, r.mark, r.member_count, r.data::jsonb
    from unnest($7::int[], $8::bigint[], $9::int[], $10::text[]) with ordinality r(kind, mark, member_count, data, ord)
    order by r.ord`,
};

/** Writes records and moves the head, in the writer's transaction under the group's lock. */
export async function appendChanges(tx: Tx, head: LogHead, changes: readonly NewChange[]): Promise<void> {
  if (changes.length === 0) return;
  const marks = changes.map(newMark);
  const from = head.version;
  head.version += changes.length;
  head.mark = marks.at(-1) ?? 0;
  await tx.query(APPEND, [
    head.appId,
    head.gid,
    from,
    head.generation,
    head.at,
    head.actor,
    changes.map(({ kind }) => CHANGE_KINDS[kind]),
    marks,
    changes.map(({ memberCount }) => memberCount),
    changes.map(({ kind, memberCount, ...data }) => JSON.stringify(data)),
    head.mark,
    head.memberCount,
    head.joins,
  ]);
}
