import { existsBeyond, readPage } from '../db/read-page.ts';
import type { Sql } from '../db/sql.ts';
import { type Keyset, Where } from '../db/where.ts';
import { Issues, invalid } from '../model/issues.ts';
import { encodePageCursor, type Page, type PageArgs, type PageBound, pageOf, pageRequest } from '../model/page.ts';
import { NOT_EXPIRED, parseTokenId, TOKEN_COLUMNS, type TokenRow, tokenOf } from './token-rows.ts';
import { requireApplication, requireScope, type Viewer, type ViewerToken } from './viewer.ts';

export interface TokenPageArgs extends PageArgs {
  filter?: { address?: string | null } | null;
}

const LIST = 'tokens';
const ORDER: Keyset = { columns: ['t.created_at', 't.id'], descending: false };

const FIND = { name: 'token_find_own', text: `select ${TOKEN_COLUMNS} from tokens t where t.app_id = $1 and t.id = $2` };

/** The viewer's own token as it is now: when it was last used is not what it was when the viewer was let in. */
export async function findToken(sql: Sql, { appId, token }: Viewer): Promise<ViewerToken> {
  const [row] = await sql.query<TokenRow>(FIND, [appId, token.id]);
  return row ? tokenOf(row) : token;
}

/** A well-formed cursor may still name no token. */
function checkBound(name: 'after' | 'before', bound: PageBound | undefined): void {
  if (bound && parseTokenId(String(bound[1])) !== bound[1]) invalid([name], 'is no cursor of this list');
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
  let all = new Where('tokens_page', `t.app_id = $1 and t.revoked_at is null and ${NOT_EXPIRED}`, [viewer.appId]);
  if (filter.address != null) all = all.and('address', (address) => `t.address = ${address}`, filter.address);
  const rows = await readPage<TokenRow>(
    sql,
    all,
    ORDER,
    request,
    (where, orderAndLimit) => `select ${TOKEN_COLUMNS} from tokens t where ${where} ${orderAndLimit}`,
  );
  const page = pageOf(rows.map(tokenOf), request, (side, bound) => existsBeyond(sql, all, ORDER, side, bound, 'tokens t'));
  return { ...page, cursorOf: ({ createdAt, id }) => encodePageCursor(LIST, [createdAt.getTime(), id]) };
}
