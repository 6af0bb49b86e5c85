import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readMigrations, SCHEMA_FILE } from '../src/db/migrate.ts';
import { addGroup } from '../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql, type TestDatabase } from './setup/database.ts';
import { withSchemaEngine } from './setup/schema-engine.ts';

const db = await openTestDatabase();
const FILTERS = { externalTables: [], externalEnums: [] };

/** What would have to be done to the database to have it as schema.prisma says. */
async function differenceFromSchema(target: TestDatabase): Promise<string> {
  const file = { path: 'schema.prisma', content: await readFile(SCHEMA_FILE, 'utf8') };
  const from = { tag: 'schemaDatasource' as const, files: [file], configDir: '' };
  const to = { tag: 'schemaDatamodel' as const, files: [file] };
  const { stdout } = await withSchemaEngine(
    target,
    (engine) => engine.diff({ from, to, script: true, exitCode: null, filters: FILTERS }),
    file,
  );
  return stdout?.trim() ?? '';
}

/** The migrations of this checkout and one more. */
async function applyAnother(target: TestDatabase, script: string): Promise<unknown> {
  const migrationsList = await readMigrations();
  const migrationFile = { path: 'migration.sql', content: { tag: 'ok' as const, value: script } };
  migrationsList.migrationDirectories.push({ path: '29990101000000_more', migrationFile });
  return withSchemaEngine(target, (engine) => engine.applyMigrations({ migrationsList, filters: FILTERS }));
}

test('the migrations make the database that schema.prisma describes', async () => {
  expect(await differenceFromSchema(db)).toBe('-- This is an empty migration.');
});

test('a column that schema.prisma does not have shows', async () => {
  await using other = await openTestDatabase();
  await sql(other, 'alter table members add column nickname text');
  expect(await differenceFromSchema(other)).toContain('DROP COLUMN "nickname"');
});

test('an empty database gets the migrations once', async () => {
  await using empty = await openTestDatabase({ empty: true });
  const names = (await readMigrations()).migrationDirectories.map(({ path }) => path);
  expect(await empty.migrate()).toEqual(names);
  expect(await empty.migrate()).toEqual([]);
  const applied = await sql<{ name: string }>(empty, 'select migration_name as name from _prisma_migrations order by started_at');
  expect(applied.map(({ name }) => name)).toEqual(names);
  expect(await sql(empty, 'select generation from gateway_state')).toEqual([{ generation: 1 }]);
});

test('a migration that was edited after it was applied is refused by its name', async () => {
  await using other = await openTestDatabase();
  const [{ name } = { name: '' }] = await sql<{ name: string }>(
    other,
    `update _prisma_migrations set checksum = repeat('0', 64) returning migration_name as name`,
  );
  expect(name).toMatch(/^\d{14}_/);
  await expect(other.migrate()).rejects.toThrow(`Migration ${name} was changed after it was applied`);
});

test('a database with data stays as it is, and takes a further migration', async () => {
  await using other = await openTestDatabase();
  const { viewer } = await createViewer(other);
  await addGroup(other, viewer, { name: 'Team', members: [{ addresses: ['anna', 'ben'] }] });
  expect(await other.migrate()).toEqual([]);
  // Semicolons where a script may not be cut.
  await applyAnother(
    other,
    `-- One column; with a default.
    alter table members add column nickname text not null default 'none; yet';
    do $$ begin update members set nickname = upper(address); end $$;`,
  );
  expect(await sql(other, 'select address, nickname from members order by address')).toEqual([
    { address: 'anna', nickname: 'ANNA' },
    { address: 'ben', nickname: 'BEN' },
  ]);
  expect(await sql(other, 'select name, member_count from groups')).toEqual([{ name: 'Team', member_count: 2 }]);
});

test('a migration that fails says why and leaves nothing behind', async () => {
  await using other = await openTestDatabase();
  const failing = applyAnother(other, 'create table leftover (id int); alter table nowhere add column x int;');
  await expect(failing).rejects.toThrow(/nowhere/);
  expect(await sql(other, `select to_regclass('leftover') is null as absent`)).toEqual([{ absent: true }]);
});

test('a migration that failed is tried again at the next start', async () => {
  await using empty = await openTestDatabase({ empty: true });
  await sql(empty, 'create type apps as (in_the_way int)');
  await expect(empty.migrate()).rejects.toThrow(/apps/);
  await expect(empty.migrate()).rejects.toThrow(/already exists/);
  await sql(empty, 'drop type apps');
  const names = (await readMigrations()).migrationDirectories.map(({ path }) => path);
  expect(await empty.migrate()).toEqual(names);
  await createViewer(empty);
});

test('the generation rises when the log holds transactions of another server', async () => {
  await using other = await openTestDatabase();
  const { viewer } = await createViewer(other);
  const generation = async () =>
    (await sql<{ generation: number }>(other, 'select generation from gateway_state'))[0]?.generation;
  await addGroup(other, viewer, {});
  await other.migrate();
  expect(await generation()).toBe(1);
  await sql(other, 'update changes set xid = xid + 1000000');
  await other.migrate();
  expect(await generation()).toBe(2);
  await other.migrate();
  expect(await generation()).toBe(2);
  const { group } = await addGroup(other, viewer, {});
  expect(await sql(other, 'select generation from changes where gid = $1', [group.gid])).toEqual([{ generation: 2 }]);
});

test('gids begin at 1,000', async () => {
  await using other = await openTestDatabase();
  const { viewer } = await createViewer(other);
  expect((await addGroup(other, viewer, {})).group.gid).toBe(1000);
  expect((await addGroup(other, viewer, {})).group.gid).toBe(1001);
});

test('text is in the order of code points', async () => {
  const { viewer } = await createViewer(db);
  const addresses = ['b', 'B', 'a', 'ä', 'Z', '_', '-x', 'é', 'e', 'ﬀ', '😀', '\u{10ffff}', '\uffff', '中', '10', '9'];
  const { group } = await addGroup(db, viewer, { members: [{ addresses }] });
  const rows = await sql<{ address: string }>(db, 'select address from members where gid = $1 order by address', [group.gid]);
  const points = (text: string) => Buffer.from(text, 'utf8'); // in which bytes go as code points do
  expect(rows.map(({ address }) => address)).toEqual(addresses.toSorted((a, b) => Buffer.compare(points(a), points(b))));
});

test('no text column but one of fixed words depends on the collation of the database', async () => {
  const columns = await sql<{ name: string }>(
    db,
    `select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'public' and table_name <> '_prisma_migrations'
        and data_type in ('text', 'character varying') and collation_name is distinct from 'C'`,
  );
  expect(columns.map(({ name }) => name)).toEqual(['tokens.origin']);
});
