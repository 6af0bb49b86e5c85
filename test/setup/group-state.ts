import type { Sql } from '../../src/db/sql.ts';
import { sql } from './database.ts';

const TABLES = ['groups', 'group_types', 'members', 'member_types', 'former_members', 'changes'];

/** All rows of a group, as text: if two results are equal, nothing was written in between. */
export async function groupState(db: Sql, gid: string | number): Promise<string[]> {
  const selects = TABLES.map((table) => `select '${table} ' || t::text as row from ${table} t where gid = $1`);
  return (await sql<{ row: string }>(db, `${selects.join(' union all ')} order by row`, [Number(gid)])).map(({ row }) => row);
}
