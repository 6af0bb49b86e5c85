import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { SCHEMA_FILE } from '../prisma/schema-engine.ts';
import { type Migration, MigrationError, readMigrations } from '../src/db/migrate.ts';
import { addGroup } from '../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql, type TestDatabase } from './setup/database.ts';
import { migrationList, withSchemaEngine } from './setup/schema-engine.ts';

const db = await openTestDatabase();
const migrations = await readMigrations();
const names = migrations.map(({ name }) => name);
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

const MORE = '29990101000000_more';

/** The migrations of this checkout and one more. */
const withMore = (script: string): Migration[] => [...migrations, { name: MORE, script }];

/** As gateways did it that had Prisma's engine. */
async function migrateByEngine(target: TestDatabase): Promise<string[]> {
  const migrationsList = await migrationList(migrations);
  const { appliedMigrationNames } = await withSchemaEngine(target, (engine) =>
    engine.applyMigrations({ migrationsList, filters: FILTERS }),
  );
  return appliedMigrationNames;
}

interface Kept {
  name: string;
  checksum: string;
  steps: number;
  finished: boolean;
  rolledBack: boolean;
  logs: string | null;
}

/** The bookkeeping, without ids and times. */
const kept = (target: TestDatabase) =>
  sql<Kept>(
    target,
    `select migration_name as name, checksum, applied_steps_count as steps, finished_at >= started_at is true as finished,
      rolled_back_at is not null as "rolledBack", logs from _prisma_migrations order by started_at, migration_name`,
  );

const exists = async (target: TestDatabase, name: string) =>
  (await sql<{ found: boolean }>(target, 'select to_regclass($1) is not null as found', [name]))[0]?.found;

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
  expect(await empty.migrate()).toEqual(names);
  expect(await empty.migrate()).toEqual([]);
  expect((await kept(empty)).map(({ name }) => name)).toEqual(names);
  expect(await sql(empty, 'select generation from gateway_state')).toEqual([{ generation: 1 }]);
});

test('a migration that was edited after it was applied is refused by its name', async () => {
  await using other = await openTestDatabase();
  const edited = migrations.map(({ name, script }, index) => ({ name, script: index === 1 ? `${script}-- ` : script }));
  await expect(other.migrate(edited)).rejects.toThrow(`Migration ${names[1]} was changed after it was applied`);
});

test('migrations of a later gateway are left alone', async () => {
  await using other = await openTestDatabase();
  expect(await other.migrate(migrations.slice(0, 1))).toEqual([]);
  expect((await kept(other)).map(({ name }) => name)).toEqual(names);
});

// Semicolons where a script may not be cut, and words that end a transaction where they do not.
const SCRIPT = `-- One column; with a default. COMMIT;
  alter table members add column nickname text not null default 'none; commit; yet';
  /* rollback;
     begin; */
  do $$ begin update members set nickname = upper(address); end $$;
  create function "end; commit"() returns int language plpgsql as $body$ begin return 1; end; $body$ -- no semicolon at the end`;

describe('with data', () => {
  test.for([
    { by: 'the gateway', migrated: (target: TestDatabase) => target.migrate() },
    { by: "Prisma's engine", migrated: migrateByEngine },
  ])('a database migrated by $by goes on, and takes a further migration', async ({ migrated }) => {
    await using other = await openTestDatabase({ empty: true });
    expect(await migrated(other)).toEqual(names);
    const { viewer } = await createViewer(other);
    await addGroup(other, viewer, { name: 'Team', members: [{ addresses: ['anna', 'ben'] }] });
    const before = await kept(other);
    expect(await other.migrate()).toEqual([]);
    expect(await kept(other)).toEqual(before);
    expect(await other.migrate(withMore(SCRIPT))).toEqual([MORE]);
    expect(await sql(other, 'select address, nickname from members order by address')).toEqual([
      { address: 'anna', nickname: 'ANNA' },
      { address: 'ben', nickname: 'BEN' },
    ]);
    expect(await sql(other, 'select name, member_count from groups')).toEqual([{ name: 'Team', member_count: 2 }]);
    expect(await other.migrate(withMore(SCRIPT))).toEqual([]);
  });
});

test('addresses that have, or had, a token get a uid where they have none', async () => {
  const added = names.indexOf('20261126040000_users_of_tokens');
  await using old = await openTestDatabase({ empty: true });
  await old.migrate(migrations.slice(0, added));
  await sql(old, "insert into apps (name) values ('one'), ('two')");
  await sql(old, "insert into users (app_id, address) values (1, 'known')");
  const tokens: [app: number, address: string | null, day: number, revoked: boolean][] = [
    [1, 'late', 3, false],
    [1, 'late', 2, true],
    [1, null, 1, false],
    [1, 'known', 1, false],
    [2, 'late', 4, false],
    [1, 'early', 1, true],
  ];
  for (const [index, [app, address, day, revoked]] of tokens.entries()) {
    const at = new Date(Date.UTC(2026, 0, day));
    await sql(old, 'insert into tokens (app_id, hash, address, scopes, created_at, revoked_at) values ($1, $2, $3, 1, $4, $5)', [
      ...[app, Buffer.alloc(32, index), address, at, revoked ? at : null],
    ]);
  }
  expect(await old.migrate()).toEqual(names.slice(added));
  const users = await sql(
    old,
    `select app_id as app, address, case when address <> 'known' then extract(day from created_at at time zone 'UTC')::int end as day
      from users order by uid`,
  );
  expect(users).toEqual([
    { app: 1, address: 'known', day: null },
    { app: 1, address: 'early', day: 1 },
    { app: 1, address: 'late', day: 2 },
    { app: 2, address: 'late', day: 4 },
  ]);
  expect(await differenceFromSchema(old)).toBe('-- This is an empty migration.');
});

