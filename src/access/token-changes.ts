/** What the services that make and revoke tokens share: each is one transaction of Prisma's, by the database's clock. */
import type { RecordsTx } from '../db/records.ts';
import { type Sql, statement, type Tx } from '../db/sql.ts';
import { date, int4, uuid } from '../db/types.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { NotAllowedError } from '../model/errors.ts';
import { NOT_EXPIRED } from './token-rows.ts';
import type { Viewer } from './viewer.ts';

const CLOCK = statement({
  name: 'access_clock',
  parameters: [],
  columns: { now: date },
  text: 'select clock_timestamp() as now',
});
// Prisma knows no lock on a row.
const LOCK_CALLER = statement({
  name: 'token_lock_caller',
  parameters: [int4, uuid],
  columns: { now: date },
  text: `select clock_timestamp() as now from tokens t join apps a on a.id = t.app_id
    where t.app_id = $1 and t.id = $2 and t.revoked_at is null and a.deleted_at is null and ${NOT_EXPIRED}
    for share of t`,
});

/** The database's time. */
export async function readClock(sql: Sql): Promise<Date> {
  const [row] = await sql.query(CLOCK);
  if (!row) throw new Error('The database did not tell the time');
  return row.now;
}

/**
 * Locks the caller's token against its revocation until the transaction ends: who is being shut out makes no successor.
 * @returns the database's time
 * @throws NotAllowedError (TOKENS) when the token holds no longer
 */
export async function lockCaller(sql: Sql, { appId, token }: Viewer): Promise<Date> {
  const [row] = await sql.query(LOCK_CALLER, [appId, token.id]);
  if (!row) throw new NotAllowedError('TOKENS');
  return row.now;
}

/**
 * Revokes tokens. The counter of revocations rises in the same transaction; after its commit this gateway knows of it, and
 * the others are told.
 * @returns how many there were that had not been revoked
 */
export async function revokeWhere(tx: RecordsTx, sql: Tx, where: Prisma.TokenWhereInput, now: Date): Promise<number> {
  const { count } = await tx.token.updateMany({ where: { ...where, revokedAt: null }, data: { revokedAt: now } });
  if (count > 0) {
    await tx.gatewayState.updateMany({ data: { revocations: { increment: 1 } } });
    sql.afterCommit(() => sql.hints.publishRevocation());
  }
  return count;
}
