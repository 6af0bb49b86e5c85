import type { Database } from '../../db/client.ts';
import { ROWS_A_STATEMENT } from './transaction.ts';

const NEXT = { name: 'purge_next', text: 'select gid from groups where app_id = $1 order by gid limit 100' };
const piece = (table: string) => ({
  name: `purge_${table}`,
  text: `with rows as (select ctid from ${table} where app_id = $1 and gid = $2 limit ${ROWS_A_STATEMENT})
    delete from ${table} t using rows where t.ctid = rows.ctid returning 1`,
});
// Children first, so that no cascade deletes more than a statement may.
const PIECES = ['member_types', 'members', 'former_members', 'changes', 'group_types', 'routing_turns'].map(piece);
const LOCK = { name: 'purge_lock', text: 'select pg_advisory_xact_lock($1)::text' };
const DROP = { name: 'purge_group', text: 'delete from groups where app_id = $1 and gid = $2' };

/** Deletes the groups of a closed app for good, in small transactions. Returns how many there were. */
export async function purgeGroups(db: Database, appId: number): Promise<number> {
  let purged = 0;
  for (;;) {
    const groups = await db.query<{ gid: number }>(NEXT, [appId]);
    if (groups.length === 0) return purged;
    for (const { gid } of groups) {
      await purgeGroup(db, appId, gid);
      purged++;
    }
  }
}

/** Deletes a group for good, which nobody sees any more: it is a tombstone, or its app is closed. */
export async function purgeGroup(db: Database, appId: number, gid: number): Promise<void> {
  for (const statement of PIECES) {
    while ((await deletePiece(db, statement, appId, gid)) === ROWS_A_STATEMENT);
  }
  await db.transaction(async (tx) => {
    await tx.query(LOCK, [gid]);
    await tx.query(DROP, [appId, gid]);
  });
}

function deletePiece(db: Database, statement: (typeof PIECES)[number], appId: number, gid: number): Promise<number> {
  return db.transaction(async (tx) => {
    await tx.query(LOCK, [gid]);
    return (await tx.query(statement, [appId, gid])).length;
  });
}
