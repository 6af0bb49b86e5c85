import { existsBeyond, readPage } from '../db/read-page.ts';
import type { RecordsTx } from '../db/records.ts';
import { type Sql, statement } from '../db/sql.ts';
import { pick } from '../db/table.ts';
import { bool, int4, int8, text, textArray } from '../db/types.ts';
import { bound, family, type Keyset, startingWith, Where } from '../db/where.ts';
import { users } from '../generated/tables.ts';
import { Issues } from '../model/issues.ts';
import { encodePageCursor, type Page, type PageArgs, pageOf, pageRequest } from '../model/page.ts';
import { addressProblem } from '../model/text.ts';
import { NOT_EXPIRED } from './token-rows.ts';
import { requireTokens, type Viewer } from './viewer.ts';

/** An address of an app that has, or had, a token. */
export interface User {
  /** Its number: from 1 on, unique on this gateway. */
  readonly uid: number;
  readonly address: string;
  readonly createdAt: Date;
  /** Whether it has a token that holds. */
  readonly active: boolean;
}

export interface UserFilter {
  addressStartsWith?: string | null;
  /** The one user of this address. */
  address?: string;
}

export interface UserPageArgs extends PageArgs {
  filter?: UserFilter | null;
}

const USER = pick(users, 'u', ['uid', 'address', 'createdAt']);
const COLUMNS = { ...USER.columns, active: bool };
const SELECT = `select ${USER.list}, exists (select from tokens t
    where t.app_id = u.app_id and t.address = u.address and t.revoked_at is null and ${NOT_EXPIRED}) as active
  from users u`;

const FIND = statement({
  name: 'users_find',
  parameters: [int4, textArray],
  columns: COLUMNS,
  text: `${SELECT} where u.app_id = $1 and u.address = any($2::text[])`,
});
const FIND_BY_UID = statement({
  name: 'user_find_by_uid',
  parameters: [int4, int8],
  columns: COLUMNS,
  text: `${SELECT} where u.app_id = $1 and u.uid = $2`,
});
const UID = pick(users, '', ['address', 'uid']);
const FIND_UIDS = statement({
  name: 'user_uids_find',
  parameters: [int4, textArray],
  columns: UID.columns,
  text: `select ${UID.list} from users where app_id = $1 and address = any($2::text[])`,
});

const LIST = 'users';
const PAGES = family('users_page');
const COUNTS = family('users_count');
const ORDER: Keyset = { columns: [['u.address', users.address[1]]], descending: false };

/** Whether the viewer may see users. */
export function seesUsers({ address, scopes }: Viewer): boolean {
  return address === null && scopes.includes('TOKENS');
}

/** The uid of an address, which gets one where it has none yet: in the transaction that makes its token. */
export async function keepUser(tx: RecordsTx, appId: number, address: string): Promise<number> {
  const where = { appId_address: { appId, address } };
  const known = await tx.user.findUnique({ where });
  if (known) return Number(known.uid);
  // Another transaction may do the same just now.
  await tx.user.createMany({ data: { appId, address }, skipDuplicates: true });
  return Number((await tx.user.findUniqueOrThrow({ where })).uid);
}

/**
 * The users that there are among the addresses, by address. One that cannot be an address is no user.
 * @throws NotAllowedError (TOKENS, or "application" for a user)
 */
export async function findUsers(sql: Sql, viewer: Viewer, addresses: readonly string[]): Promise<Map<string, User>> {
  requireTokens(viewer);
  // The empty string, which no user has, costs as much as an address that is none's.
  const given = addresses.map((address) => (addressProblem(address) ? '' : address));
  const rows = await sql.query(FIND, [viewer.appId, given]);
  return new Map(rows.map((row) => [row.address, userOf(row)]));
}

/** @throws NotAllowedError (TOKENS, or "application" for a user) */
export async function findUserByUid(sql: Sql, viewer: Viewer, uid: number): Promise<User | undefined> {
  requireTokens(viewer);
  const [row] = await sql.query(FIND_BY_UID, [viewer.appId, uid]);
  return row && userOf(row);
}

/** The uids of those addresses that have one; at most 5,000 addresses. */
export async function findUids(sql: Sql, appId: number, addresses: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql.query(FIND_UIDS, [appId, addresses]);
  return new Map(rows.map(UID.decode).map(({ address, uid }) => [address, uid]));
}

type UserRow = Parameters<typeof USER.decode>[0] & { active: boolean };
const userOf = (row: UserRow): User => ({ ...USER.decode(row), active: row.active });

function filtered(of: { readonly family: string }, appId: number, { addressStartsWith, address }: UserFilter): Where {
  const all = startingWith(new Where(of, '', 'u.app_id = $1', bound(int4, appId)), 'u.address', addressStartsWith ?? '');
  return address === undefined ? all : all.and('address', (one) => `u.address = ${one}`, bound(text, address));
}

function checkFilter(filter: UserFilter): void {
  const issues = new Issues();
  issues.noNulls(filter, ['filter']);
  issues.text(filter.addressStartsWith, ['filter', 'addressStartsWith']);
  if (filter.address !== undefined) issues.address(filter.address, ['filter', 'address']);
  issues.settle();
}

/** The page cursor of what comes after an address, be it a user's or not. */
export function cursorAfterUser(address: string): string {
  return encodePageCursor(LIST, [address]);
}

/**
 * A page of the app's users, by address.
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function pageUsers(sql: Sql, viewer: Viewer, args: UserPageArgs): Promise<Page<User>> {
  requireTokens(viewer);
  const filter = args.filter ?? {};
  checkFilter(filter);
  const request = pageRequest(args, LIST, 's');
  const all = filtered(PAGES, viewer.appId, filter);
  const select = (where: string, orderAndLimit: string) => `${SELECT} where ${where} ${orderAndLimit}`;
  const rows = await readPage(sql, all, ORDER, request, COLUMNS, select);
  const page = pageOf(rows.map(userOf), request, (side, key) => existsBeyond(sql, all, ORDER, side, key, 'users u'));
  return { ...page, cursorOf: ({ address }) => cursorAfterUser(address) };
}

/**
 * How many users there are.
 * @throws NotAllowedError (TOKENS, or "application" for a user), InvalidInputError
 */
export async function countUsers(sql: Sql, viewer: Viewer, filter: UserFilter): Promise<number> {
  requireTokens(viewer);
  checkFilter(filter);
  const where = filtered(COUNTS, viewer.appId, filter);
  const [row] = await where.query(sql, { count: int8 }, (conditions) => `select count(*) from users u where ${conditions}`);
  return row?.count ?? 0;
}
