import { setImmediate as nextTurn } from 'node:timers/promises';
import { tokenHolds } from '../../access/token-rows.ts';
import type { Viewer } from '../../access/viewer.ts';
import { appendChanges, type LogHead } from '../../changes/log/append.ts';
import { GROUP_COLUMNS, GROUP_LIST, groupOf } from '../../changes/log/group-row.ts';
import { MEMBERS_A_RECORD, type NewChange } from '../../changes/log/records.ts';
import type { Database } from '../../db/client.ts';
import { statement, type Tx } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, int4, int8, nothing, nullable, text, uuid } from '../../db/types.ts';
import { gatewayState, groups, members } from '../../generated/tables.ts';
import { GroupNotFoundError, NotAllowedError, UnauthenticatedError, VersionConflictError } from '../../model/errors.ts';
import { type Gid, gidOf } from '../../model/gid.ts';
import type { Group } from '../../model/group.ts';
import { type Actor, missingRight, type Needs } from '../../model/may.ts';
import {
  findOutcome,
  firstOutcome,
  type IdempotentRequest,
  keepOutcome,
  type MemberCounts,
  NO_COUNTS,
  type WriteOutcome,
} from './idempotency.ts';

/** The most rows in one statement, so that none blocks the event loop, or the embedded database, for long. */
export const ROWS_A_STATEMENT = 5_000;

/** The list in slices of at most `size`; the event loop runs in between. */
export async function* slices<T>(list: readonly T[], size = ROWS_A_STATEMENT): AsyncGenerator<T[]> {
  for (let from = 0; from < list.length; from += size) {
    if (from > 0) await nextTurn();
    yield list.slice(from, from + size);
  }
}

/**
 * A transaction that holds a group's lock: the group as it is under the lock, and the records to be written. Records are
 * gathered until they may have 5,000 members, so that a small change writes them all in one statement.
 */
export class GroupWrite {
  readonly tx: Tx;
  readonly head: LogHead;
  /** The user who writes, with its rights when the lock was taken; null: an application, which needs no rights. */
  readonly actor: Actor | null;
  /** The group under the lock; the writer keeps it up to date. */
  group: Group;
  #pending: NewChange[] = [];

  constructor(tx: Tx, group: Group, head: LogHead, actor: Actor | null = null) {
    this.tx = tx;
    this.group = group;
    this.head = head;
    this.actor = actor;
  }

  get appId(): number {
    return this.head.appId;
  }

  get gid(): number {
    return this.head.gid;
  }

  /** The time of this change. */
  get at(): Date {
    return this.head.at;
  }

  /** The version that the next record gets. */
  get nextVersion(): number {
    return this.head.version + this.#pending.length + 1;
  }

  /** @throws NotAllowedError that names a right which the actor lacks */
  demand(needs: Needs): void {
    const missing = this.actor && missingRight(this.actor, needs);
    if (missing) throw new NotAllowedError(missing);
  }

  async record(change: NewChange): Promise<void> {
    this.head.memberCount = change.memberCount;
    this.#pending.push(change);
    if (this.#pending.length >= ROWS_A_STATEMENT / MEMBERS_A_RECORD) await this.flush();
  }

  /** Writes what is pending and brings `group` up to date. */
  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    await appendChanges(this.tx, this.head, pending);
    const { version, mark, memberCount, at } = this.head;
    this.group = { ...this.group, version, mark, memberCount, updatedAt: at };
  }
}

/** The result of a write: the outcome that a repetition also gets, and the group unless it must be read again. */
export interface WriteResult extends WriteOutcome {
  group?: Group;
}

export interface WriteRequest {
  db: Database;
  viewer: Viewer;
  gid: Gid;
  idempotency?: IdempotentRequest;
  ifVersion?: number;
}

const LOCK_GROUP = statement({
  name: 'group_lock',
  parameters: [int4, int8],
  columns: { pg_advisory_xact_lock: nothing },
  text: 'select pg_advisory_xact_lock(gid) from groups where app_id = $1 and gid = $2 and deleted_at is null',
});
// A user who does not see the group must not wait for it.
const LOCK_GROUP_OF_MEMBER = statement({
  name: 'group_lock_of_member',
  parameters: [int4, int8, text],
  columns: { pg_advisory_xact_lock: nothing },
  text: `select pg_advisory_xact_lock(g.gid) from groups g
    join members m on m.app_id = g.app_id and m.gid = g.gid and m.address = $3
    where g.app_id = $1 and g.gid = $2 and g.deleted_at is null`,
});
const { read_at, ...OF_GROUP } = GROUP_COLUMNS;
const HEAD = pick(groups, 'g', ['joins', 'startDue', 'expiryDue']);
// A statement of its own after the lock: the snapshot of the locking statement is older than its wait.
const READ_LOCKED = statement({
  name: 'group_read_locked',
  parameters: [int4, int8, nullable(text), nullable(uuid)],
  columns: {
    ...OF_GROUP,
    ...HEAD.columns,
    generation: gatewayState.generation[1],
    read_at,
    actor_rights: nullable(members.rights[1]),
    token_holds: bool,
  },
  text: `select ${GROUP_LIST}, ${HEAD.list}, s.generation,
      greatest(date_trunc('milliseconds', clock_timestamp()), g.updated_at) as read_at, m.rights as actor_rights,
      $4::uuid is null or ${tokenHolds('$1', '$4::uuid')} as token_holds
    from groups g cross join gateway_state s
    left join members m on m.app_id = g.app_id and m.gid = g.gid and m.address = $3
    where g.app_id = $1 and g.gid = $2 and g.deleted_at is null`,
});
const CLEAR_DUE = statement({
  name: 'group_clear_due',
  parameters: [int4, int8, bool, bool, int4],
  columns: {},
  text: `update groups set start_due = case when $3 then null else start_due end,
      expiry_due = case when $4 then null else expiry_due end,
      ended_xid = case when $4 then pg_current_xact_id()::text::bigint else ended_xid end,
      ended_generation = case when $4 then $5 else ended_generation end
    where app_id = $1 and gid = $2`,
});

