import type { Viewer } from '../../access/viewer.ts';
import { GROUP_COLUMNS, type GroupRow, groupOf } from '../../changes/log/group-row.ts';
import { existsBeyond, readPage } from '../../db/read-page.ts';
import { planningEachTime, type Sql } from '../../db/sql.ts';
import { type Keyset, Where } from '../../db/where.ts';
import type { Level } from '../../model/flags.ts';
import { foldName, type Group, type TypeLevels } from '../../model/group.ts';
import { Issues, type Path } from '../../model/issues.ts';
import { encodePageCursor, type Page, type PageArgs, type PageKey, pageOf, pageRequest } from '../../model/page.ts';
import { codePoints } from '../../model/text.ts';
import type { GroupState } from '../../model/validity.ts';

// Stable within a statement, so that all rows of a page go by one clock.
const SELECT = `select ${GROUP_COLUMNS}, date_trunc('milliseconds', statement_timestamp()) as read_at from groups g`;

/** What of the app's groups a viewer sees: an application all of them, a user those that it is a member of. */
function visible(name: string, { appId, address }: Viewer): Where {
  const where = new Where(name, 'g.app_id = $1 and g.deleted_at is null', [appId]);
  return address === null ? where : where.and('user', ofMember, address);
}

const ofMember = (address: string) =>
  `exists (select from members m where m.app_id = g.app_id and m.gid = g.gid and m.address = ${address})`;

/** The viewer's groups among the gids, by gid. Missing, foreign and invisible ones cost the same and are left out alike. */
export async function findGroups(sql: Sql, viewer: Viewer, gids: readonly number[]): Promise<Map<number, Group>> {
  const all = visible('groups_find', viewer);
  // PostgreSQL plans a plain comparison better than a list of one.
  const where =
    gids.length === 1
      ? all.and('one', (gid) => `g.gid = ${gid}`, gids[0])
      : all.and('many', (list) => `g.gid = any(${list}::bigint[])`, gids);
  const rows = await sql.query<GroupRow>(
    where.statement((text) => `${SELECT} where ${text}`),
    where.values,
  );
  return new Map(rows.map((row) => [row.gid, groupOf(row)]));
}

export async function findGroup(sql: Sql, viewer: Viewer, gid: number): Promise<Group | undefined> {
  return (await findGroups(sql, viewer, [gid])).get(gid);
}

const FIND_TYPES = {
  name: 'group_types_find',
  text: `select gid, message_type, send, recv from group_types where app_id = $1 and gid = any($2::bigint[])
    order by gid, message_type`,
};
interface TypeRow {
  gid: number;
  message_type: number;
  send: Level;
  recv: Level;
}

/** The sets of message types of groups: by gid, then by message type in ascending order. */
export async function findTypes(sql: Sql, appId: number, gids: readonly number[]): Promise<Map<number, Map<number, TypeLevels>>> {
  const found = new Map<number, Map<number, TypeLevels>>();
  for (const { gid, message_type, send, recv } of await sql.query<TypeRow>(FIND_TYPES, [appId, gids])) {
    const types = found.get(gid) ?? new Map<number, TypeLevels>();
    found.set(gid, types.set(message_type, { send, recv }));
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
  columns: readonly string[];
  /** The kinds of the key's parts, as pageRequest takes them. */
  shape: string;
  key: (group: Group) => PageKey;
}

/** The orders of groups. Times stand in keys as milliseconds since 1970. */
const ORDERS = {
  GID: { columns: ['g.gid'], shape: 'n', key: ({ gid }) => [gid] },
  NAME: { columns: ["coalesce(g.name, '')", 'g.gid'], shape: 'sn', key: ({ name, gid }) => [name ?? '', gid] },
  CREATED_AT: { columns: ['g.created_at', 'g.gid'], shape: 'tn', key: ({ createdAt, gid }) => [createdAt.getTime(), gid] },
  UPDATED_AT: { columns: ['g.updated_at', 'g.gid'], shape: 'tn', key: ({ updatedAt, gid }) => [updatedAt.getTime(), gid] },
  MEMBER_COUNT: { columns: ['g.member_count', 'g.gid'], shape: 'in', key: ({ memberCount, gid }) => [memberCount, gid] },
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

// By the statement's clock; they agree with stateAt.
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
    result = result.and('name', (text) => `g.name_folded like ${text}`, pattern);
  }
  if (member != null) result = result.and('member', ofMember, member);
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

/** The page cursor, in the order of gids, of what lies behind a gid, be it a group's or not. */
export function cursorBehindGid(gid: number): string {
  return encodePageCursor('groups:GID', [gid]);
}

/**
 * A page of the groups that the viewer sees, by gid unless ordered otherwise.
 * @throws InvalidInputError for a wrong argument
 */
export async function pageGroups(sql: Sql, viewer: Viewer, args: GroupPageArgs): Promise<Page<Group>> {
  const { field, direction } = args.orderBy ?? { field: 'GID', direction: 'ASC' };
  const filter = args.filter ?? {};
  checkFilter(filter, ['filter']);
  const { columns, shape, key }: GroupOrdering = ORDERS[field];
  const order: Keyset = { columns, descending: direction === 'DESC' };
  const list = `groups:${field}`;
  const request = pageRequest(args, list, shape);
  const all = filtered(visible(`groups_${field}_${direction}`.toLowerCase(), viewer), filter);
  // Not knowing the part of the name, PostgreSQL would walk the whole order in place of the trigram index.
  const reader = filter.nameContains == null ? sql : planningEachTime(sql);
  const rows = await readPage<GroupRow>(reader, all, order, request, (where, limit) => `${SELECT} where ${where} ${limit}`);
  const page = pageOf(rows.map(groupOf), request, (side, bound) => existsBeyond(reader, all, order, side, bound, 'groups g'));
  return { ...page, cursorOf: (group) => encodePageCursor(list, key(group)) };
}
