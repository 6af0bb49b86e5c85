import { scopesOf, type ViewerToken } from './viewer.ts';

/** The columns of a TokenRow, from `tokens t`. */
export const TOKEN_COLUMNS = 't.id::text, t.label, t.address, t.scopes, t.created_at, t.expires_at, t.last_used_at';

export interface TokenRow {
  id: string;
  label: string | null;
  address: string | null;
  scopes: number;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
}

/** A token as it is known; never its secret. */
export function tokenOf({ id, label, address, scopes, created_at, expires_at, last_used_at }: TokenRow): ViewerToken {
  return {
    id,
    label,
    address,
    scopes: scopesOf(scopes),
    createdAt: created_at,
    expiresAt: expires_at,
    lastUsedAt: last_used_at,
  };
}

// Expiry goes by the database's clock.
export const NOT_EXPIRED = '(t.expires_at is null or t.expires_at > clock_timestamp())';

/** Whether a token, and its app, still hold: for statements that write, since a request may wait long to be heard. */
export const tokenHolds = (appId: string, id: string) => `exists (select from tokens t join apps a on a.id = t.app_id
  where t.app_id = ${appId} and t.id = ${id} and t.revoked_at is null and a.deleted_at is null and ${NOT_EXPIRED})`;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
/** No token has it. */
const NIL = '00000000-0000-0000-0000-000000000000';

/** The id of a token as it is stored; for anything else one that no token has. */
export function parseTokenId(text: string): string {
  const id = text.toLowerCase();
  return UUID.test(id) ? id : NIL;
}
