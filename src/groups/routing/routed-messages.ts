import type { Sql, Tx } from '../../db/sql.ts';
import { IdempotencyConflictError } from '../../model/errors.ts';

/** A message by the id that its caller gave it. */
export interface MessageId {
  appId: number;
  key: string;
  /** Of the input. */
  hash: Buffer;
}

/** What a message was answered, as far as it is kept for its repetition. */
export interface KeptRouting {
  /** The address of the one receiver in turn; null: it went to all. */
  receiver: string | null;
  store: boolean;
  loopback: boolean;
}

const KEPT_FOR = "interval '10 minutes'";
const PRUNED_AT_ONCE = 1_000;

// In the space of two integers, where no gid is. A repetition waits here for the first.
const LOCK = { name: 'message_lock', text: 'select pg_advisory_xact_lock(hashtext($1), hashtext($2))' };
const FIND = {
  name: 'message_find',
  text: `select hash, receiver, store, loopback from routed_messages
    where app_id = $1 and key = $2 and created_at > clock_timestamp() - ${KEPT_FOR}`,
};
const KEEP = {
  name: 'message_keep',
  text: `insert into routed_messages (app_id, key, hash, receiver, store, loopback, created_at)
    values ($1, $2, $3, $4, $5, $6, clock_timestamp())
    on conflict (app_id, key) do update set hash = excluded.hash, receiver = excluded.receiver, store = excluded.store,
      loopback = excluded.loopback, created_at = excluded.created_at`,
};
const PRUNE = {
  name: 'message_prune',
  text: `with old as (select app_id, key from routed_messages
      where created_at < clock_timestamp() - ${KEPT_FOR} order by created_at limit ${PRUNED_AT_ONCE} for update skip locked)
    delete from routed_messages m using old where (m.app_id, m.key) = (old.app_id, old.key) returning 1`,
};

/** Waits for the same message where it is being routed, on any gateway, until the end of that transaction. */
export async function lockMessage(tx: Tx, { appId, key }: MessageId): Promise<void> {
  await tx.query(LOCK, [`message:${appId}`, key]);
}

/**
 * What the message was answered in the last ten minutes.
 * @throws IdempotencyConflictError when that one had another input
 */
export async function findRouting(sql: Sql, { appId, key, hash }: MessageId): Promise<KeptRouting | undefined> {
  const [row] = await sql.query<KeptRouting & { hash: Uint8Array }>(FIND, [appId, key]);
  if (!row) return undefined;
  if (!hash.equals(row.hash)) throw new IdempotencyConflictError();
  const { receiver, store, loopback } = row;
  return { receiver, store, loopback };
}

/** Keeps the answer for ten minutes, in the transaction of the turn. */
export async function keepRouting(tx: Tx, { appId, key, hash }: MessageId, kept: KeptRouting): Promise<void> {
  await tx.query(KEEP, [appId, key, hash, kept.receiver, kept.store, kept.loopback]);
}

/** Deletes what is older than ten minutes, at most 1,000 in a statement. Returns how many. */
export async function pruneRoutings(sql: Sql): Promise<number> {
  for (let pruned = 0; ; ) {
    const { length } = await sql.query(PRUNE);
    pruned += length;
    if (length < PRUNED_AT_ONCE) return pruned;
  }
}
