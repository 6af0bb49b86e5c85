import { takeLock } from '../../db/locks.ts';
import { type Sql, statement, type Tx } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, bytea, int4, nullable, text } from '../../db/types.ts';
import { routedMessages } from '../../generated/tables.ts';
import { IdempotencyConflictError } from '../../model/errors.ts';

/** A message by the id that its caller gave it. */
export interface MessageId {
  appId: number;
  key: string;
  /** The hash of the input. */
  hash: Buffer;
}

/** The part of a message's answer that is kept for its repetition. */
export interface KeptRouting {
  /** The address of the one receiver in turn; null: the message went to all. */
  receiver: string | null;
  store: boolean;
  loopback: boolean;
}

const KEPT_FOR = "interval '10 minutes'";
const PRUNED_AT_ONCE = 1_000;

// A lock of two integers cannot collide with a group's, which is one bigint. It is tried, since a wait would keep a connection.
const LOCK = statement({
  name: 'message_lock',
  parameters: [text, text],
  columns: { locked: bool },
  text: 'select pg_try_advisory_xact_lock(hashtext($1), hashtext($2)) as locked',
});
const KEPT = pick(routedMessages, '', ['hash', 'receiver', 'store', 'loopback']);
const FIND = statement({
  name: 'message_find',
  parameters: [int4, text],
  columns: KEPT.columns,
  text: `select ${KEPT.list} from routed_messages
    where app_id = $1 and key = $2 and created_at > clock_timestamp() - ${KEPT_FOR}`,
});
const KEEP = statement({
  name: 'message_keep',
  parameters: [int4, text, bytea, nullable(text), bool, bool],
  columns: {},
  text: `insert into routed_messages (app_id, key, hash, receiver, store, loopback, created_at)
    values ($1, $2, $3, $4, $5, $6, clock_timestamp())
    on conflict (app_id, key) do update set hash = excluded.hash, receiver = excluded.receiver, store = excluded.store,
      loopback = excluded.loopback, created_at = excluded.created_at`,
});
// In SQL: Prisma can delete neither with `limit` nor with `skip locked`, so that gateways do not wait for each other.
const PRUNE = statement({
  name: 'message_prune',
  parameters: [],
  columns: { '?column?': int4 },
  text: `with old as (select app_id, key from routed_messages
      where created_at < clock_timestamp() - ${KEPT_FOR} order by created_at limit ${PRUNED_AT_ONCE} for update skip locked)
    delete from routed_messages m using old where (m.app_id, m.key) = (old.app_id, old.key) returning 1`,
});

/** While the same message is being routed on another gateway, the transaction begins again. */
export async function lockMessage(tx: Tx, { appId, key }: MessageId): Promise<void> {
  await takeLock(tx, LOCK, [`message:${appId}`, key]);
}

/**
 * The answer that the message got in the last ten minutes.
 * @throws IdempotencyConflictError when that one had another input
 */
export async function findRouting(sql: Sql, { appId, key, hash }: MessageId): Promise<KeptRouting | undefined> {
  const [row] = await sql.query(FIND, [appId, key]);
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
