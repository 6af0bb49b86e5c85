import type { Database } from '../db/client.ts';
import { NotAllowedError } from '../model/errors.ts';

export const SCOPES = ['READ', 'WRITE', 'CREATE_GROUPS', 'TOKENS'] as const;
/** What a token is for (spec: Tokens and scopes). The order is that of the stored bits. */
export type Scope = (typeof SCOPES)[number];

/** Who is asking: an application, or one of its users. */
export interface Viewer {
  readonly appId: number;
  readonly appName: string;
  /** The user's address; null for an application token, which stands above all rights. */
  readonly address: string | null;
  readonly scopes: readonly Scope[];
  readonly token: ViewerToken;
}

export interface ViewerToken {
  readonly id: string;
  readonly label: string | null;
  readonly address: string | null;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** What tells a token from all others. */
export function tokenKey({ appId, token }: Viewer): string {
  return `${appId} ${token.id}`;
}

/**
 * The database for one operation of the viewer, which gets its turns among others'.
 * @param signal aborted when nobody waits for the answer any longer
 */
export function databaseOf(db: Database, { appId, address, token }: Viewer, signal?: AbortSignal): Database {
  return db.as({ app: appId, token: token.id, user: address, signal });
}

export function scopesOf(bits: number): Scope[] {
  return SCOPES.filter((_, index) => bits & (1 << index));
}

export function scopeBits(scopes: readonly Scope[]): number {
  return scopes.reduce((bits, scope) => bits | (1 << SCOPES.indexOf(scope)), 0);
}

/** @throws NotAllowedError that names the scope */
export function requireScope(viewer: Viewer, scope: Scope): void {
  if (!viewer.scopes.includes(scope)) throw new NotAllowedError(scope);
}

/** @throws NotAllowedError: `right` says "application" */
export function requireApplication(viewer: Viewer): void {
  if (viewer.address !== null) throw new NotAllowedError('application');
}

/**
 * For what manages tokens and users.
 * @throws NotAllowedError (TOKENS, or "application" for a user)
 */
export function requireTokens(viewer: Viewer): void {
  requireScope(viewer, 'TOKENS');
  requireApplication(viewer);
}
