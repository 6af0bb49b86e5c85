import type { Database } from '../db/client.ts';
import { existsBeyond, readPage } from '../db/read-page.ts';
import type { Sql } from '../db/sql.ts';
import { date, int4, text, textArray, uuid } from '../db/types.ts';
import { bound, family, type Keyset, orderBy, Where } from '../db/where.ts';
import { Issues, invalid } from '../model/issues.ts';
import {
  encodePageCursor,
  type Page,
  type PageArgs,
  type PageBound,
  type PageRequest,
  pageOf,
  pageRequest,
} from '../model/page.ts';
import { NOT_EXPIRED, parseTokenId, TOKEN, TOKEN_FIELDS, tokenOf } from './token-rows.ts';
import { requireTokens, type Viewer, type ViewerToken } from './viewer.ts';

export interface TokenPageArgs extends PageArgs {
  filter?: { address?: string | null } | null;
}

const LIST = 'tokens';
// In SQL: Prisma can say neither the key as a row, by which the page is found, nor the database's clock.
const PAGES = family('tokens_page');
const HOLDS = `t.revoked_at is null and ${NOT_EXPIRED}`;
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

function tokensRequest(args: PageArgs): PageRequest {
  const request = pageRequest(args, LIST, 'ts');
  checkBound('after', request.after);
  checkBound('before', request.before);
  return request;
}

/**
 * A page of the app's tokens that hold, in the order in which they were made.
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function pageTokens(sql: Sql, viewer: Viewer, args: TokenPageArgs): Promise<Page<ViewerToken>> {
  requireTokens(viewer);
  const filter = args.filter ?? {};
  const issues = new Issues();
  issues.noNulls(filter, ['filter']);
  if (filter.address != null) issues.address(filter.address, ['filter', 'address']);
  issues.settle();
  const request = tokensRequest(args);
  const all = held(viewer, filter.address);
  const rows = await readPage(sql, all, ORDER, request, TOKEN.columns, select);
  return page(sql, all, request, rows.map(TOKEN.decode).map(tokenOf));
}

/** The tokens that hold; all of them, or those of an address. */
function held({ appId }: Viewer, address: string | null | undefined): Where {
  const all = new Where(PAGES, '', `t.app_id = $1 and ${HOLDS}`, bound(int4, appId));
  return address == null ? all : all.and('address', (one) => `t.address = ${one}`, bound(text, address));
}

const select = (where: string, orderAndLimit: string) => `select ${TOKEN.list} from tokens t where ${where} ${orderAndLimit}`;

function page(sql: Sql, all: Where, request: PageRequest, tokens: ViewerToken[]): Page<ViewerToken> {
  return {
    ...pageOf(tokens, request, (side, key) => existsBeyond(sql, all, ORDER, side, key, 'tokens t')),
    cursorOf: ({ createdAt, id }) => encodePageCursor(LIST, [createdAt.getTime(), id]),
  };
}

/**
 * The same of several users, in one statement and in the order of their addresses.
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function pageTokensOf(
  sql: Sql,
  viewer: Viewer,
  addresses: readonly string[],
  args: PageArgs,
): Promise<Page<ViewerToken>[]> {
  const [only] = addresses;
  if (only !== undefined && addresses.length === 1) {
    return [await pageTokens(sql, viewer, { ...args, filter: { address: only } })];
  }
  requireTokens(viewer);
  const request = tokensRequest(args);
  const many = new Where(
    PAGES,
    'many',
    `t.app_id = $1 and t.address = u.address and ${HOLDS}`,
    bound(int4, viewer.appId),
    bound(textArray, addresses),
  );
  const rows = await readPage(
    sql,
    many,
    ORDER,
    request,
    TOKEN.columns,
    (
      where,
      orderAndLimit,
    ) => `select t.* from unnest($2::text[]) u(address) cross join lateral (${select(where, orderAndLimit)}) t
      order by t.address, ${orderBy(ORDER, request.backward)}`,
  );
  const byAddress = Map.groupBy(rows.map(TOKEN.decode).map(tokenOf), ({ address }) => address);
  return addresses.map((address) => page(sql, held(viewer, address), request, byAddress.get(address) ?? []));
}
