import { pick, type RecordOf } from '../db/table.ts';
import { tokens } from '../generated/tables.ts';
import { scopesOf, type ViewerToken } from './viewer.ts';

/** What is known of a token, from `tokens t`. */
export const TOKEN = pick(tokens, 't', ['id', 'label', 'address', 'scopes', 'createdAt', 'expiresAt', 'lastUsedAt']);

/** The same for Prisma's client. */
export const TOKEN_FIELDS = {
  id: true,
  label: true,
  address: true,
  scopes: true,
  createdAt: true,
  expiresAt: true,
  lastUsedAt: true,
} as const;

/** A token as it is known; never its secret. */
export function tokenOf({ scopes, ...token }: RecordOf<typeof tokens, keyof typeof TOKEN_FIELDS>): ViewerToken {
  return { ...token, scopes: scopesOf(scopes) };
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
