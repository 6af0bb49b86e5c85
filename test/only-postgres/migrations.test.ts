import { expect, test } from 'vitest';
import { readMigrations } from '../../src/db/migrate.ts';
import { openTestDatabase, sql } from '../setup/database.ts';

test('four gateways that start at once on an empty database migrate it once', async () => {
  await using db = await openTestDatabase({ empty: true });
  const gateways = [db, db.openAnother(), db.openAnother(), db.openAnother()];
  const applied = await Promise.all(gateways.map((gateway) => gateway.migrate()));
  const names = (await readMigrations()).migrationDirectories.map(({ path }) => path);
  expect(applied.filter((list) => list.length > 0)).toEqual([names]);
  expect(await sql(db, 'select migration_name as name from _prisma_migrations')).toEqual(names.map((name) => ({ name })));
  expect(await sql(db, 'select count(*) as rows from gateway_state')).toEqual([{ rows: 1 }]);
});

test('no connection stays behind', async () => {
  await using db = await openTestDatabase({ empty: true, poolSize: 1 });
  await db.migrate();
  await expect
    .poll(() =>
      sql(db, 'select count(*) as others from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'),
    )
    .toEqual([{ others: 0 }]);
});

// Else the tests of orders would prove nothing here.
test.skipIf(process.env['DATABASE_URL'])('the server of these tests does not sort by code point by itself', async () => {
  await using db = await openTestDatabase();
  expect(await sql(db, `select 'a' < 'B' collate "default" as natural, 'a' < 'B' collate "C" as bytes`)).toEqual([
    { natural: true, bytes: false },
  ]);
});
