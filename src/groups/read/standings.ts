import { type Sql, statement } from '../../db/sql.ts';
import { date, int4, int4Array, int8, int8Array, nullable, type RowOf, text, textArray } from '../../db/types.ts';
import { groups, members, memberTypes } from '../../generated/tables.ts';
import type { Question } from '../../model/decision.ts';
import { levelOf } from '../../model/flags.ts';
import type { EntryKey } from './members.ts';

/** All that a decision about an address in a group depends on, for one message type, read at one moment. */
export type Standing = Omit<Question, 'action' | 'messageType'>;

const COLUMNS = {
  // null: there is no such group.
  active: nullable(groups.active[1]),
  flags: nullable(groups.flags[1]),
  starts_at: nullable(groups.startsAt[1]),
  expires_at: nullable(groups.expiresAt[1]),
  now: date,
  permissions: nullable(members.permissions[1]),
  entry: nullable(memberTypes.permissions[1]),
  // send and recv
  levels: nullable(int4Array),
};

// Subqueries by key instead of joins: for many keys the planner might read whole tables.
const select = (gid: string, address: string, type: string) => `select g.*,
    date_trunc('milliseconds', statement_timestamp()) as now,
    (select m.permissions from members m where m.app_id = $1 and m.gid = ${gid} and m.address = ${address}),
    (select t.permissions from member_types t
      where t.app_id = $1 and t.gid = ${gid} and t.address = ${address} and t.message_type = ${type}) as entry,
    (select array[s.send, s.recv]::int[] from group_types s
      where s.app_id = $1 and s.gid = ${gid} and s.message_type = ${type}) as levels`;
const group = (gid: string) =>
  `(select active, flags, starts_at, expires_at from groups where app_id = $1 and gid = ${gid} limit 1) g`;
const FIND_ONE = statement({
  name: 'standing_find_one',
  parameters: [int4, int8, text, int4],
  columns: COLUMNS,
  text: `${select('$2', '$3', '$4')} from ${group('$2')}`,
});
const FIND_MANY = statement({
  name: 'standing_find_many',
  parameters: [int4, int8Array, textArray, int4Array],
  columns: COLUMNS,
  text: `${select('k.gid', 'k.address', 'k.type')}
    from unnest($2::bigint[], $3::text[], $4::int[]) with ordinality k(gid, address, type, place)
    left join lateral ${group('k.gid')} on true order by k.place`,
});

function standingOf(row: RowOf<typeof COLUMNS> | undefined): Standing | undefined {
  if (!row) return undefined;
  const { active, flags, starts_at: startsAt, expires_at: expiresAt, now, permissions, entry, levels } = row;
  if (active === null || flags === null || startsAt === null || expiresAt === null) return undefined;
  return {
    group: { active, flags, startsAt, expiresAt },
    now,
    member: permissions === null ? undefined : { permissions, entry: entry ?? undefined },
    type: levels ? { send: levelOf(levels[0]), recv: levelOf(levels[1]) } : undefined,
  };
}

/**
 * Reads the standings of addresses in groups that the viewer may ask about, in one statement, in the order of the keys;
 * undefined if there is no such group. A group that was deleted meanwhile is still found.
 */
export async function findStandings(sql: Sql, appId: number, keys: readonly EntryKey[]): Promise<(Standing | undefined)[]> {
  const [only] = keys;
  if (!only) return [];
  if (keys.length === 1) {
    const [row] = await sql.query(FIND_ONE, [appId, only.gid, only.address, only.messageType]);
    return [standingOf(row)];
  }
  const rows = await sql.query(FIND_MANY, [
    appId,
    keys.map(({ gid }) => gid),
    keys.map(({ address }) => address),
    keys.map(({ messageType }) => messageType),
  ]);
  return rows.map(standingOf);
}
