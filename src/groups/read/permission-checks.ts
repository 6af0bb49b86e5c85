import type { Viewer } from '../../access/viewer.ts';
import { GROUP_COLUMNS, GROUP_LIST, groupOf } from '../../changes/log/group-row.ts';
import { type Sql, statement } from '../../db/sql.ts';
import { bool, int4, int8, int8Array, text, textArray } from '../../db/types.ts';
import { type Decision, decide } from '../../model/decision.ts';
import type { ActionName } from '../../model/flags.ts';
import { readGid } from '../../model/gid.ts';
import type { Group } from '../../model/group.ts';
import { Issues, invalid, type Path } from '../../model/issues.ts';
import { messageTypeOf } from '../input/member-input.ts';
import { findGroups } from './groups.ts';
import { findStandings } from './standings.ts';

/** May this address do this in this group? */
export interface PermissionCheck {
  gid: string;
  address: string;
  action: ActionName;
  /** Default 0. */
  messageType?: number | null;
}

export const MAX_CHECKS = 1_000;

// Bits of flags.ts: the level ANYONE of send, pub, sub or list.
const OPEN_TO_ANYONE = 0x2 | 0x200 | 0x2000 | 0x20000;
const FIND_FOR_USER = statement({
  name: 'groups_find_to_ask',
  parameters: [int4, text, int8Array],
  columns: { ...GROUP_COLUMNS, member: bool },
  text: `select ${GROUP_LIST}, date_trunc('milliseconds', statement_timestamp()) as read_at, m.address is not null as member
    from groups g left join members m on m.app_id = g.app_id and m.gid = g.gid and m.address = $2
    where g.app_id = $1 and g.deleted_at is null and g.gid = any($3::bigint[])
      and (m.address is not null or g.flags & ${OPEN_TO_ANYONE} <> 0)`,
});

/**
 * The groups that the viewer may ask about, by gid, and whether only for its own address. A user may ask about the groups that
 * it is in, and for itself about groups where a level is ANYONE.
 */
export async function findGroupsToAsk(
  sql: Sql,
  viewer: Viewer,
  gids: readonly number[],
): Promise<Map<number, { group: Group; onlySelf: boolean }>> {
  if (viewer.address === null) {
    const groups = await findGroups(sql, viewer, gids);
    return new Map([...groups].map(([gid, group]) => [gid, { group, onlySelf: false }]));
  }
  const rows = await sql.query(FIND_FOR_USER, [viewer.appId, viewer.address, gids]);
  return new Map(rows.map((row) => [row.gid, { group: groupOf(row), onlySelf: !row.member }]));
}

const FIND_FOR_USERS = statement({
  name: 'groups_find_to_ask_many',
  parameters: [int4, int8, textArray],
  columns: { ...GROUP_COLUMNS, members: textArray },
  text: `select ${GROUP_LIST}, date_trunc('milliseconds', statement_timestamp()) as read_at,
      array(select m.address from members m where m.app_id = $1 and m.gid = $2 and m.address = any($3::text[])) as members
    from groups g where g.app_id = $1 and g.gid = $2 and g.deleted_at is null`,
});

/** A group, and who of those that ask about it may. */
export interface GroupToAsk {
  group: Group;
  mayAsk(viewer: Viewer, address: string): boolean;
}

/** The group that several viewers of one app ask about, in one statement; undefined: there is none, or the only viewer may not. */
export async function findGroupToAsk(sql: Sql, viewers: readonly Viewer[], gid: number): Promise<GroupToAsk | undefined> {
  const users = new Set(viewers.flatMap(({ address }) => address ?? []));
  const [viewer] = viewers;
  if (!viewer) return undefined;
  if (users.size === 0 || (users.size === 1 && viewers.every(({ address }) => address !== null))) {
    const found = (await findGroupsToAsk(sql, viewer, [gid])).get(gid);
    return found && { group: found.group, mayAsk: (_, address) => !found.onlySelf || address === viewer.address };
  }
  const [row] = await sql.query(FIND_FOR_USERS, [viewer.appId, gid, [...users]]);
  if (!row) return undefined;
  const members = new Set(row.members);
  const open = (row.flags & OPEN_TO_ANYONE) !== 0;
  return {
    group: groupOf(row),
    mayAsk: (asking, address) => asking.address === null || members.has(asking.address) || (open && asking.address === address),
  };
}

/** Adds issues for an invalid address or message type. Returns the message type; null means the default 0. */
export function checkQuestion(
  issues: Issues,
  { address, messageType }: Pick<PermissionCheck, 'address' | 'messageType'>,
  path: Path = [],
): number {
  issues.address(address, [...path, 'address']);
  return messageTypeOf(issues, messageType, [...path, 'messageType']);
}

/**
 * Decides up to 1,000 checks over many groups in two statements, in their order; null if the viewer may not ask.
 * @throws InvalidInputError
 */
export async function decideChecks(sql: Sql, viewer: Viewer, checks: readonly PermissionCheck[]): Promise<(Decision | null)[]> {
  if (checks.length > MAX_CHECKS) invalid(['checks'], `must be at most ${MAX_CHECKS} checks`);
  const issues = new Issues();
  const asked = checks.map(({ gid, address, action, messageType }, index) => ({
    gid: readGid(gid).number,
    address,
    action,
    messageType: checkQuestion(issues, { address, messageType }, ['checks', index]),
  }));
  issues.settle();
  if (asked.length === 0) return [];
  const groups = await findGroupsToAsk(sql, viewer, [...new Set(asked.map(({ gid }) => gid))]);
  const standings = await findStandings(sql, viewer.appId, asked);
  return asked.map(({ gid, address, action, messageType }, index) => {
    const found = groups.get(gid);
    if (!found || (found.onlySelf && address !== viewer.address)) return null;
    const standing = standings[index];
    return standing ? decide({ ...standing, action, messageType }) : null;
  });
}
