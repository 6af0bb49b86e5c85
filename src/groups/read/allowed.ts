import { type Sql, type Statement, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, int2Array, int4, int8, int8Array, type SqlType, text } from '../../db/types.ts';
import { groupTypes } from '../../generated/tables.ts';
import { demanded } from '../../model/decision.ts';
import { type ActionName, levelOf } from '../../model/flags.ts';
import type { Group, TypeLevels } from '../../model/group.ts';
import { Issues } from '../../model/issues.ts';
import type { Member } from '../../model/member.ts';
import { ALL_PERMISSIONS, permissionBit, TYPE_PERMISSIONS } from '../../model/member-permissions.ts';
import { encodePageCursor, type Page, pageOf, pageRequest } from '../../model/page.ts';
import { stateAt } from '../../model/validity.ts';
import { messageTypeOf } from '../input/member-input.ts';
import { type MembersForm, membersSql } from './allowed-sql.ts';
import { MEMBER, type MemberRow } from './members.ts';

/** Lists the members that a decision allows, by address. */
export interface AllowedArgs {
  action: ActionName;
  /** Default 0. */
  messageType?: number | null;
  /** An address to leave out. */
  except?: string | null;
  first?: number | null;
  /** A page cursor of the group's members by address. */
  after?: string | null;
}

/** How the allowed members of an active group are found: the form of the statement, and its additional values. */
export type Demand =
  | { form: 'all'; values: readonly [] }
  | { form: 'permission'; values: readonly [bits: readonly number[]] }
  | { form: 'entry'; values: readonly [bits: readonly number[], messageType: number, mask: number] };

/** The same rules as decide(), for all members at once. */
export function demandOf(flags: number, type: TypeLevels | undefined, action: ActionName, messageType: number): Demand {
  const bit = permissionBit(action);
  const { permission, entry } = demanded(flags, type, action, messageType);
  const having = (all: number) => Array.from({ length: all + 1 }, (_, bits) => bits).filter((bits) => bits & bit);
  if (entry) return { form: 'entry', values: [having(TYPE_PERMISSIONS), messageType, permission ? bit : 0] };
  return permission ? { form: 'permission', values: [having(ALL_PERMISSIONS)] } : { form: 'all', values: [] };
}

const LEVELS = pick(groupTypes, '', ['gid', 'send', 'recv']);
const TYPE_LEVELS = statement({
  name: 'allowed_type_levels',
  parameters: [int4, int8Array, int4],
  columns: LEVELS.columns,
  text: `select ${LEVELS.list} from group_types where app_id = $1 and gid = any($2::bigint[]) and message_type = $3`,
});

async function findTypeLevels(
  sql: Sql,
  appId: number,
  gids: readonly number[],
  messageType: number,
): Promise<Map<number, TypeLevels>> {
  if (messageType === 0) return new Map();
  const rows = await sql.query(TYPE_LEVELS, [appId, gids, messageType]);
  return new Map(rows.map(({ gid, send, recv }) => [gid, { send: levelOf(send), recv: levelOf(recv) }]));
}

// $1 is the app, $2 the group or the groups; the demand's values come last.
const PARAMETERS = {
  after: '$3::text',
  except: '$4::text',
  limit: '$5::int',
  bits: '$6',
  messageType: '$7::int',
  mask: '$8::int',
};
/** A statement of any form: it takes the group or the groups, and the demand's values last. */
type Asked<Of, Row> = Statement<
  readonly [appId: number, of: Of, after: string, except: string, limit: number, ...demand: Demand['values']],
  Row
>;
interface Statements {
  one: Asked<number, MemberRow>;
  many: Asked<readonly number[], MemberRow>;
  upTo: Asked<number, { found: boolean }>;
}
const statements = <const P extends readonly SqlType[]>(form: MembersForm, demand: P) => ({
  one: statement({
    name: `allowed_${form}`,
    parameters: [int4, int8, text, text, int4, ...demand],
    columns: MEMBER.columns,
    text: membersSql(form, { ...PARAMETERS, gid: '$2' }),
  }),
  many: statement({
    name: `allowed_${form}_many`,
    parameters: [int4, int8Array, text, text, int4, ...demand],
    columns: MEMBER.columns,
    text: `select m.* from unnest($2::bigint[]) g(gid)
      cross join lateral (${membersSql(form, { ...PARAMETERS, gid: 'g.gid' })}) m order by m.gid, m.address`,
  }),
  upTo: statement({
    name: `allowed_${form}_up_to`,
    parameters: [int4, int8, text, text, int4, ...demand],
    columns: { found: bool },
    text: `select exists (${membersSql(form, { ...PARAMETERS, gid: '$2' }, true)}) as found`,
  }),
});
const STATEMENTS: Record<MembersForm, Statements> = {
  all: statements('all', []),
  permission: statements('permission', [int2Array]),
  entry: statements('entry', [int2Array, int4, int4]),
};

