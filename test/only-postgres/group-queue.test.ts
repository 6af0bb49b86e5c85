/** Waiting for a group, or for an idempotency key, takes no connection; who may not write takes no place in a queue. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { databaseOf, type Viewer } from '../../src/access/viewer.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup, editGroupMembers, setGroup } from '../../src/groups/operations.ts';
import { routeMessage } from '../../src/groups/routing/route-message.ts';
import { ClientGoneError, IdempotencyConflictError, NotAllowedError, OverloadedError } from '../../src/model/errors.ts';
import { atEnd } from '../setup/at-end.ts';
import { createUser, createViewer, openTestDatabase, sql, type TestDatabase } from '../setup/database.ts';

/** Takes something in a transaction, as another gateway may, until the returned function is called. */
async function held(db: TestDatabase, statement: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: db.url });
  const end = atEnd(() => client.end());
  await client.connect();
  await client.query('begin');
  await client.query(statement);
  return end;
}

const heldGroup = (db: TestDatabase, gid: number) => held(db, `select pg_advisory_xact_lock(${gid})::text`);

/** How many connections of gateways are in use. */
async function busy(db: Database): Promise<number> {
  const [row] = await sql<{ count: number }>(
    db,
    `select count(*)::int from pg_stat_activity where datname = current_database() and application_name = 'rollcall'
      and pid <> pg_backend_pid() and state <> 'idle'`,
  );
  return row?.count ?? 0;
}

const newGroups = (db: Database, viewer: Viewer, count: number, admin: object = {}) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const { group } = await addGroup(db, viewer, { members: [{ addresses: ['anna'], admin }, { addresses: ['bert'] }] });
      return String(group.gid);
    }),
  );

/** What it gave, or threw. */
const outcome = (run: Promise<unknown>): Promise<unknown> => run.catch((error: unknown) => error);

test('edits under the key of a running edit hold no connection, here or on another gateway', async () => {
  await using db = await openTestDatabase({ poolSize: 10 });
  const { viewer: app } = await createViewer(db);
  const { viewer: anna } = await createUser(db, app, 'anna');
  const [first = '', ...others] = await newGroups(db, app, 41, { admin: true });
  const there = db.openAnother({ poolSize: 10 });
  const release = await held(db, 'lock table former_members in access exclusive mode');
  const edit = (on: Database, gid: string) =>
    editGroupMembers(databaseOf(on, anna), anna, { gid, add: [{ addresses: ['carl'] }], idempotencyKey: 'the key' });
  const running = edit(db, first);
  await expect.poll(() => busy(db)).toBe(1);
  const waiting = [...others.map((gid) => edit(db, gid)), ...others.map((gid) => edit(there, gid))].map(outcome);
  const seen: number[] = [];
  for (let look = 0; look < 40; look++) seen.push(await busy(db));
  // The running one, and on the other gateway one that tries now and then.
  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
  // Others write to the same groups meanwhile.
  const [gid = ''] = others;
  expect((await setGroup(databaseOf(there, app), app, { gid, name: 'x' })).group.name).toBe('x');
  await release();
  expect((await running).added).toBe(1);
  // The key was used for another input.
  for (const given of await Promise.all(waiting)) expect(given).toBeInstanceOf(IdempotencyConflictError);
}, 60_000);

