import { tokenHolds } from '../../access/token-rows.ts';
import type { Viewer } from '../../access/viewer.ts';
import { appendChanges, type LogHead } from '../../changes/log/append.ts';
import { GROUP_COLUMNS, GROUP_LIST, groupOf } from '../../changes/log/group-row.ts';
import type { NewChange } from '../../changes/log/records.ts';
import type { Database } from '../../db/client.ts';
import { HeldElsewhereError, RequestHeldError, takeLock } from '../../db/locks.ts';
import { statement, type Tx } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, int4, int8, nothing, nullable, text, uuid } from '../../db/types.ts';
import { gatewayState, groups, members } from '../../generated/tables.ts';
import { DomainError, GroupNotFoundError, UnauthenticatedError, VersionConflictError } from '../../model/errors.ts';
import { type Gid, gidOf } from '../../model/gid.ts';
import type { Group } from '../../model/group.ts';
import { GroupWrite, TrialPassedError } from './group-write.ts';
import {
  findOutcome,
  firstOutcome,
  type IdempotentRequest,
  keepOutcome,
  keyName,
  type MemberCounts,
  NO_COUNTS,
  type WriteOutcome,
} from './idempotency.ts';

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
  /** Which rights it could need, as bits of rights.ts. */
  could?: number;
}

const LOCK_GROUP = statement({
  name: 'group_lock',
  parameters: [int4, int8],
  columns: { locked: bool },
  text: 'select pg_try_advisory_xact_lock(gid) as locked from groups where app_id = $1 and gid = $2 and deleted_at is null',
});
// A user who does not see the group must not wait for it.
const LOCK_GROUP_OF_MEMBER = statement({
  name: 'group_lock_of_member',
  parameters: [int4, int8, text],
  columns: { locked: bool },
  text: `select pg_try_advisory_xact_lock(g.gid) as locked from groups g
    join members m on m.app_id = g.app_id and m.gid = g.gid and m.address = $3
    where g.app_id = $1 and g.gid = $2 and g.deleted_at is null`,
});
// Behind one of those: another gateway has the lock, and whoever waits in PostgreSQL's own line gets it in turn.
const WAIT_FOR_GROUP = statement({
  name: 'group_wait',
  parameters: [int4, int8],
  columns: { pg_advisory_xact_lock: nothing },
  text: 'select pg_advisory_xact_lock(gid) from groups where app_id = $1 and gid = $2 and deleted_at is null',
  only: 'postgres',
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
  columns: { rights: members.rights[1] },
  text: `select m.rights from members m join groups g on g.app_id = m.app_id and g.gid = m.gid and g.deleted_at is null
    where m.app_id = $1 and m.gid = $2 and m.address = $3`,
});

type Body = (write: GroupWrite) => Promise<MemberCounts | undefined>;

/**
 * Changes one group: key, lock, state, rights, then `body`, its records, and the outcome for a repetition, in one
 * transaction. What is due by the clock (start, expiry) is recorded first, in a transaction of its own.
 * @param body calls `begin` of the write before it writes, when it has checked everything
 * @throws GroupNotFoundError, VersionConflictError, IdempotencyConflictError, UnauthenticatedError, and what `body` throws
 */
export async function writeGroup(request: WriteRequest, body: Body): Promise<WriteResult> {
  const { db, idempotency } = request;
  const write = async () => (await withoutQueue(request, body)) ?? writeInQueue(request, body);
  return idempotency ? db.inTurn(keyName(idempotency), () => db.untilFree(write)) : write();
}

async function writeInQueue(request: WriteRequest, body: Body): Promise<WriteResult> {
  const { db, viewer, idempotency } = request;
  const gid = request.gid.number;
  for (;;) {
    const result = await db.exclusive(`${viewer.appId}:${gid}`, async (tx): Promise<WriteResult | undefined> => {
      const first = idempotency && (await firstOfKey(tx, idempotency));
      if (first) return first;
      await lockGroup(tx, request);
      const { write, due } = await readGroup(tx, request);
      if (due) {
        await recordDue(write, due);
        return undefined;
      }
      checkVersion(request, write);
      const counts = (await body(write)) ?? NO_COUNTS;
      await write.flush();
      const outcome: WriteOutcome = { ...counts, position: { gid, version: write.group.version, mark: write.group.mark } };
      if (idempotency) await keepOutcome(tx, idempotency, outcome);
      return { ...outcome, group: write.group };
    });
    if (result) return result;
  }
}