/** The allowed members of one group, or of several with the same demand. */
class AllowedList {
  readonly #sql: Sql;
  readonly #appId: number;
  readonly #args: AllowedArgs;
  readonly #demand: Demand;

  constructor(sql: Sql, appId: number, args: AllowedArgs, demand: Demand) {
    this.#sql = sql;
    this.#appId = appId;
    this.#args = args;
    this.#demand = demand;
  }

  get #statements(): Statements {
    return STATEMENTS[this.#demand.form];
  }

  #query<Of, Row>(asked: Asked<Of, Row>, of: Of, after: string, limit: number): Promise<Row[]> {
    return this.#sql.query(asked, [this.#appId, of, after, this.#args.except ?? '', limit, ...this.#demand.values]);
  }

  async page(group: Group): Promise<Page<Member>> {
    const { after, limit } = this.#request(group.gid);
    if (!isActive(group)) return this.#pageOf(group, []);
    return this.#pageOf(group, await this.#query(this.#statements.one, group.gid, String(after?.[0] ?? ''), limit + 1));
  }

  /** The first pages by gid, in one statement. */
  async pages(groups: readonly Group[]): Promise<[gid: number, Page<Member>][]> {
    const gids = groups.filter(isActive).map(({ gid }) => gid);
    const rows = gids.length > 0 ? await this.#query(this.#statements.many, gids, '', this.#request(0).limit + 1) : [];
    const byGid = Map.groupBy(rows, ({ gid }) => gid);
    return groups.map((group) => [group.gid, this.#pageOf(group, byGid.get(group.gid) ?? [])]);
  }

  #request(gid: number) {
    return pageRequest(this.#args, listName(gid), 's');
  }

  #pageOf(group: Group, rows: readonly MemberRow[]): Page<Member> {
    const exists = async (_: unknown, [key]: readonly unknown[]) => {
      if (!isActive(group)) return false;
      const [row] = await this.#query(this.#statements.upTo, group.gid, String(key), 1);
      return row?.found ?? false;
    };
    return {
      ...pageOf(rows.map(MEMBER.decode), this.#request(group.gid), exists),
      cursorOf: memberCursor,
    };
  }
}

/** The list's name in its cursors: they are those of Group.members by address. */
const listName = (gid: number) => `members:${gid}:ADDRESS`;
/** The cursor of a member in the lists by address. */
export const memberCursor = ({ gid, address }: Member) => encodePageCursor(listName(gid), [address]);
const isActive = (group: Group) => stateAt(group, group.readAt) === 'ACTIVE';

/**
 * A page of the allowed members for each of several groups that the viewer sees, in their order. The number of statements does
 * not depend on the number of groups, unless a cursor is given, which belongs to one group's list.
 * @throws InvalidInputError for a wrong argument
 */
export async function pageAllowed(
  sql: Sql,
  appId: number,
  groups: readonly Group[],
  args: AllowedArgs,
): Promise<(Page<Member> | Error)[]> {
  const issues = new Issues();
  const messageType = messageTypeOf(issues, args.messageType, ['messageType']);
  if (args.except != null) issues.address(args.except, ['except']);
  issues.settle();
  const gids = groups.map(({ gid }) => gid);
  const types = await findTypeLevels(sql, appId, gids, messageType);
  const demandIn = ({ gid, flags }: Group) => demandOf(flags, types.get(gid), args.action, messageType);
  const list = (demand: Demand) => new AllowedList(sql, appId, args, demand);
  if (groups.length === 1 || args.after != null) {
    return Promise.all(
      groups.map((group) =>
        list(demandIn(group))
          .page(group)
          .catch((error: Error) => error),
      ),
    );
  }
  const alike = Map.groupBy(groups, (group) => JSON.stringify(demandIn(group)));
  const pages = new Map((await Promise.all([...alike].map(([demand, some]) => list(JSON.parse(demand)).pages(some)))).flat());
  return groups.map(({ gid }) => pages.get(gid) as Page<Member>);
}

/** The same for one group; an error is thrown instead of returned. */
export async function firstAllowed(sql: Sql, appId: number, group: Group, args: AllowedArgs): Promise<Page<Member>> {
  const [page] = await pageAllowed(sql, appId, [group], args);
  if (page instanceof Error) throw page;
  return page as Page<Member>;
}
