import type { Database } from '../db/client.ts';
import { existsBeyond, readPage } from '../db/read-page.ts';
import type { Sql } from '../db/sql.ts';
import { date, int4, text, uuid } from '../db/types.ts';
import { bound, family, type Keyset, Where } from '../db/where.ts';
import { Issues, invalid } from '../model/issues.ts';
import { encodePageCursor, type Page, type PageArgs, type PageBound, pageOf, pageRequest } from '../model/page.ts';
import { NOT_EXPIRED, parseTokenId, TOKEN, TOKEN_FIELDS, tokenOf } from './token-rows.ts';
import { requireApplication, requireScope, type Viewer, type ViewerToken } from './viewer.ts';

export interface TokenPageArgs extends PageArgs {
  filter?: { address?: string | null } | null;
}

const LIST = 'tokens';
// In SQL: Prisma can say neither the key as a row, by which the page is found, nor the database's clock.
const PAGES = family('tokens_page');
const ORDER: Keyset = {
  columns: [
    ['t.created_at', date],
    ['t.id', uuid],
  ],
  descending: false,
};

/** The viewer's own token as it is now: when it was last used is not what it was when the viewer was let in. */
export async function findToken(db: Database, { appId, token }: Viewer): Promise<ViewerToken> {
  const where = { appId_id: { appId, id: token.id } };
  const found = await db.records((records) => records.token.findUnique({ where, select: TOKEN_FIELDS }));
  return found ? tokenOf(found) : token;
}

/** A well-formed cursor may still name no token. */
function checkBound(name: 'after' | 'before', key: PageBound | undefined): void {
  if (key && parseTokenId(String(key[1])) !== key[1]) invalid([name], 'is no cursor of this list');
}

/**
 * A page of the app's tokens that hold, in the order in which they were made.
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function pageTokens(sql: Sql, viewer: Viewer, args: TokenPageArgs): Promise<Page<ViewerToken>> {
  requireScope(viewer, 'TOKENS');
  requireApplication(viewer);
  const filter = args.filter ?? {};
  const issues = new Issues();
  issues.noNulls(filter, ['filter']);
  if (filter.address != null) issues.address(filter.address, ['filter', 'address']);
  issues.settle();
  const request = pageRequest(args, LIST, 'ts');
  checkBound('after', request.after);
  checkBound('before', request.before);
  let all = new Where(PAGES, '', `t.app_id = $1 and t.revoked_at is null and ${NOT_EXPIRED}`, bound(int4, viewer.appId));
  if (filter.address != null) all = all.and('address', (address) => `t.address = ${address}`, bound(text, filter.address));
  const rows = await readPage(
    sql,
    all,
    ORDER,
    request,
    TOKEN.columns,
    (where, orderAndLimit) => `select ${TOKEN.list} from tokens t where ${where} ${orderAndLimit}`,
  );
  const tokens = rows.map((row) => tokenOf(TOKEN.decode(row)));
  const page = pageOf(tokens, request, (side, key) => existsBeyond(sql, all, ORDER, side, key, 'tokens t'));
  return { ...page, cursorOf: ({ createdAt, id }) => encodePageCursor(LIST, [createdAt.getTime(), id]) };
}
