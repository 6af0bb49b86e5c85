import type { Sql } from '../../db/sql.ts';
import type { Question } from '../../model/decision.ts';
import type { Level } from '../../model/flags.ts';
import type { EntryKey } from './members.ts';

/** How an address stands in a group towards a message type: all that a decision depends on, as of one moment. */
export type Standing = Omit<Question, 'action' | 'messageType'>;

interface Row {
  active: boolean;
  flags: number;
  starts_at: Date;
  /** null: there is no such group. */
  expires_at: Date | null;
  now: Date;
  permissions: number | null;
  entry: number | null;
  /** The levels send and recv. */
  levels: [Level, Level] | null;
}

// No joins but with the group, by key: for many keys the planner might read whole tables.
const select = (gid: string, address: string, type: string) => `select g.*,
    date_trunc('milliseconds', statement_timestamp()) as now,
    (select m.permissions from members m where m.app_id = $1 and m.gid = ${gid} and m.address = ${address}),
    (select t.permissions from member_types t
      where t.app_id = $1 and t.gid = ${gid} and t.address = ${address} and t.message_type = ${type}) as entry,
    (select array[s.send, s.recv]::int[] from group_types s
      where s.app_id = $1 and s.gid = ${gid} and s.message_type = ${type}) as levels`;
const group = (gid: string) =>
  `(select active, flags, starts_at, expires_at from groups where app_id = $1 and gid = ${gid} limit 1) g`;
const FIND_ONE = { name: 'standing_find_one', text: `${select('$2', '$3', '$4')} from ${group('$2')}` };
const FIND_MANY = {
  name: 'standing_find_many',
  text: `${select('k.gid', 'k.address', 'k.type')}
    from unnest($2::bigint[], $3::text[], $4::int[]) with ordinality k(gid, address, type, place)
    left join lateral ${group('k.gid')} on true order by k.place`,
};

function standingOf(row: Row | undefined): Standing | undefined {
  if (!row?.expires_at) return undefined;
  const { active, flags, starts_at: startsAt, expires_at: expiresAt, now, permissions, entry, levels } = row;
  return {
    group: { active, flags, startsAt, expiresAt },
    now,
    member: permissions === null ? undefined : { permissions, entry: entry ?? undefined },
    type: levels ? { send: levels[0], recv: levels[1] } : undefined,
  };
}

/**
 * How addresses stand in groups that the viewer may ask about, in one statement, in the order of the keys; undefined where
 * there is no such group. A group that was deleted meanwhile is as it was.
 */
export async function findStandings(sql: Sql, appId: number, keys: readonly EntryKey[]): Promise<(Standing | undefined)[]> {
  const [only] = keys;
  if (!only) return [];
  if (keys.length === 1) {
    const [row] = await sql.query<Row>(FIND_ONE, [appId, only.gid, only.address, only.messageType]);
    return [standingOf(row)];
  }
  const rows = await sql.query<Row>(FIND_MANY, [
    appId,
    keys.map(({ gid }) => gid),
    keys.map(({ address }) => address),
    keys.map(({ messageType }) => messageType),
  ]);
  return rows.map(standingOf);
}
