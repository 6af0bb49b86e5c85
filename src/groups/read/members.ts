import { existsBeyond, readPage } from '../../db/read-page.ts';
import { type Sql, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { int4, int4Array, int8, int8Array, type RowOf, text, textArray } from '../../db/types.ts';
import { bound, family, type Keyset, orderBy, startingWith, Where } from '../../db/where.ts';
import { members, memberTypes } from '../../generated/tables.ts';
import { Issues, invalid, type Path } from '../../model/issues.ts';
import type { Member, MemberKey } from '../../model/member.ts';
import { encodePageCursor, type Page, type PageArgs, type PageKey, pageOf, pageRequest } from '../../model/page.ts';
import type { OrderDirection } from './groups.ts';

/** A member's columns, from `members m`. */
export const MEMBER = pick(members, 'm', ['gid', 'address', 'permissions', 'rights', 'joinNumber', 'joinedAt', 'updatedAt']);
export type MemberRow = RowOf<typeof MEMBER.columns>;

const FIND_ONE = statement({
  name: 'member_find_one',
  parameters: [int4, int8, text],
  columns: MEMBER.columns,
  text: `select ${MEMBER.list} from members m where m.app_id = $1 and m.gid = $2 and m.address = $3`,
});
const FIND_MANY = statement({
  name: 'member_find_many',
  parameters: [int4, int8Array, textArray],
  columns: MEMBER.columns,
  text: `select ${MEMBER.list} from unnest($2::bigint[], $3::text[]) k(gid, address)
    join members m on m.app_id = $1 and m.gid = k.gid and m.address = k.address`,
});

/** The members that exist, of groups that the viewer sees. */
export async function findMembers(sql: Sql, appId: number, keys: readonly MemberKey[]): Promise<Member[]> {
  const [only] = keys;
  if (!only) return [];
  const rows =
    keys.length === 1
      ? await sql.query(FIND_ONE, [appId, only.gid, only.address])
      : await sql.query(FIND_MANY, [appId, keys.map(({ gid }) => gid), keys.map(({ address }) => address)]);
  return rows.map(MEMBER.decode);
}

export interface EntryKey extends MemberKey {
  messageType: number;
}

const ENTRY = pick(memberTypes, 't', ['gid', 'address', 'messageType', 'permissions']);
const FIND_ENTRIES = statement({
  name: 'entries_find_many',
  parameters: [int4, int8Array, textArray, int4Array],
  columns: ENTRY.columns,
  text: `select ${ENTRY.list} from unnest($2::bigint[], $3::text[], $4::int[]) k(gid, address, type)
    join member_types t on t.app_id = $1 and t.gid = k.gid and t.address = k.address and t.message_type = k.type`,
});

/** The permission bits of members' entries for message types, in the order of the keys; undefined: no entry. */
export async function findEntries(sql: Sql, appId: number, keys: readonly EntryKey[]): Promise<(number | undefined)[]> {
  const rows = await sql.query(FIND_ENTRIES, [
    appId,
    keys.map(({ gid }) => gid),
    keys.map(({ address }) => address),
    keys.map(({ messageType }) => messageType),
  ]);
  const id = (gid: number, address: string, type: number) => `${gid} ${type} ${address}`;
  const entries = rows.map(ENTRY.decode);
  const found = new Map(entries.map((entry) => [id(entry.gid, entry.address, entry.messageType), entry.permissions]));
  return keys.map(({ gid, address, messageType }) => found.get(id(gid, address, messageType)));
}

export interface MemberFilter {
  addressStartsWith?: string | null;
  /** At most 1,000. */
  addresses?: readonly string[] | null;
  /** Whether it has any right. */
  admin?: boolean | null;
}

interface MemberOrdering {
  /** The statements of lists in this order, whose forms begin with the direction. */
  pages: { readonly family: string };
  column: Keyset['columns'][number];
  /** The `shape` of the key for pageRequest. */
  shape: string;
  key: (member: Member) => PageKey;
}

const ORDERS = {
  ADDRESS: {
    pages: family('members_page_address'),
    column: ['m.address', members.address[1]],
    shape: 's',
    key: ({ address }) => [address],
  },
  // Joining numbers are assigned in the order of joining and, unlike times, are unique.
  JOINED_AT: {
    pages: family('members_page_joined_at'),
    column: ['m.join_number', members.joinNumber[1]],
    shape: 'n',
    key: ({ joinNumber }) => [joinNumber],
  },
} as const satisfies Record<string, MemberOrdering>;

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
  let result = startingWith(where, 'm.address', addressStartsWith ?? '');
  if (addresses != null) result = result.and('among', (list) => `m.address = any(${list}::text[])`, bound(textArray, addresses));
  if (admin != null) result = result.and(admin ? 'admin' : 'plain', () => `m.rights ${admin ? '<>' : '='} 0`);
  return result;
}

/** What defines a list of members, except its group. */
interface MembersList {
  appId: number;
  args: MemberPageArgs;
  field: MemberOrderField;
  /** The beginning of its statements' names, after the family. */
  form: string;
  order: Keyset;
}

function membersList(appId: number, args: MemberPageArgs): MembersList {
  const { field, direction } = args.orderBy ?? { field: 'ADDRESS', direction: 'ASC' };
  checkFilter(args.filter ?? {}, ['filter']);
  const order: Keyset = { columns: [ORDERS[field].column], descending: direction === 'DESC' };
  return { appId, args, field, form: direction.toLowerCase(), order };
}

function membersPage({ appId, args, field, form, order }: MembersList, sql: Sql, gid: number) {
  const list = `members:${gid}:${field}`;
  const request = pageRequest(args, list, ORDERS[field].shape);
  const all = filtered(
    new Where(ORDERS[field].pages, form, 'm.app_id = $1 and m.gid = $2', bound(int4, appId), bound(int8, gid)),
    args.filter ?? {},
  );
  const select = (where: string, orderAndLimit: string) => `select ${MEMBER.list} from members m where ${where} ${orderAndLimit}`;
  return {
    read: () => readPage(sql, all, order, request, MEMBER.columns, select),
    pageOf: (rows: readonly MemberRow[]): Page<Member> => ({
      ...pageOf(rows.map(MEMBER.decode), request, (side, at) => existsBeyond(sql, all, order, side, at, 'members m')),
      cursorOf: (member) => encodePageCursor(list, ORDERS[field].key(member)),
    }),
  };
}

/** A page cursor, in the order of addresses, for what follows an address, whether or not there is such a member. */
export function cursorAfterAddress(gid: number, address: string): string {
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
 * The same for several groups in one statement, in the order of the gids. A cursor belongs to one group's list: with it, the
 * answers of other groups are errors.
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
  const { field, form, order } = list;
  const { limit, backward } = pageRequest(args, '', '');
  const where = filtered(
    new Where(
      ORDERS[field].pages,
      `${form}_many${backward ? '_last' : ''}`,
      'm.app_id = $1 and m.gid = g.gid',
      bound(int4, appId),
    ),
    args.filter ?? {},
  );
  const rows = await where.query(
    sql,
    MEMBER.columns,
    (conditions, ids, count) => `select m.* from unnest(${ids}::bigint[]) g(gid) cross join lateral (
          select ${MEMBER.list} from members m where ${conditions} order by ${orderBy(order, backward)} limit ${count}) m
        order by m.gid, ${orderBy(order, backward)}`,
    bound(int8Array, gids),
    bound(int8, limit + 1),
  );
  const byGid = Map.groupBy(rows, ({ gid }) => gid);
  return gids.map((gid) => membersPage(list, sql, gid).pageOf(byGid.get(gid) ?? []));
}
