import { existsBeyond, readPage } from '../../db/read-page.ts';
import type { Sql } from '../../db/sql.ts';
import { type Keyset, orderBy, Where } from '../../db/where.ts';
import { Issues, invalid, type Path } from '../../model/issues.ts';
import type { Member, MemberKey } from '../../model/member.ts';
import { encodePageCursor, type Page, type PageArgs, type PageKey, pageOf, pageRequest } from '../../model/page.ts';
import type { OrderDirection } from './groups.ts';

/** The columns of a MemberRow, from `members m`. */
export const MEMBER_COLUMNS = `m.gid, m.address, m.permissions, m.rights, m.join_number, m.joined_at, m.updated_at`;

export interface MemberRow {
  gid: number;
  address: string;
  permissions: number;
  rights: number;
  join_number: number;
  joined_at: Date;
  updated_at: Date;
}

export const memberOf = ({ gid, address, permissions, rights, join_number, joined_at, updated_at }: MemberRow): Member => ({
  gid,
  address,
  permissions,
  rights,
  joinNumber: join_number,
  joinedAt: joined_at,
  updatedAt: updated_at,
});

const FIND_ONE = {
  name: 'member_find_one',
  text: `select ${MEMBER_COLUMNS} from members m where m.app_id = $1 and m.gid = $2 and m.address = $3`,
};
const FIND_MANY = {
  name: 'member_find_many',
  text: `select ${MEMBER_COLUMNS} from unnest($2::bigint[], $3::text[]) k(gid, address)
    join members m on m.app_id = $1 and m.gid = k.gid and m.address = k.address`,
};

/** The members that there are, of groups that the viewer sees. */
export async function findMembers(sql: Sql, appId: number, keys: readonly MemberKey[]): Promise<Member[]> {
  const [only] = keys;
  if (!only) return [];
  const rows =
    keys.length === 1
      ? await sql.query<MemberRow>(FIND_ONE, [appId, only.gid, only.address])
      : await sql.query<MemberRow>(FIND_MANY, [appId, keys.map(({ gid }) => gid), keys.map(({ address }) => address)]);
  return rows.map(memberOf);
}

export interface EntryKey extends MemberKey {
  messageType: number;
}

const FIND_ENTRIES = {
  name: 'entries_find_many',
  text: `select t.gid, t.address, t.message_type, t.permissions from unnest($2::bigint[], $3::text[], $4::int[]) k(gid, address, type)
    join member_types t on t.app_id = $1 and t.gid = k.gid and t.address = k.address and t.message_type = k.type`,
};

/** The permission bits of members' entries for message types; undefined where there is no entry. In the order of the keys. */
export async function findEntries(sql: Sql, appId: number, keys: readonly EntryKey[]): Promise<(number | undefined)[]> {
  interface Row {
    gid: number;
    address: string;
    message_type: number;
    permissions: number;
  }
  const rows = await sql.query<Row>(FIND_ENTRIES, [
    appId,
    keys.map(({ gid }) => gid),
    keys.map(({ address }) => address),
    keys.map(({ messageType }) => messageType),
  ]);
  const id = (gid: number, address: string, type: number) => `${gid} ${type} ${address}`;
  const found = new Map(rows.map((row) => [id(row.gid, row.address, row.message_type), row.permissions]));
  return keys.map(({ gid, address, messageType }) => found.get(id(gid, address, messageType)));
}

export interface MemberFilter {
  addressStartsWith?: string | null;
  /** At most 1,000. */
  addresses?: readonly string[] | null;
  /** Whether it has any right. */
  admin?: boolean | null;
}

const ORDERS = {
  ADDRESS: { column: 'm.address', shape: 's', key: ({ address }: Member): PageKey => [address] },
  // Numbers are given in the order of joining, and unlike times no two are the same.
  JOINED_AT: { column: 'm.join_number', shape: 'n', key: ({ joinNumber }: Member): PageKey => [joinNumber] },
} as const;

export type MemberOrderField = keyof typeof ORDERS;
export const MEMBER_ORDER_FIELDS = Object.keys(ORDERS) as MemberOrderField[];

export interface MemberPageArgs extends PageArgs {
  filter?: MemberFilter | null;
  orderBy?: { field: MemberOrderField; direction: OrderDirection } | null;
}

const MAX_FILTER_ADDRESSES = 1_000;

function checkFilter(filter: MemberFilter, path: Path): void {
  const issues = new Issues();
  issues.noNulls(filter, path);
  issues.text(filter.addressStartsWith, [...path, 'addressStartsWith']);
  const { addresses } = filter;
  if (addresses && addresses.length > MAX_FILTER_ADDRESSES) {
    invalid([...path, 'addresses'], `must be at most ${MAX_FILTER_ADDRESSES} addresses`);
  }
  addresses?.forEach((address, index) => {
    issues.address(address, [...path, 'addresses', index]);
  });
  issues.settle();
}

