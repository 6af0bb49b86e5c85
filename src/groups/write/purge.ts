import type { Database } from '../../db/client.ts';
import { statement } from '../../db/sql.ts';
import { int4, int8, text } from '../../db/types.ts';
import { groups } from '../../generated/tables.ts';
import { ROWS_A_STATEMENT } from './group-write.ts';

const NEXT = statement({
  name: 'purge_next',
  parameters: [int4],
  columns: { gid: groups.gid[1] },
  text: 'select gid from groups where app_id = $1 order by gid limit 100',
});
// In SQL: a piece is a limited number of rows, deleted under the group's lock; Prisma supports neither.
const piece = (table: string) =>
  statement({
    name: `purge_${table}`,
    parameters: [int4, int8],
    columns: { '?column?': int4 },
    text: `with rows as (select ctid from ${table} where app_id = $1 and gid = $2 limit ${ROWS_A_STATEMENT})
    delete from ${table} t using rows where t.ctid = rows.ctid returning 1`,
  });
// Child tables first, so that no cascade deletes more rows than a statement may.
const PIECES = ['member_types', 'members', 'former_members', 'changes', 'group_types', 'routing_turns'].map(piece);
const LOCK = statement({
  name: 'purge_lock',
  parameters: [int8],
  columns: { pg_advisory_xact_lock: text },
  text: 'select pg_advisory_xact_lock($1)::text',
});
const DROP = statement({
  name: 'purge_group',
  parameters: [int4, int8],
  columns: {},
  text: 'delete from groups where app_id = $1 and gid = $2',
});

/** Deletes the groups of a closed app for good, in small transactions. Returns how many there were. */
export async function purgeGroups(db: Database, appId: number): Promise<number> {
  let purged = 0;
  for (;;) {
    const next = await db.query(NEXT, [appId]);
    if (next.length === 0) return purged;
    for (const { gid } of next) {
      await purgeGroup(db, appId, gid);
      purged++;
    }
  }
}

/** Deletes a group for good that is no longer visible: it is a tombstone, or its app is closed. */
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
