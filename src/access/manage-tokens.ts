import type { Sql } from '../db/sql.ts';
import { NotAllowedError, TokenNotFoundError } from '../model/errors.ts';
import { Issues, MAX_INT, type Path } from '../model/issues.ts';
import { NOT_EXPIRED, parseTokenId, TOKEN_COLUMNS, type TokenRow, tokenOf } from './token-rows.ts';
import { hashSecret, newSecret } from './tokens.ts';
import { requireApplication, requireScope, type Scope, scopeBits, type Viewer, type ViewerToken } from './viewer.ts';

/** A token to be made, as it comes: undefined is not given, null is what the caller wrote. */
export interface TokenAddInput {
  /** The user that it speaks for; not given: an application token. */
  address?: string | null;
  label?: string | null;
  scopes?: readonly Scope[] | null;
  /** Seconds, 1 to 2³¹−1; not given or null: it does not expire. */
  expiresIn?: number | null;
}

export interface AddedToken {
  token: ViewerToken;
  /** Shown this once. */
  secret: string;
}

const INPUT: Path = ['input'];
const USER_DEFAULT: readonly Scope[] = ['READ', 'WRITE'];

// The caller's token is locked against its revocation: who is being shut out makes no successor.
const ADD = {
  name: 'tokens_add',
  text: `with caller as (
      select t.app_id from tokens t join apps a on a.id = t.app_id
      where t.app_id = $1 and t.id = $2 and t.revoked_at is null and a.deleted_at is null and ${NOT_EXPIRED}
      for share of t)
    insert into tokens as t (app_id, hash, address, label, scopes, created_at, expires_at)
    select app_id, $3, $4, $5, $6, clock_timestamp(), clock_timestamp() + $7::int * interval '1 second' from caller
    returning ${TOKEN_COLUMNS}`,
};
// The counter rises in the statement, and so in the transaction, of the revocation.
const REVOKE = (which: string) => `with gone as (
      update tokens t set revoked_at = clock_timestamp() where t.app_id = $1 and ${which} and t.revoked_at is null
      returning ${NOT_EXPIRED} as held),
    counter as (
      update gateway_state set revocations = revocations + 1 where exists (select from gone))
    select count(*)::int as found, count(*) filter (where held)::int as held from gone`;
const REVOKE_ONE = { name: 'tokens_revoke', text: REVOKE('t.id = $2') };
const REVOKE_ALL = { name: 'tokens_revoke_all', text: REVOKE('t.address = $2') };

function requireTokens(viewer: Viewer): void {
  requireScope(viewer, 'TOKENS');
  requireApplication(viewer);
}

/** The scopes of a new token: those that are asked for, or the default. Never more than the caller's own. */
function grantedScopes(viewer: Viewer, address: string | undefined, asked: readonly Scope[] | undefined): readonly Scope[] {
  const beyond = asked?.find((scope) => !viewer.scopes.includes(scope));
  if (beyond) throw new NotAllowedError(beyond);
  const scopes = asked ?? (address === undefined ? viewer.scopes : USER_DEFAULT.filter((scope) => viewer.scopes.includes(scope)));
  if (scopes.length === 0) throw new NotAllowedError(USER_DEFAULT[0] as Scope);
  return scopes;
}

function checkInput(input: TokenAddInput): void {
  const issues = new Issues();
  issues.noNulls(input, INPUT, ['label', 'expiresIn']);
  if (input.address != null) issues.address(input.address, [...INPUT, 'address']);
  issues.text(input.label, [...INPUT, 'label']);
  issues.range(input.expiresIn, 1, MAX_INT, [...INPUT, 'expiresIn']);
  if (input.scopes?.length === 0) issues.add([...INPUT, 'scopes'], 'must name at least one scope');
  input.scopes?.forEach((scope, index) => {
    if (scope === 'TOKENS' && input.address != null)
      issues.add([...INPUT, 'scopes', index], 'is for application tokens only; leave the address out, or the scope');
  });
  issues.settle();
}

/**
 * Makes a token of the viewer's app. Without an address it is an application token.
 * @throws NotAllowedError (TOKENS, "application" for a user, or a scope that the caller has not); InvalidInputError
 */
export async function addToken(sql: Sql, viewer: Viewer, input: TokenAddInput): Promise<AddedToken> {
  requireTokens(viewer);
  checkInput(input);
  const { address, label, scopes, expiresIn } = input as { [K in keyof TokenAddInput]: Exclude<TokenAddInput[K], null> };
  const bits = scopeBits(grantedScopes(viewer, address, scopes));
  const secret = newSecret();
  const values = [viewer.appId, viewer.token.id, hashSecret(secret), address ?? null, label ?? null, bits, expiresIn ?? null];
  const [row] = await sql.query<TokenRow>(ADD, values);
  if (!row) throw new NotAllowedError('TOKENS');
  return { token: tokenOf(row), secret };
}

/**
 * Revokes a token of the viewer's app. Any token may revoke itself.
 * @throws NotAllowedError (TOKENS, or "application" for a user), TokenNotFoundError
 */
export async function revokeToken(sql: Sql, viewer: Viewer, givenId: string): Promise<{ id: string }> {
  const id = parseTokenId(givenId);
  if (id !== viewer.token.id) requireTokens(viewer);
  const [row] = await sql.query<{ found: number }>(REVOKE_ONE, [viewer.appId, id]);
  if (!row?.found) throw new TokenNotFoundError();
  return { id };
}

/**
 * Revokes all tokens of a user.
 * @returns how many of them still held
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function revokeTokensOf(sql: Sql, viewer: Viewer, address: string): Promise<{ revoked: number }> {
  requireTokens(viewer);
  const issues = new Issues();
  issues.address(address, ['address']);
  issues.settle();
  const [row] = await sql.query<{ held: number }>(REVOKE_ALL, [viewer.appId, address]);
  return { revoked: row?.held ?? 0 };
}
