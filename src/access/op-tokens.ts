import type { Database } from '../db/client.ts';
import { NotAllowedError } from '../model/errors.ts';
import { Issues, MAX_INT } from '../model/issues.ts';
import { NOT_EXPIRED } from './token-rows.ts';
import { hashSecret, newSecret } from './tokens.ts';
import { requireApplication, requireScope, type Scope, scopeBits, type Viewer } from './viewer.ts';

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
const LOCK = {
  name: 'op_token_lock',
  text: "select pg_advisory_xact_lock(hashtext('op token ' || $1), hashtext($2))::text",
};
const FIND_USER = { name: 'op_user_find', text: 'select uid from users where app_id = $1 and address = $2' };
const ADD_USER = { name: 'op_user_add', text: 'insert into users (app_id, address) values ($1, $2) returning uid' };
const REVOKE = {
  name: 'op_token_revoke',
  text: `with gone as (
      update tokens set revoked_at = clock_timestamp()
      where app_id = $1 and address = $2 and origin = 'op' and revoked_at is null returning 1)
    update gateway_state set revocations = revocations + 1 where exists (select from gone)`,
};
// The caller's token is locked against its revocation: who is being shut out makes no successor.
const ADD = {
  name: 'op_token_add',
  text: `with caller as (
      select t.app_id from tokens t join apps a on a.id = t.app_id
      where t.app_id = $1 and t.id = $2 and t.revoked_at is null and a.deleted_at is null and ${NOT_EXPIRED}
      for share of t)
    insert into tokens (app_id, hash, address, scopes, origin, created_at, expires_at)
    select app_id, $3, $4, $5, 'op', clock_timestamp(), clock_timestamp() + make_interval(mins => $6) from caller
    returning 1`,
};

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
  requireScope(viewer, 'TOKENS');
  requireApplication(viewer);
  const issues = new Issues();
  issues.address(address, ['address']);
  issues.range(minutes, 0, MAX_INT, ['minutes']);
  issues.settle();
  // Never more than the caller's own.
  const scopes = scopeBits(USER_SCOPES.filter((scope) => viewer.scopes.includes(scope)));
  if (scopes === 0) throw new NotAllowedError('READ');
  const secret = newSecret();
  const { appId, token } = viewer;
  return db.transaction(async (tx) => {
    await tx.query(LOCK, [String(appId), address]);
    const [known] = await tx.query<{ uid: number }>(FIND_USER, [appId, address]);
    const [user] = known ? [known] : await tx.query<{ uid: number }>(ADD_USER, [appId, address]);
    await tx.query(REVOKE, [appId, address]);
    const values = [appId, token.id, hashSecret(secret), address, scopes, minutes || DEFAULT_MINUTES];
    const added = await tx.query(ADD, values);
    if (!user || added.length === 0) throw new NotAllowedError('TOKENS');
    return { uid: user.uid, address, secret };
  });
}
