import type { Database } from '../../db/client.ts';
import { statement, type Tx } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { float8, int4, int8 } from '../../db/types.ts';
import { changes, groups } from '../../generated/tables.ts';
import { SETTLED } from './read.ts';

const BATCH = 1_000;

const POSITION = pick(changes, '', ['generation', 'xid', 'id']);
// An app's oldest records, up to the first that is young or not settled: what is pruned is always the beginning of the log in
// the order of streams across groups.
const PRUNE_CHANGES = statement({
  name: 'retention_changes',
  parameters: [int4, float8],
  columns: POSITION.columns,
  text: `with oldest as (
      select app_id, gid, version, generation, xid, id,
        at >= clock_timestamp() - $2 * interval '1 second' or not ${SETTLED} as young
      from changes c where app_id = $1 order by generation, xid, id limit ${BATCH}),
    old as (select *, bool_or(young) over (order by generation, xid, id) as kept from oldest),
    gone as (
      delete from changes c using old o where not o.kept and c.app_id = o.app_id and c.gid = o.gid and c.version = o.version
      returning c.generation, c.xid, c.id)
    select ${POSITION.list} from gone order by generation desc, xid desc, id desc`,
});
const NOTE_PRUNED = statement({
  name: 'retention_note',
  parameters: [int4, int4, int8, int8],
  columns: {},
  text: `update apps set pruned_generation = $2, pruned_xid = $3, pruned_id = $4
    where id = $1 and (pruned_generation, pruned_xid, pruned_id) < ($2, $3, $4)`,
});
// Tombstones are deleted when the records of the leaving are gone.
const PRUNE_FORMER = statement({
  name: 'retention_former',
  parameters: [int4, float8],
  columns: { '?column?': int4 },
  text: `with old as (select app_id, gid, address from former_members f where f.app_id = $1
        and f.left_at < clock_timestamp() - $2 * interval '1 second'
        and not exists (select from changes c where c.app_id = f.app_id and c.gid = f.gid and c.version = f.left_version) limit ${BATCH})
    delete from former_members f using old o
    where f.app_id = o.app_id and f.gid = o.gid and f.address = o.address returning 1`,
});
const GID = pick(groups, 'g', ['gid']);
const BURIED = statement({
  name: 'retention_buried',
  parameters: [int4, float8],
  columns: GID.columns,
  text: `select ${GID.list} from groups g where g.app_id = $1 and g.deleted_at < clock_timestamp() - $2 * interval '1 second'
      and not exists (select from changes c where c.app_id = g.app_id and c.gid = g.gid) order by g.deleted_at limit 100`,
});

/**
 * Deletes records older than the retention, and tombstones whose records are gone, in batches of 1,000.
 * @param retention seconds
 * @param purge deletes a group's tombstone with everything that belongs to the group
 * @returns how many records it deleted
 */
export async function pruneChanges(
  db: Database,
  retention: number,
  purge: (db: Database, appId: number, gid: number) => Promise<void>,
): Promise<number> {
  let pruned = 0;
  const apps = await db.records(({ app }) => app.findMany({ select: { id: true }, orderBy: { id: 'asc' } }));
  for (const { id: appId } of apps) {
    pruned += await repeat(() => db.transaction((tx) => pruneBatch(tx, appId, retention)));
    await repeat(async () => (await db.query(PRUNE_FORMER, [appId, retention])).length);
    await repeat(async () => {
      const buried = await db.query(BURIED, [appId, retention]);
      for (const { gid } of buried) await purge(db, appId, gid);
      return buried.length === 100 ? BATCH : 0;
    });
  }
  return pruned;
}

async function pruneBatch(tx: Tx, appId: number, retention: number): Promise<number> {
  const gone = await tx.query(PRUNE_CHANGES, [appId, retention]);
  const [last] = gone;
  if (last) await tx.query(NOTE_PRUNED, [appId, last.generation, last.xid, last.id]);
  return gone.length;
}

/** Repeats until a batch is not full. Returns the sum. */
async function repeat(batch: () => Promise<number>): Promise<number> {
  let sum = 0;
  for (;;) {
    const count = await batch();
    sum += count;
    if (count < BATCH) return sum;
  }
}
