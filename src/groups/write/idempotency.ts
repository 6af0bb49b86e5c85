import { createHash } from 'node:crypto';
import type { Viewer } from '../../access/viewer.ts';
import type { GroupPosition } from '../../changes/log/cursor.ts';
import { takeLock } from '../../db/locks.ts';
import { type Sql, statement, type Tx } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, bytea, int4, int8, text } from '../../db/types.ts';
import { idempotencyKeys } from '../../generated/tables.ts';
import { IdempotencyConflictError } from '../../model/errors.ts';

/** Members added, updated, removed, and named without effect. */
export interface MemberCounts {
  added: number;
  updated: number;
  removed: number;
  unchanged: number;
}

const PRUNED_AT_ONCE = 1_000;

export const NO_COUNTS: MemberCounts = { added: 0, updated: 0, removed: 0, unchanged: 0 };

/** The part of a request's answer that is kept for its repetition. */
export interface WriteOutcome extends MemberCounts {
  position: GroupPosition;
}

/** A key belongs to app, operation and actor; the input is identified by its hash. */
export interface IdempotentRequest {
  viewer: Viewer;
  operation: string;
  key: string;
  hash: Buffer;
}

/** @param input the coerced input; its idempotencyKey is not part of the hash */
export function idempotentRequest(viewer: Viewer, operation: string, key: string, input: object): IdempotentRequest {
  const canonical = JSON.stringify(input, (name, value) => {
    if (name === 'idempotencyKey') return undefined;
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return { viewer, operation, key, hash: createHash('sha256').update(canonical).digest() };
}

// A lock of two integers cannot collide with a group's, which is one bigint. It is tried, since a wait would keep a connection.
const LOCK_KEY = statement({
  name: 'idempotency_lock',
  parameters: [text, text],
  columns: { locked: bool },
  text: 'select pg_try_advisory_xact_lock(hashtext($1), hashtext($2)) as locked',
});
const KEPT = pick(idempotencyKeys, '', ['hash', 'gid', 'version', 'mark', 'added', 'updated', 'removed', 'unchanged']);
const FIND = statement({
  name: 'idempotency_find',
  parameters: [int4, text, text, text],
  columns: KEPT.columns,
  text: `select ${KEPT.list} from idempotency_keys
    where app_id = $1 and operation = $2 and actor = $3 and key = $4 and created_at > clock_timestamp() - interval '24 hours'`,
});
const KEEP = statement({
  name: 'idempotency_keep',
  parameters: [int4, text, text, text, bytea, int8, int4, int8, int4, int4, int4, int4],
  columns: {},
  text: `insert into idempotency_keys (app_id, operation, actor, key, hash, gid, version, mark, added, updated, removed, unchanged, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, clock_timestamp())
    on conflict (app_id, operation, actor, key) do update set hash = excluded.hash, gid = excluded.gid, version = excluded.version,
      mark = excluded.mark, added = excluded.added, updated = excluded.updated, removed = excluded.removed,
      unchanged = excluded.unchanged, created_at = excluded.created_at`,
});
// In SQL: Prisma can delete neither with `limit` nor with `skip locked`, so that gateways do not wait for each other.
const PRUNE = statement({
  name: 'idempotency_prune',
  parameters: [],
  columns: { '?column?': int4 },
  text: `with old as (select app_id, operation, actor, key from idempotency_keys
      where created_at < clock_timestamp() - interval '24 hours' order by created_at limit ${PRUNED_AT_ONCE} for update skip locked)
    delete from idempotency_keys k using old
    where (k.app_id, k.operation, k.actor, k.key) = (old.app_id, old.operation, old.actor, old.key) returning 1`,
});

const keyOf = ({ viewer, operation, key }: IdempotentRequest) => [viewer.appId, operation, viewer.address ?? '', key] as const;

/**
 * The outcome of the first request with the same key that succeeded; while another one runs on another gateway the transaction
 * begins again. Those of this gateway wait for each other before.
 * @throws IdempotencyConflictError when that one had another input
 */
export async function firstOutcome(tx: Tx, request: IdempotentRequest): Promise<WriteOutcome | undefined> {
  await takeLock(tx, LOCK_KEY, [JSON.stringify(keyOf(request).slice(0, 3)), request.key]);
  return findOutcome(tx, request);
}

/** The name of a key, for this process's queue. */
export function keyName(request: IdempotentRequest): string {
  return JSON.stringify(['key', ...keyOf(request)]);
}

/**
 * The outcome of the first request with that key that has succeeded.
 * @throws IdempotencyConflictError when that one had another input
 */
export async function findOutcome(sql: Sql, request: IdempotentRequest): Promise<WriteOutcome | undefined> {
  const [row] = await sql.query(FIND, keyOf(request));
  if (!row) return undefined;
  if (!request.hash.equals(row.hash)) throw new IdempotencyConflictError();
  const { added, updated, removed, unchanged, gid, version, mark } = row;
  return { added, updated, removed, unchanged, position: { gid, version, mark } };
}

/** Keeps an outcome for 24 hours, in the transaction of the change. */
export async function keepOutcome(tx: Tx, request: IdempotentRequest, outcome: WriteOutcome): Promise<void> {
  const { gid, version, mark } = outcome.position;
  const { added, updated, removed, unchanged } = outcome;
  await tx.query(KEEP, [...keyOf(request), request.hash, gid, version, mark, added, updated, removed, unchanged]);
}

/** Deletes keys older than 24 hours, 1,000 per statement. Returns how many. */
export async function pruneOutcomes(sql: Sql): Promise<number> {
  for (let pruned = 0; ; ) {
    const { length } = await sql.query(PRUNE);
    pruned += length;
    if (length < PRUNED_AT_ONCE) return pruned;
  }
}