test('writers of groups that another gateway holds take few connections, and go on when they are free', async () => {
  await using db = await openTestDatabase({ poolSize: 10 });
  const { viewer } = await createViewer(db);
  const gids = await newGroups(db, viewer, 20);
  const release = await held(db, `select pg_advisory_xact_lock(gid)::text from groups`);
  const writes = gids.map((gid) => setGroup(databaseOf(db, viewer), viewer, { gid, name: 'new' }));
  const waits = async () => {
    const [row] = await sql<{ count: number }>(
      db,
      `select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return row?.count ?? 0;
  };
  await expect.poll(waits).toBe(2);
  const seen: number[] = [];
  for (let look = 0; look < 20; look++) seen.push(await waits());
  expect(Math.max(...seen)).toBe(2);
  await release();
  for (const { group } of await Promise.all(writes)) expect(group).toMatchObject({ name: 'new', version: 3 });
});

test('a turn that another gateway is giving is waited for', async () => {
  await using db = await openTestDatabase({ poolSize: 10 });
  const { viewer } = await createViewer(db);
  const { group } = await addGroup(db, viewer, { flags: 0x20, members: [{ addresses: ['anna', 'bert'] }] });
  const release = await held(db, `select pg_advisory_xact_lock(hashtext('turn:${viewer.appId}:${group.gid}'), 0)::text`);
  const routed = routeMessage(databaseOf(db, viewer), viewer, { gid: String(group.gid), from: 'anna' });
  await expect.poll(() => busy(db)).toBe(1);
  await release();
  expect((await routed).receiver?.address).toBe('bert');
});

test('who waits for a group and leaves is out of the queue, at the database too, and nothing is written', async () => {
  await using db = await openTestDatabase({ poolSize: 10 });
  const { viewer } = await createViewer(db);
  const [gid = ''] = await newGroups(db, viewer, 1);
  const release = await heldGroup(db, Number(gid));
  const leaving = new AbortController();
  const writes = Array.from({ length: 5 }, (_, index) =>
    outcome(setGroup(databaseOf(db, viewer, leaving.signal), viewer, { gid, name: `n${index}` })),
  );
  await expect.poll(() => busy(db)).toBe(1);
  leaving.abort();
  for (const given of await Promise.all(writes)) expect(given).toBeInstanceOf(ClientGoneError);
  expect(await busy(db)).toBe(0);
  await release();
  const { group } = await setGroup(databaseOf(db, viewer), viewer, { gid, name: 'last' });
  expect(group).toMatchObject({ name: 'last', version: 3 });
});

test('a member without any right fills no queue: 1,200 writes are refused while the group is held, rightful ones go on', async () => {
  await using db = await openTestDatabase({ poolSize: 10, statementTimeout: 60_000 });
  const { viewer: app } = await createViewer(db);
  const { viewer: bert } = await createUser(db, app, 'bert');
  const { viewer: anna } = await createUser(db, app, 'anna');
  const [gid = ''] = await newGroups(db, app, 1, { modify: true });
  const release = await heldGroup(db, Number(gid));
  const waiting = setGroup(databaseOf(db, app), app, { gid, name: 'of the app' });
  await expect.poll(() => busy(db)).toBe(1);
  const refused = Array.from({ length: 1_200 }, (_, index) =>
    outcome(setGroup(databaseOf(db, bert), bert, { gid, name: `n${index}` })),
  );
  for (const given of await Promise.all(refused)) expect(given).toMatchObject({ code: 'NOT_ALLOWED', right: 'modify' });
  const rightful = setGroup(databaseOf(db, anna), anna, { gid, name: 'of anna' });
  await release();
  expect((await waiting).group.version).toBe(3);
  expect((await rightful).group).toMatchObject({ name: 'of anna', version: 4 });
}, 60_000);

test("a user takes a tenth of a group's queue", async () => {
  const shares = { appShare: 50, userShare: 25, operationStatements: 8, groupQueue: 50 };
  await using db = await openTestDatabase({ poolSize: 10, shares });
  const { viewer: app } = await createViewer(db);
  const { viewer: anna } = await createUser(db, app, 'anna');
  const { viewer: again } = await createUser(db, app, 'anna');
  const [gid = ''] = await newGroups(db, app, 1, { modify: true });
  const release = await heldGroup(db, Number(gid));
  const first = setGroup(databaseOf(db, app), app, { gid, name: 'first' });
  await expect.poll(() => busy(db)).toBe(1);
  let overloaded = 0;
  const write = (viewer: Viewer, index: number) =>
    setGroup(databaseOf(db, viewer), viewer, { gid, name: `n${index}` }).then(
      () => 'written',
      (error: unknown) => {
        if (!(error instanceof OverloadedError)) throw error;
        overloaded++;
        return 'overloaded';
      },
    );
  const mine = Array.from({ length: 20 }, (_, index) => write(index % 2 ? anna : again, index));
  const theirs = Array.from({ length: 20 }, (_, index) => write(app, 100 + index));
  await expect.poll(() => overloaded).toBe(15);
  await release();
  await first;
  const outcomes = await Promise.all(mine);
  expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(5);
  expect(outcomes.filter((outcome) => outcome === 'overloaded')).toHaveLength(15);
  expect(new Set(await Promise.all(theirs))).toEqual(new Set(['written']));
});

test('what is refused early is refused as it is under the lock', async () => {
  await using db = await openTestDatabase();
  const { viewer: app } = await createViewer(db);
  const { viewer: bert } = await createUser(db, app, 'bert');
  const [gid = ''] = await newGroups(db, app, 1);
  const bound = databaseOf(db, bert);
  await expect(setGroup(bound, bert, { gid, name: 'x' })).rejects.toThrow(NotAllowedError);
  await expect(setGroup(bound, bert, { gid, name: 'x', ifVersion: 7 })).rejects.toMatchObject({ code: 'VERSION_CONFLICT' });
  expect(await sql(db, 'select version from groups')).toEqual([{ version: 2 }]);
});