function filtered(where: Where, { addressStartsWith, addresses, admin }: MemberFilter): Where {
  let result = where;
  if (addressStartsWith) {
    const end = endOfPrefix(addressStartsWith);
    result = result.and('from', (prefix) => `m.address >= ${prefix}`, addressStartsWith);
    if (end !== undefined) result = result.and('until', (bound) => `m.address < ${bound}`, end);
  }
  if (addresses != null) result = result.and('among', (list) => `m.address = any(${list}::text[])`, addresses);
  if (admin != null) result = result.and(admin ? 'admin' : 'plain', () => `m.rights ${admin ? '<>' : '='} 0`);
  return result;
}

/** The first string, by code point, behind all those that begin with the prefix. */
function endOfPrefix(prefix: string): string | undefined {
  const points = [...prefix];
  while (points.length > 0) {
    const last = (points.pop() as string).codePointAt(0) as number;
    if (last < 0x10ffff) return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

/** How a list of members is asked for, but for its groups. */
interface MembersList {
  appId: number;
  args: MemberPageArgs;
  field: MemberOrderField;
  name: string;
  order: Keyset;
}

function membersList(appId: number, args: MemberPageArgs): MembersList {
  const { field, direction } = args.orderBy ?? { field: 'ADDRESS', direction: 'ASC' };
  checkFilter(args.filter ?? {}, ['filter']);
  const order: Keyset = { columns: [ORDERS[field].column], descending: direction === 'DESC' };
  return { appId, args, field, name: `members_page_${field}_${direction}`.toLowerCase(), order };
}

function membersPage({ appId, args, field, name, order }: MembersList, sql: Sql, gid: number) {
  const list = `members:${gid}:${field}`;
  const request = pageRequest(args, list, ORDERS[field].shape);
  const all = filtered(new Where(name, 'm.app_id = $1 and m.gid = $2', [appId, gid]), args.filter ?? {});
  const select = (where: string, orderAndLimit: string) =>
    `select ${MEMBER_COLUMNS} from members m where ${where} ${orderAndLimit}`;
  return {
    read: () => readPage<MemberRow>(sql, all, order, request, select),
    pageOf: (rows: readonly MemberRow[]): Page<Member> => ({
      ...pageOf(rows.map(memberOf), request, (side, bound) => existsBeyond(sql, all, order, side, bound, 'members m')),
      cursorOf: (member) => encodePageCursor(list, ORDERS[field].key(member)),
    }),
  };
}

/** The page cursor, in the order of addresses, of what lies behind an address, be it a member's or not. */
export function cursorBehindAddress(gid: number, address: string): string {
  return encodePageCursor(`members:${gid}:ADDRESS`, [address]);
}

/**
 * A page of the members of a group that the viewer sees, by address unless ordered otherwise.
 * @throws InvalidInputError for a wrong argument
 */
export async function pageMembers(sql: Sql, appId: number, gid: number, args: MemberPageArgs): Promise<Page<Member>> {
  const page = membersPage(membersList(appId, args), sql, gid);
  return page.pageOf(await page.read());
}

/**
 * The same for several groups in one statement, in the order of the gids. With a cursor, which is of one group's list, the
 * other groups' answers are errors.
 */
export async function pageMembersOfMany(
  sql: Sql,
  appId: number,
  gids: readonly number[],
  args: MemberPageArgs,
): Promise<(Page<Member> | Error)[]> {
  if (gids.length === 1 || args.after != null || args.before != null) {
    return Promise.all(gids.map((gid) => pageMembers(sql, appId, gid, args).catch((error: Error) => error)));
  }
  const list = membersList(appId, args);
  const { order, name } = list;
  const { limit, backward } = pageRequest(args, '', '');
  const where = filtered(
    new Where(`${name}_many${backward ? '_last' : ''}`, 'm.app_id = $1 and m.gid = g.gid', [appId]),
    args.filter ?? {},
  );
  const rows = await sql.query<MemberRow>(
    where.statement(
      (text, next) => `select m.* from unnest($${next}::bigint[]) g(gid) cross join lateral (
          select ${MEMBER_COLUMNS} from members m where ${text} order by ${orderBy(order, backward)} limit $${next + 1}) m
        order by m.gid, ${orderBy(order, backward)}`,
    ),
    [...where.values, gids, limit + 1],
  );
  const byGid = Map.groupBy(rows, ({ gid }) => gid);
  return gids.map((gid) => membersPage(list, sql, gid).pageOf(byGid.get(gid) ?? []));
}
