import { expect, test } from 'vitest';
import { pruneChanges } from '../../src/changes/log/retention.ts';
import { addGroup, setGroup } from '../../src/groups/operations.ts';
import { purgeGroup } from '../../src/groups/write/purge.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { settled, until } from '../setup/watch.ts';

const db = await openTestDatabase();
const MONTH = 30 * 24 * 60 * 60;

test('what streams across groups cannot read yet is not pruned', async () => {
  const { viewer } = await createViewer(db);
  const { gid } = (await addGroup(db, viewer, {})).group;
  await settled(db);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const { promise: holds, resolve: taken } = Promise.withResolvers<void>();
  const open = db.openAnother().transaction(async (tx) => {
    await sql(tx, 'select pg_current_xact_id()::text');
    taken();
    await held;
  });
  await holds;
  await setGroup(db, viewer, { gid: String(gid), name: 'waits' });
  await sql(db, `update changes set at = at - interval '31 days' where gid = $1`, [gid]);
  await pruneChanges(db, MONTH, purgeGroup);
  expect(await sql(db, 'select version from changes where gid = $1', [gid])).toEqual([{ version: 2 }]);
  release();
  await open;
  await until(async () => {
    await pruneChanges(db, MONTH, purgeGroup);
    return (await sql(db, 'select version from changes where gid = $1', [gid])).length === 0;
  });
});
