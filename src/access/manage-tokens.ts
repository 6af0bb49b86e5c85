import type { Database } from '../db/client.ts';
import { NotAllowedError, TokenNotFoundError } from '../model/errors.ts';
import { Issues, MAX_INT, type Path } from '../model/issues.ts';
import { lockCaller, readClock, revokeWhere } from './token-changes.ts';
import { parseTokenId, TOKEN_FIELDS, tokenOf } from './token-rows.ts';
import { hashSecret, newSecret } from './tokens.ts';
import { keepUser } from './users.ts';
import { requireTokens, type Scope, scopeBits, type Viewer, type ViewerToken } from './viewer.ts';

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
export async function addToken(db: Database, viewer: Viewer, input: TokenAddInput): Promise<AddedToken> {
  requireTokens(viewer);
  checkInput(input);
  const { address, label, scopes, expiresIn } = input;
  const bits = scopeBits(grantedScopes(viewer, address ?? undefined, scopes ?? undefined));
  const secret = newSecret();
  const hash = new Uint8Array(hashSecret(secret));
  const token = await db.recordsTransaction(async (tx, sql) => {
    const now = await lockCaller(sql, viewer);
    if (address != null) await keepUser(tx, viewer.appId, address);
    const expiresAt = expiresIn == null ? null : new Date(now.getTime() + expiresIn * 1000);
    const data = { appId: viewer.appId, hash, address, label, scopes: bits, createdAt: now, expiresAt };
    return tx.token.create({ data, select: TOKEN_FIELDS });
  });
  return { token: tokenOf(token), secret };
}

/**
 * Revokes a token of the viewer's app. Any token may revoke itself.
 * @throws NotAllowedError (TOKENS, or "application" for a user), TokenNotFoundError
 */
export async function revokeToken(db: Database, viewer: Viewer, givenId: string): Promise<{ id: string }> {
  const id = parseTokenId(givenId);
  if (id !== viewer.token.id) requireTokens(viewer);
  const found = await db.recordsTransaction(async (tx, sql) =>
    revokeWhere(tx, sql, { appId: viewer.appId, id }, await readClock(sql)),
  );
  if (found === 0) throw new TokenNotFoundError();
  return { id };
}

/**
 * Revokes all tokens of a user.
 * @returns how many of them still held
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function revokeTokensOf(db: Database, viewer: Viewer, address: string): Promise<{ revoked: number }> {
  requireTokens(viewer);
  const issues = new Issues();
  issues.address(address, ['address']);
  issues.settle();
  return db.recordsTransaction(async (tx, sql) => {
    const now = await readClock(sql);
    const tokens = { appId: viewer.appId, address };
    const revoked = await revokeWhere(tx, sql, { ...tokens, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] }, now);
    await revokeWhere(tx, sql, tokens, now);
    return { revoked };
  });
}
