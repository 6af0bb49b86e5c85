/** Whatever server, database and role say, sessions are as the gateway needs them; and the schema is the URL's. */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { makeFirstToken, setAppToken } from '../../src/access/apps.ts';
import { connectHints, listenNotify } from '../../src/changes/hints.ts';
import { type Config, ConfigError, readConfig } from '../../src/config.ts';
import type { Database } from '../../src/db/client.ts';
import type { Hint } from '../../src/db/hint-bus.ts';
import { openPostgres, type PostgresOptions } from '../../src/db/postgres.ts';
import { DatabaseSetupError, quoted } from '../../src/db/server-url.ts';
import { createGateway } from '../../src/gateway.ts';
import { GroupAddDocument, GroupByGidDocument, GroupEditMembersDocument } from '../../src/generated/operations.ts';
import { openConfiguredDatabase } from '../../src/open-database.ts';
import { atEnd } from '../setup/at-end.ts';
import { createViewer, postgresUrl, sql } from '../setup/database.ts';
import { withClient } from '../setup/databases.ts';
import { eventually } from '../setup/eventually.ts';
import { type Caller, callerOf, TEST_CONFIG } from '../setup/gateway.ts';
import { GROUP_CHANGES, listen, until, watchOver } from '../setup/watch.ts';

const silent = pino({ level: 'silent' });
const AWKWARD = {
  timezone: `'America/New_York'`,
  default_transaction_isolation: `'repeatable read'`,
  default_transaction_read_only: 'on',
};

function open(url: string, options: Partial<PostgresOptions> = {}): Database {
  const db = openPostgres({ url, poolSize: 10, statementTimeout: 30_000, transactionTimeout: 30_000, ...options });
  atEnd(() => db.close());
  return db;
}

async function gatewayOn(db: Database): Promise<{ app: Caller; url: string; token: string }> {
  const gateway = createGateway({ db, log: silent, config: TEST_CONFIG as Config });
  atEnd(() => gateway.close());
  const { url } = await listen(gateway);
  const viewer = await createViewer(db);
  return { app: callerOf(gateway, db, viewer), url, token: viewer.token };
}

const withSchema = (url: string, schema: string) => `${url}?schema=${encodeURIComponent(schema)}`;
const databaseOf = (url: string) => new URL(url).pathname.slice(1);

/** Settings of a database, for the sessions that come. */
async function alter(url: string, settings: Record<string, string>, what = `database ${databaseOf(url)}`): Promise<void> {
  await withClient(inject('postgres').url, async (client) => {
    for (const [name, value] of Object.entries(settings)) await client.query(`alter ${what} set ${name} = ${value}`);
  });
}

async function awkwardUrl(): Promise<string> {
  const url = await postgresUrl();
  await alter(url, AWKWARD);
  await withClient(url, async (client) => {
    const { rows } = await client.query(
      `select current_setting('timezone') as zone, current_setting('default_transaction_isolation') as isolation,
        current_setting('default_transaction_read_only') as read_only`,
    );
    expect(rows).toEqual([{ zone: 'America/New_York', isolation: 'repeatable read', read_only: 'on' }]);
  });
  return url;
}

