import type { Database } from '../db/client.ts';
import { statement } from '../db/sql.ts';
import { text } from '../db/types.ts';
import { NotAllowedError } from '../model/errors.ts';
import { Issues, MAX_INT } from '../model/issues.ts';
import { lockCaller, revokeWhere } from './token-changes.ts';
import { hashSecret, newSecret } from './tokens.ts';
import { keepUser } from './users.ts';
import { requireTokens, type Scope, scopeBits, type Viewer } from './viewer.ts';

/** A token that the op endpoint made for a user. */
export interface UserToken {
  /** The address's number. */
  uid: number;
  address: string;
  /** Shown this once. */
  secret: string;
}

const DEFAULT_MINUTES = 365 * 24 * 60;
const USER_SCOPES: readonly Scope[] = ['READ', 'WRITE'];

// One token at a time for an address, so that of two made at once only the later stays.
const LOCK = statement({
  name: 'op_token_lock',
  parameters: [text, text],
  columns: { locked: text },
  text: "select pg_advisory_xact_lock(hashtext('op token ' || $1), hashtext($2))::text as locked",
});

/**
 * Makes a token for a user, in place of the one that was made for it this way before.
 * @param minutes until it expires, 0 to 2³¹−1; 0 or undefined: a year
 * @throws NotAllowedError (TOKENS, "application" for a user, or READ where the caller may neither read nor write);
 * InvalidInputError
 */
export async function replaceUserToken(
  db: Database,
  viewer: Viewer,
  { address, minutes }: { address: string; minutes?: number },
): Promise<UserToken> {
  requireTokens(viewer);
  const issues = new Issues();
  issues.address(address, ['address']);
  issues.range(minutes, 0, MAX_INT, ['minutes']);
  issues.settle();
  // Never more than the caller's own.
  const scopes = scopeBits(USER_SCOPES.filter((scope) => viewer.scopes.includes(scope)));
  if (scopes === 0) throw new NotAllowedError('READ');
  const secret = newSecret();
  const hash = new Uint8Array(hashSecret(secret));
  const { appId } = viewer;
  return db.recordsTransaction(async (tx, sql) => {
    await sql.query(LOCK, [String(appId), address]);
    const now = await lockCaller(sql, viewer);
    const uid = await keepUser(tx, appId, address);
    await revokeWhere(tx, sql, { appId, address, origin: 'op' }, now);
    const expiresAt = new Date(now.getTime() + (minutes || DEFAULT_MINUTES) * 60_000);
    await tx.token.create({ data: { appId, hash, address, scopes, origin: 'op', createdAt: now, expiresAt } });
    return { uid, address, secret };
  });
}
