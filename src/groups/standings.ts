import type { Sql } from '../db/sql.ts';
import type { Question } from './decision.ts';
import type { Level } from './flags.ts';
import type { EntryKey } from './read-members.ts';

/** How an address stands in a group towards a message type: with the group, all that a decision depends on. */
export type Standing = Pick<Question, 'member' | 'type'>;

interface Row {
  permissions: number | null;
  entry: number | null;
  /** The levels send and recv. */
  levels: [Level, Level] | null;
}

// No joins: for many keys the planner might read whole tables.
const select = (gid: string, address: string, type: string) => `select
    (select m.permissions from members m where m.app_id = $1 and m.gid = ${gid} and m.address = ${address}),
    (select t.permissions from member_types t
      where t.app_id = $1 and t.gid = ${gid} and t.address = ${address} and t.message_type = ${type}) as entry,
    (select array[s.send, s.recv]::int[] from group_types s
      where s.app_id = $1 and s.gid = ${gid} and s.message_type = ${type}) as levels`;
const FIND_ONE = { name: 'standing_find_one', text: select('$2', '$3', '$4') };
const FIND_MANY = {
  name: 'standing_find_many',
  text: `${select('k.gid', 'k.address', 'k.type')}
    from unnest($2::bigint[], $3::text[], $4::int[]) with ordinality k(gid, address, type, place) order by k.place`,
};

const standingOf = ({ permissions, entry, levels }: Row): Standing => ({
  member: permissions === null ? undefined : { permissions, entry: entry ?? undefined },
  type: levels ? { send: levels[0], recv: levels[1] } : undefined,
});

/** How addresses stand in groups that the viewer may ask about, in one statement, in the order of the keys. */
export async function findStandings(sql: Sql, appId: number, keys: readonly EntryKey[]): Promise<Standing[]> {
  const [only] = keys;
  if (!only) return [];
  const rows =
    keys.length === 1
      ? await sql.query<Row>(FIND_ONE, [appId, only.gid, only.address, only.messageType])
      : await sql.query<Row>(FIND_MANY, [
          appId,
          keys.map(({ gid }) => gid),
          keys.map(({ address }) => address),
          keys.map(({ messageType }) => messageType),
        ]);
  return rows.map(standingOf);
}