test("the bookkeeping is that of Prisma's engine, which finds nothing to do", async () => {
  await using ours = await openTestDatabase({ empty: true });
  await using theirs = await openTestDatabase({ empty: true });
  await ours.migrate();
  await migrateByEngine(theirs);
  const columns = (target: TestDatabase) =>
    sql(
      target,
      `select attname, format_type(atttypid, atttypmod) as type, attnotnull, pg_get_expr(adbin, adrelid) as default,
        (select pg_get_constraintdef(oid) from pg_constraint where conrelid = attrelid and contype = 'p') as key
        from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = '_prisma_migrations'::regclass and attnum > 0 order by attnum`,
    );
  expect(await columns(ours)).toHaveLength(8);
  expect(await columns(ours)).toEqual(await columns(theirs));
  expect(await kept(ours)).toEqual(await kept(theirs));
  const migrationsList = await migrationList(migrations);
  const found = await withSchemaEngine(ours, (engine) =>
    engine.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters: FILTERS }),
  );
  expect(found).toMatchObject({ history: null, hasMigrationsTable: true, failedMigrationNames: [], editedMigrationNames: [] });
  expect(await migrateByEngine(ours)).toEqual([]);
});

test('what another process left unfinished is applied again', async () => {
  await using other = await openTestDatabase();
  // Prisma's engine writes its row before it runs the script.
  await sql(
    other,
    'insert into _prisma_migrations (id, checksum, migration_name, logs) values ($1, $2, $3, $4), ($5, $2, $6, $4)',
    ['a', 'c'.repeat(64), MORE, 'failed', 'b', '29990101000001_of_a_later_gateway'],
  );
  expect(await other.migrate(withMore('create table more (id int)'))).toEqual([MORE]);
  const rows = (await kept(other)).map(({ name, finished, rolledBack }) => ({ name, finished, rolledBack }));
  expect(rows.filter(({ name }) => !names.includes(name))).toEqual([
    { name: MORE, finished: false, rolledBack: true },
    { name: '29990101000001_of_a_later_gateway', finished: false, rolledBack: false },
    { name: MORE, finished: true, rolledBack: false },
  ]);
});

test('a migration that fails says why, leaves nothing, and is tried again', async () => {
  await using other = await openTestDatabase();
  const { viewer } = await createViewer(other);
  await addGroup(other, viewer, { members: [{ addresses: ['anna'] }] });
  const before = await kept(other);
  const failing = withMore('create table leftover (id int); alter table nowhere add column x int; create table later (id int)');
  await expect(other.migrate(failing)).rejects.toThrow(
    new MigrationError(`Migration ${MORE} failed and left nothing: relation "nowhere" does not exist`),
  );
  const unique = withMore(
    'create table leftover (id int); insert into leftover values (7), (7); alter table leftover add unique (id)',
  );
  await expect(other.migrate(unique)).rejects.toThrow(/could not create unique index .* \(Key \(id\)=\(7\) is duplicated\.\)$/);
  expect(await kept(other)).toEqual(before);
  expect([await exists(other, 'leftover'), await exists(other, 'later')]).toEqual([false, false]);
  expect(await other.migrate(withMore('create table leftover (id int)'))).toEqual([MORE]);
  expect(await exists(other, 'leftover')).toBe(true);
});

test('where the first migration fails, nothing is there, and the next start begins anew', async () => {
  await using empty = await openTestDatabase({ empty: true });
  await sql(empty, 'create type apps as (in_the_way int)');
  await expect(empty.migrate()).rejects.toThrow(`Migration ${names[0]} failed and left nothing: relation "apps" already exists`);
  expect([await exists(empty, '_prisma_migrations'), await exists(empty, 'gateway_state')]).toEqual([false, false]);
  await expect(empty.migrate()).rejects.toThrow(/already exists/);
  await sql(empty, 'drop type apps');
  expect(await empty.migrate()).toEqual(names);
  await createViewer(empty);
});

test.for(['COMMIT', 'begin', 'Start Transaction', 'END', 'rollback to x', 'abort'])(
  'a script that would leave its transaction by %s is not run',
  async (words) => {
    const failing = db.migrate(withMore(`create table leftover (id int); -- a comment\n${words};`));
    await expect(failing).rejects.toThrow(new RegExp(`^Migration ${MORE} may not say \\w+`));
    expect(await exists(db, 'leftover')).toBe(false);
  },
);

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