/** While the key is held elsewhere, writes without it have their turn. */
async function firstOfKey(tx: Tx, idempotency: IdempotentRequest): Promise<WriteOutcome | undefined> {
  try {
    return await firstOutcome(tx, idempotency);
  } catch (error) {
    throw error instanceof HeldElsewhereError ? new RequestHeldError() : error;
  }
}

/**
 * Answers a user whose request need not enter the group's queue: a repetition gets its outcome, and what is refused for lack of
 * rights, or since the user does not see the group, takes up no place and can tell nothing from a wait.
 * @returns undefined: it has to enter
 */
async function withoutQueue(request: WriteRequest, body: Body): Promise<WriteResult | undefined> {
  const { db, viewer, gid, idempotency, could = 0 } = request;
  const { appId, address } = viewer;
  if (address === null) return undefined;
  const first = idempotency && (await findOutcome(db, idempotency));
  if (first) return first;
  try {
    const [seen] = await db.query(SEES_GROUP, [appId, gid.number, address]);
    if (!seen) throw new GroupNotFoundError(gid.text);
    if (could !== 0 && (seen.rights & could) === 0) await tryOut(request, body);
    return undefined;
  } catch (error) {
    // What it saw may be what the first request with its key has done meanwhile, on another gateway.
    const late = idempotency && error instanceof DomainError && (await findOutcome(db, idempotency));
    if (late) return late;
    throw error;
  }
}

/** Has a request refused by the state of the group without its lock: who has no right may still change nothing, or leave. */
async function tryOut(request: WriteRequest, body: Body): Promise<void> {
  const trial = request.db.transaction(async (tx) => {
    const { write, due } = await readGroup(tx, request, true);
    if (!due) {
      checkVersion(request, write);
      await body(write);
    }
    throw new TrialPassedError();
  });
  await trial.catch((error: unknown) => {
    if (!(error instanceof TrialPassedError)) throw error;
  });
}

function checkVersion({ ifVersion }: WriteRequest, { group: { version } }: GroupWrite): void {
  if (ifVersion !== undefined && ifVersion !== version) throw new VersionConflictError(version);
}

/** The author of a write; without a token it is the gateway itself. */
type Writer = Pick<Viewer, 'appId' | 'address'> & Partial<Pick<Viewer, 'token'>>;

interface Due {
  start: Date | null;
  expiry: Date | null;
}

type Target = Pick<WriteRequest, 'gid'> & { viewer: Writer };

async function lockGroup(tx: Tx, { viewer: { appId, address }, gid }: Target): Promise<void> {
  const wait = () => tx.waitFor(WAIT_FOR_GROUP, [appId, gid.number]);
  const found = await (address === null
    ? takeLock(tx, LOCK_GROUP, [appId, gid.number], wait)
    : takeLock(tx, LOCK_GROUP_OF_MEMBER, [appId, gid.number, address], wait));
  // Without the lock nothing is read: the group may be created in between.
  if (!found) throw new GroupNotFoundError(gid.text);
}

/** @param trial without the group's lock */
async function readGroup(
  tx: Tx,
  { viewer, gid: { number: gid, text: givenGid } }: Target,
  trial = false,
): Promise<{ write: GroupWrite; due?: Due }> {
  const { appId, address } = viewer;
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
  return { write: new GroupWrite(tx, groupOf(row), head, actor, trial), due: due.start || due.expiry ? due : undefined };
}

/** Records a group's start or expiry if it is due; another gateway may have been first. */
export async function settleDue(db: Database, appId: number, gid: number): Promise<void> {
  await db.exclusive(`${appId}:${gid}`, async (tx) => {
    const target: Target = { viewer: { appId, address: null }, gid: gidOf(gid) };
    await lockGroup(tx, target);
    const { write, due } = await readGroup(tx, target);
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