const SEES_GROUP = statement({
  name: 'group_seen_by_user',
  parameters: [int4, int8, text],
  columns: {},
  text: `select from members m join groups g on g.app_id = m.app_id and g.gid = m.gid and g.deleted_at is null
    where m.app_id = $1 and m.gid = $2 and m.address = $3`,
});

/**
 * A user who does not see the group must not enter its queue: it would take up a place, and could tell from the wait that the
 * group exists. A repetition is answered nevertheless.
 */
async function mayQueue({ db, viewer: { appId, address }, gid, idempotency }: WriteRequest): Promise<void> {
  if (address === null || (idempotency && (await findOutcome(db, idempotency)))) return;
  const seen = await db.query(SEES_GROUP, [appId, gid.number, address]);
  if (seen.length === 0) throw new GroupNotFoundError(gid.text);
}

/**
 * Changes one group: key, lock, state, rights, then `body`, its records, and the outcome for a repetition, in one
 * transaction. What is due by the clock (start, expiry) is recorded first, in a transaction of its own.
 * @throws GroupNotFoundError, VersionConflictError, IdempotencyConflictError, UnauthenticatedError, and what `body` throws
 */
export async function writeGroup(
  request: WriteRequest,
  body: (write: GroupWrite) => Promise<MemberCounts | undefined>,
): Promise<WriteResult> {
  const { db, viewer, idempotency } = request;
  const gid = request.gid.number;
  await mayQueue(request);
  for (;;) {
    const result = await db.exclusive(`${viewer.appId}:${gid}`, async (tx): Promise<WriteResult | undefined> => {
      const first = idempotency && (await firstOutcome(tx, idempotency));
      if (first) return first;
      const { write, due } = await lockGroup(tx, request);
      if (due) {
        await recordDue(write, due);
        return undefined;
      }
      if (request.ifVersion !== undefined && request.ifVersion !== write.group.version) {
        throw new VersionConflictError(write.group.version);
      }
      const counts = (await body(write)) ?? NO_COUNTS;
      await write.flush();
      const outcome: WriteOutcome = { ...counts, position: { gid, version: write.group.version, mark: write.group.mark } };
      if (idempotency) await keepOutcome(tx, idempotency, outcome);
      return { ...outcome, group: write.group };
    });
    if (result) return result;
  }
}

/** The author of a write; without a token it is the gateway itself. */
type Writer = Pick<Viewer, 'appId' | 'address'> & Partial<Pick<Viewer, 'token'>>;

interface Due {
  start: Date | null;
  expiry: Date | null;
}

async function lockGroup(
  tx: Tx,
  { viewer, gid: { number: gid, text: givenGid } }: Pick<WriteRequest, 'gid'> & { viewer: Writer },
): Promise<{ write: GroupWrite; due?: Due }> {
  const { appId, address } = viewer;
  const locked = await (address === null
    ? tx.query(LOCK_GROUP, [appId, gid])
    : tx.query(LOCK_GROUP_OF_MEMBER, [appId, gid, address]));
  // Without the lock nothing is read: the group may be created in between.
  if (locked.length === 0) throw new GroupNotFoundError(givenGid);
  const [row] = await tx.query(READ_LOCKED, [appId, gid, address, viewer.token?.id ?? null]);
  if (!row || (address !== null && row.actor_rights === null)) throw new GroupNotFoundError(givenGid);
  if (!row.token_holds) throw new UnauthenticatedError();
  const head: LogHead = {
    appId: viewer.appId,
    gid,
    generation: row.generation,
    actor: address,
    at: row.read_at,
    version: row.version,
    mark: row.mark,
    memberCount: row.member_count,
    joins: row.joins,
  };
  const isDue = (time: Date | null) => (time && time <= row.read_at ? time : null);
  const due: Due = { start: isDue(row.start_due), expiry: isDue(row.expiry_due) };
  const actor = address === null ? null : { address, rights: row.actor_rights ?? 0 };
  return { write: new GroupWrite(tx, groupOf(row), head, actor), due: due.start || due.expiry ? due : undefined };
}

/** Records a group's start or expiry if it is due; another gateway may have been first. */
export async function settleDue(db: Database, appId: number, gid: number): Promise<void> {
  await db.exclusive(`${appId}:${gid}`, async (tx) => {
    const { write, due } = await lockGroup(tx, { viewer: { appId, address: null }, gid: gidOf(gid) });
    if (due) await recordDue(write, due);
  });
}

/** Records that the group started or expired. The actor is the gateway itself. */
async function recordDue(write: GroupWrite, { start, expiry }: Due): Promise<void> {
  const head = { ...write.head, actor: null };
  await write.tx.query(CLEAR_DUE, [head.appId, head.gid, start !== null, expiry !== null, head.generation]);
  const changes: NewChange[] = [];
  if (start) changes.push({ kind: 'GROUP_STARTED', due: start.getTime(), memberCount: head.memberCount });
  if (expiry) changes.push({ kind: 'GROUP_EXPIRED', due: expiry.getTime(), memberCount: head.memberCount });
  await appendChanges(write.tx, head, changes);
}
