import { expect, test } from 'vitest';
import { readMigrations } from '../../src/db/migrate.ts';
import { openTestDatabase, postgresUrl, sql } from '../setup/database.ts';
import { withClient } from '../setup/databases.ts';
import { runApp, runServer } from '../setup/server.ts';

test('four gateways that start at once on an empty database migrate it once', async () => {
  await using db = await openTestDatabase({ empty: true });
  const gateways = [db, db.openAnother(), db.openAnother(), db.openAnother()];
  const applied = await Promise.all(gateways.map((gateway) => gateway.migrate()));
  const names = (await readMigrations()).map(({ name }) => name);
  expect(applied.filter((list) => list.length > 0)).toEqual([names]);
  expect(await sql(db, 'select migration_name as name from _prisma_migrations')).toEqual(names.map((name) => ({ name })));
  expect(await sql(db, 'select count(*) as rows from gateway_state')).toEqual([{ rows: 1 }]);
});

test('a migration whose process ends in its middle leaves nothing, and the next gateway applies it', async () => {
  await using db = await openTestDatabase();
  const more = { name: '29990101000000_more', script: 'create table more (id int); select pg_sleep(60)' };
  const migrations = await readMigrations();
  const ended = expect(db.openAnother().migrate([...migrations, more])).rejects.toThrow();
  const end = () =>
    sql<{ ended: boolean }>(
      db,
      `select pg_terminate_backend(pid) as ended from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`,
    );
  await expect.poll(end).toEqual([{ ended: true }]);
  await ended;
  const script = 'create table more (id int)';
  expect(await db.openAnother().migrate([...migrations, { ...more, script }])).toEqual([more.name]);
  expect(await sql(db, 'select count(*) as rows from _prisma_migrations')).toEqual([{ rows: migrations.length + 1 }]);
});

test('a start that cannot migrate says why in one sentence', async () => {
  const DATABASE_URL = await postgresUrl(true);
  await withClient(DATABASE_URL, (client) => client.query('create type apps as (in_the_way int)'));
  const [first] = await readMigrations();
  const sentence = `Migration ${first?.name} failed and left nothing: relation "apps" already exists\n`;
  expect(await runServer({ DATABASE_URL })).toMatchObject({ code: 1, stdout: '', stderr: `rollcall: ${sentence}` });
  expect(await runApp(['list'], { DATABASE_URL })).toMatchObject({ code: 1, stdout: '', stderr: sentence });
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