async function addGroup(app: Caller, name = 'Team'): Promise<string> {
  const { groupAdd } = await app.call(GroupAddDocument, { input: { name } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return groupAdd.group.gid;
}

const isNow = (time: string | Date) => expect(Math.abs(new Date(time).getTime() - Date.now())).toBeLessThan(10_000);

/** Groups, members, tokens and watching, with times that are those of the clock. */
async function expectWorks(db: Database): Promise<void> {
  const { app, token, url } = await gatewayOn(db);
  const gid = await addGroup(app);
  const watch = watchOver('sse', { url }, token, GROUP_CHANGES, { gid });
  await watch.ready();
  const { groupEditMembers } = await app.call(GroupEditMembersDocument, { input: { gid, add: [{ addresses: ['anna'] }] } });
  expect(groupEditMembers).toMatchObject({ added: 1 });
  await watch.until((events) => events.some(({ __typename }) => __typename === 'MembersAdded'));
  isNow(watch.events.find(({ __typename }) => __typename === 'MembersAdded')?.['at']);
  await watch.stop();
  const { group } = await app.call(GroupByGidDocument, { gid });
  isNow(group?.createdAt as string);

  const { data } = await app.send(`mutation {
    tokenAdd(input: { address: "anna", expiresIn: 3600 }) {
      ... on TokenAddPayload { secret token { id createdAt expiresAt } }
    }
  }`);
  const added = data?.['tokenAdd'];
  isNow(added.token.createdAt);
  expect(new Date(added.token.expiresAt).getTime() - new Date(added.token.createdAt).getTime()).toBe(3_600_000);
  const listed = await app.send('{ tokens { edges { node { id createdAt } } } viewer { token { createdAt } } }');
  isNow(listed.data?.['viewer'].token.createdAt);
  expect(listed.data?.['tokens'].edges).toContainEqual({ node: { id: added.token.id, createdAt: added.token.createdAt } });
  const revoked = await app.send(`mutation { tokenRevoke(id: "${added.token.id}") { ... on TokenRevokePayload { id } } }`);
  expect(revoked.data?.['tokenRevoke']).toEqual({ id: added.token.id });

  const appToken = `app-token-${randomBytes(20).toString('hex')}`;
  await setAppToken(db, appToken);
  const rows = await sql<{ created_at: Date }>(db, `select created_at from tokens where origin = 'environment'`);
  expect(rows).toHaveLength(1);
  isNow(rows[0]?.created_at as Date);
  expect(await makeFirstToken(db)).toBeUndefined();
}

describe('a database of another zone, isolation and for reading only', async () => {
  const url = await awkwardUrl();
  const db = open(url);

  test('is used as any other', async () => {
    expect(await db.migrate()).toEqual([]);
    await expectWorks(db);
  });

  test('is told our settings after those of the URL', async () => {
    const options = '-c work_mem=5MB -c timezone=Asia/Tokyo';
    const own = open(`${url}?options=${encodeURIComponent(options)}`);
    const settings = `select current_setting('work_mem') as memory, current_setting('timezone') as zone`;
    expect(await sql(own, settings)).toEqual([{ memory: '5MB', zone: 'UTC' }]);
  });

  test('takes 192 edits of one group at once', async () => {
    const callers = [(await gatewayOn(db)).app];
    for (let n = 0; n < 3; n++) {
      const other = open(url, { poolSize: 4 });
      const gateway = createGateway({ db: other, log: silent, config: TEST_CONFIG as Config });
      atEnd(() => gateway.close());
      callers.push(callerOf(gateway, other, callers[0] as Caller));
    }
    const gid = await addGroup(callers[0] as Caller);
    const edits = Array.from({ length: 192 }, async (_, n) => {
      const input = { gid, add: [{ addresses: [`member${n}`] }] };
      const { groupEditMembers } = await (callers[n % 4] as Caller).call(GroupEditMembersDocument, { input });
      return groupEditMembers.__typename;
    });
    expect(new Set(await Promise.all(edits))).toEqual(new Set(['GroupEditMembersPayload']));
    expect(await sql(db, 'select version, member_count as members from groups where gid = $1', [Number(gid)])).toEqual([
      { version: 193, members: 192 },
    ]);
  });
});

describe('?schema= in the URL', async () => {
  const url = await postgresUrl(true);
  const SCHEMAS = ['app1', 'User-2'];
  const [one, two] = SCHEMAS.map((schema) => open(withSchema(url, schema))) as [Database, Database];
  beforeAll(async () => {
    const migrated = await Promise.all([one.migrate(), two.migrate()]);
    expect(migrated[0]?.length).toBeGreaterThan(0);
    expect(migrated[1]).toEqual(migrated[0]);
  });

  test('names where the tables are made and used', async () => {
    for (const db of [one, two]) await expectWorks(db);
    await withClient(url, async (client) => {
      const { rows } = await client.query(
        `select distinct schemaname as schema from pg_tables where schemaname !~ '^(pg_|information_schema$)' order by 1`,
      );
      expect(rows.map(({ schema }) => schema).sort()).toEqual([...SCHEMAS].sort());
      // pg_trgm is in one of them, and serves both.
      const { rows: indexes } = await client.query(`select schemaname from pg_indexes where indexname = 'groups_by_name_part'`);
      expect(indexes).toHaveLength(2);
    });
  });

  test('keeps two gateways on one database apart', async () => {
    const [here, there] = [(await gatewayOn(one)).app, (await gatewayOn(two)).app];
    await addGroup(here, 'only here');
    await addGroup(there, 'only there');
    const names = async (db: Database) =>
      (await sql<{ name: string }>(db, `select name from groups where name like 'only%'`)).map(({ name }) => name);
    expect([await names(one), await names(two)]).toEqual([['only here'], ['only there']]);
    const stranger = callerOf(createGateway({ db: two, log: silent, config: TEST_CONFIG as Config }), two, here);
    expect((await stranger.send('{ viewer { app { name } } }')).status).toBe(401);
  });

  test('keeps their hints apart', async () => {
    const third = open(withSchema(url, 'app1'));
    const heard = await Promise.all(
      [one, third, two].map(async (db) => {
        const stop = await connectHints(db, (hear) => listenNotify(db, url, hear, silent), silent);
        atEnd(stop);
        const hints: Hint[] = [];
        db.hints.subscribe((hint, own) => !own && hints.push(hint));
        return hints;
      }),
    );
    await until(() => {
      one.hints.publish({ appId: 1, gid: 1, version: Date.now() });
      two.hints.publish({ appId: 2, gid: 2, version: Date.now() });
      return heard[1]?.length;
    });
    one.hints.publish({ appId: 1, gid: 3, version: 1 });
    await eventually(
      () => heard[1] as Hint[],
      (hints) => hints.some(({ gid }) => gid === 3),
    );
    expect(heard[1]?.filter(({ appId }) => appId !== 1)).toEqual([]);
    // It hears its own by LISTEN.
    expect(heard[2]?.filter(({ appId }) => appId !== 2)).toEqual([]);
  });

  test.each(['', 'x'.repeat(64), 'a"b', '1a', 'a b'])('is refused as %j', (schema) => {
    expect(() => open(withSchema(url, schema))).toThrow(DatabaseSetupError);
  });

  test('is one for both ways to the database, and a start says so', async () => {
    const env = { DATABASE_URL: withSchema(url, 'app1'), DIRECT_DATABASE_URL: withSchema(url, 'app2') };
    const reason = new ConfigError('DIRECT_DATABASE_URL must have the same schema= as DATABASE_URL, or none.');
    await expect(openConfiguredDatabase(readConfig(env))).rejects.toThrow(reason);
    await expect(openConfiguredDatabase(readConfig(env))).rejects.toThrow(ConfigError);
  });
});

describe('a role that may do little', async () => {
  const url = await postgresUrl(true);
  const role = `rollcall_${randomBytes(5).toString('hex')}`;
  const own = new URL(url);
  own.username = role;
  await withClient(url, async (client) => {
    await client.query(`create role ${role} login password ${`'${own.password}'`}`);
    await client.query('revoke create on schema public from public');
  });
  atEnd(async () => {
    await withClient(url, (client) => client.query(`drop owned by ${role}`));
    await withClient(url, (client) => client.query(`drop role ${role}`));
  });

  test('is told of the schema that it may not make, and uses it when it is there', async () => {
    const db = open(withSchema(own.href, 'mine'));
    const command = `create schema "mine" authorization "${role}";`;
    await expect(db.migrate()).rejects.toThrow(command);
    await expect(db.migrate()).rejects.toThrow(DatabaseSetupError);
    await withClient(url, (client) => client.query(command));
    await db.migrate();
    await expectWorks(db);
  });

  test('is told of the schema public that it may not use, though it has one of its own name', async () => {
    await withClient(url, (client) => client.query(`create schema ${role} authorization ${role}`));
    const db = open(own.href);
    await expect(db.migrate()).rejects.toThrow(`grant create, usage on schema "public" to "${role}";`);
    await withClient(url, (client) => client.query(`grant create, usage on schema public to ${role}`));
    await db.migrate();
    await expectWorks(db);
    expect(await sql(db, 'select 1 from pg_tables where schemaname = $1', [role])).toEqual([]);
  });
});

describe('with DIRECT_DATABASE_URL, past a pooler', async () => {
  const url = await awkwardUrl();

  test('sessions that are not as they must be stop the start, which says what to do', async () => {
    const db = open(url, { directUrl: url });
    const role = new URL(url).username;
    const commands = [
      `alter role ${quoted(role)} set default_transaction_isolation = 'read committed';`,
      `alter role ${quoted(role)} set default_transaction_read_only = 'off';`,
    ];
    await expect(db.migrate()).rejects.toThrow(commands.join(' '));
    await expect(open(withSchema(url, 'public'), { directUrl: url }).migrate()).rejects.toThrow(DatabaseSetupError);
    // Here for this database alone: the role is that of all tests.
    await alter(url, { default_transaction_isolation: `'read committed'`, default_transaction_read_only: 'off' });
    const again = open(url, { directUrl: url });
    await again.migrate();
    await expectWorks(again);
  });

  test('the schema has to be said on the role', async () => {
    const schema = 'pooled';
    const pooled = await postgresUrl(true);
    const options = { directUrl: pooled };
    await expect(open(withSchema(pooled, schema), options).migrate()).rejects.toThrow('set search_path = "pooled";');
    await alter(pooled, { search_path: schema });
    const db = open(withSchema(pooled, schema), options);
    await db.migrate();
    await expectWorks(db);
  });
});
