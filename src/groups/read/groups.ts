import type { Viewer } from '../../access/viewer.ts';
import { GROUP_COLUMNS, GROUP_LIST, groupOf } from '../../changes/log/group-row.ts';
import { existsBeyond, readPage } from '../../db/read-page.ts';
import { planningEachTime, type Sql, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { int4, int8, int8Array, text, textArray } from '../../db/types.ts';
import { bound, family, type Keyset, orderBy, Where } from '../../db/where.ts';
import { groups, groupTypes } from '../../generated/tables.ts';
import { levelOf } from '../../model/flags.ts';
import { foldName, type Group, type TypeLevels } from '../../model/group.ts';
import { Issues, type Path } from '../../model/issues.ts';
import { encodePageCursor, type Page, type PageArgs, type PageKey, pageOf, pageRequest } from '../../model/page.ts';
import { codePoints } from '../../model/text.ts';
import type { GroupState } from '../../model/validity.ts';

// The statement's timestamp, so that all rows of a page have the same time.
const SELECT = `select ${GROUP_LIST}, date_trunc('milliseconds', statement_timestamp()) as read_at from groups g`;

/** Which of the app's groups a viewer sees: an application all of them, a user those that it is a member of. */
function visible(of: { readonly family: string }, form: string, { appId, address }: Viewer): Where {
  const where = new Where(of, form, 'g.app_id = $1 and g.deleted_at is null', bound(int4, appId));
  return address === null ? where : where.and('user', ofMember, bound(text, address));
}

const ofMember = (address: string) =>
  `exists (select from members m where m.app_id = g.app_id and m.gid = g.gid and m.address = ${address})`;

const FIND = family('groups_find');

/** The viewer's groups among the gids, by gid. Missing, foreign and invisible ones cost the same and are all left out. */
export async function findGroups(sql: Sql, viewer: Viewer, gids: readonly number[]): Promise<Map<number, Group>> {
  const all = visible(FIND, '', viewer);
  const [only] = gids;
  // PostgreSQL plans an equality better than a list of one.
  const where =
    only !== undefined && gids.length === 1
      ? all.and('one', (gid) => `g.gid = ${gid}`, bound(int8, only))
      : all.and('many', (list) => `g.gid = any(${list}::bigint[])`, bound(int8Array, gids));
  const rows = await where.query(sql, GROUP_COLUMNS, (conditions) => `${SELECT} where ${conditions}`);
  return new Map(rows.map((row) => [row.gid, groupOf(row)]));
}

export async function findGroup(sql: Sql, viewer: Viewer, gid: number): Promise<Group | undefined> {
  return (await findGroups(sql, viewer, [gid])).get(gid);
}

const TYPE = pick(groupTypes, '', ['gid', 'messageType', 'send', 'recv']);
const FIND_TYPES = statement({
  name: 'group_types_find',
  parameters: [int4, int8Array],
  columns: TYPE.columns,
  text: `select ${TYPE.list} from group_types where app_id = $1 and gid = any($2::bigint[])
    order by gid, message_type`,
});

/** The sets of message types of groups: by gid, then by message type in ascending order. */
export async function findTypes(sql: Sql, appId: number, gids: readonly number[]): Promise<Map<number, Map<number, TypeLevels>>> {
  const found = new Map<number, Map<number, TypeLevels>>();
  for (const { gid, messageType, send, recv } of (await sql.query(FIND_TYPES, [appId, gids])).map(TYPE.decode)) {
    const types = found.get(gid) ?? new Map<number, TypeLevels>();
    found.set(gid, types.set(messageType, { send: levelOf(send), recv: levelOf(recv) }));
  }
  return found;
}

export interface GroupFilter {
  /** A part of the name, 3 to 100 characters, any case. */
  nameContains?: string | null;
  /** An address: the groups that it is a member of. */
  member?: string | null;
  state?: GroupState | null;
}

export type OrderDirection = 'ASC' | 'DESC';

interface GroupOrdering {
  /** The statements of lists in this order, with a form for each direction. */
  pages: { readonly family: string };
  columns: Keyset['columns'];
  /** The `shape` of the key for pageRequest. */
  shape: string;
  key: (group: Group) => PageKey;
}

const column = (field: keyof typeof groups): Keyset['columns'][number] => [`g.${groups[field][0]}`, groups[field][1]];

/** The orders of groups. In keys, times are milliseconds since 1970. */
const ORDERS = {
  GID: { pages: family('groups_gid'), columns: [column('gid')], shape: 'n', key: ({ gid }) => [gid] },
  NAME: {
    pages: family('groups_name'),
    columns: [["coalesce(g.name, '')", text], column('gid')],
    shape: 'sn',
    key: ({ name, gid }) => [name ?? '', gid],
  },
  CREATED_AT: {
    pages: family('groups_created_at'),
    columns: [column('createdAt'), column('gid')],
    shape: 'tn',
    key: ({ createdAt, gid }) => [createdAt.getTime(), gid],
  },
  UPDATED_AT: {
    pages: family('groups_updated_at'),
    columns: [column('updatedAt'), column('gid')],
    shape: 'tn',
    key: ({ updatedAt, gid }) => [updatedAt.getTime(), gid],
  },
  MEMBER_COUNT: {
    pages: family('groups_member_count'),
    columns: [column('memberCount'), column('gid')],
    shape: 'in',
    key: ({ memberCount, gid }) => [memberCount, gid],
  },
} as const satisfies Record<string, GroupOrdering>;

export type GroupOrderField = keyof typeof ORDERS;
export const GROUP_ORDER_FIELDS = Object.keys(ORDERS) as GroupOrderField[];

export interface GroupOrder {
  field: GroupOrderField;
  direction: OrderDirection;
}

export interface GroupPageArgs extends PageArgs {
  filter?: GroupFilter | null;
  orderBy?: GroupOrder | null;
}

// At the statement's time; the same rules as stateAt.
const IN_STATE: Record<GroupState, string> = {
  EXPIRED: 'g.expires_at <= statement_timestamp()',
  SCHEDULED: 'g.expires_at > statement_timestamp() and g.starts_at > statement_timestamp()',
  PAUSED: 'g.expires_at > statement_timestamp() and g.starts_at <= statement_timestamp() and not g.active',
  ACTIVE: 'g.expires_at > statement_timestamp() and g.starts_at <= statement_timestamp() and g.active',
};

function filtered(where: Where, filter: GroupFilter): Where {
  let result = where;
  const { nameContains, member, state } = filter;
  if (nameContains != null) {
    const pattern = `%${foldName(nameContains).replace(/[\\%_]/g, '\\$&')}%`;
    result = result.and('name', (like) => `g.name_folded like ${like}`, bound(text, pattern));
  }
  if (member != null) result = result.and('member', ofMember, bound(text, member));
  if (state != null) result = result.and(state.toLowerCase(), () => IN_STATE[state]);
  return result;
}

function checkFilter(filter: GroupFilter, path: Path): void {
  const issues = new Issues();
  issues.noNulls(filter, path);
  if (filter.nameContains != null) {
    const length = codePoints(filter.nameContains);
    if (length < 3 || length > 100) issues.add([...path, 'nameContains'], 'must be 3 to 100 characters');
    issues.text(filter.nameContains, [...path, 'nameContains']);
  }
  if (filter.member != null) issues.address(filter.member, [...path, 'member']);
  issues.settle();
}

/** A page cursor, in the order of gids, for what follows a gid, whether or not there is such a group. */
export function cursorAfterGid(gid: number): string {
  return encodePageCursor('groups:GID', [gid]);
}

/** How a list of groups is asked for, but for whose they are. */
function groupsList(sql: Sql, args: GroupPageArgs) {
  const { field, direction } = args.orderBy ?? { field: 'GID', direction: 'ASC' };
  const filter = args.filter ?? {};
  checkFilter(filter, ['filter']);
  const { pages, columns, shape, key }: GroupOrdering = ORDERS[field];
  const order: Keyset = { columns, descending: direction === 'DESC' };
  const list = `groups:${field}`;
  const request = pageRequest(args, list, shape);
  // A plan made without knowing the pattern would scan the whole order instead of using the trigram index.
  const reader = filter.nameContains == null ? sql : planningEachTime(sql);
  return {
    reader,
    order,
    request,
    pages,
    form: direction.toLowerCase(),
    filtered: (where: Where) => filtered(where, filter),
    pageOf: (all: Where, groups: readonly Group[]): Page<Group> => ({
      ...pageOf(groups, request, (side, at) => existsBeyond(reader, all, order, side, at, 'groups g')),
      cursorOf: (group) => encodePageCursor(list, key(group)),
    }),
  };
}

/**
 * A page of the groups that the viewer sees, by gid unless ordered otherwise.
 * @throws InvalidInputError for a wrong argument
 */
export async function pageGroups(sql: Sql, viewer: Viewer, args: GroupPageArgs): Promise<Page<Group>> {
  const list = groupsList(sql, args);
  return readGroups(list, list.filtered(visible(list.pages, list.form, viewer)));
}

type GroupsList = ReturnType<typeof groupsList>;

async function readGroups({ reader, order, request, pageOf }: GroupsList, all: Where): Promise<Page<Group>> {
  const select = (where: string, orderAndLimit: string) => `${SELECT} where ${where} ${orderAndLimit}`;
  return pageOf(all, (await readPage(reader, all, order, request, GROUP_COLUMNS, select)).map(groupOf));
}

/**
 * The groups that the viewer sees and that an address is a member of, for several addresses in one statement, in their order.
 * @throws InvalidInputError for a wrong argument
 */
export async function pageGroupsOf(
  sql: Sql,
  viewer: Viewer,
  addresses: readonly string[],
  args: GroupPageArgs,
): Promise<Page<Group>[]> {
  const list = groupsList(sql, args);
  const { reader, order, request } = list;
  const seen = visible(list.pages, list.form, viewer);
  const allOf = (address: string) => list.filtered(seen.and('of', ofMember, bound(text, address)));
  const [only] = addresses;
  if (only !== undefined && addresses.length === 1) return [await readGroups(list, allOf(only))];
  const all = list.filtered(seen.and('of_many', () => ofMember('u.address'), bound(textArray, addresses)));
  const given = `$${seen.bound.length + 1}`;
  const rows = await readPage(
    reader,
    all,
    order,
    request,
    { of: text, ...GROUP_COLUMNS },
    (where, orderAndLimit) => `select u.address as of, g.* from unnest(${given}::text[]) u(address)
        cross join lateral (${SELECT} where ${where} ${orderAndLimit}) g
      order by u.address, ${orderBy(order, request.backward)}`,
  );
  const byAddress = Map.groupBy(rows, ({ of }) => of);
  return addresses.map((address) => list.pageOf(allOf(address), (byAddress.get(address) ?? []).map(groupOf)));
}
