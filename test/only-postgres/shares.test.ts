/** Who takes the connections of the database's pool, and gives them back when nobody waits for an answer any longer. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { databaseOf } from '../../src/access/viewer.ts';
import type { Database } from '../../src/db/client.ts';
import { GroupAddDocument } from '../../src/generated/operations.ts';
import { addGroup, editGroupMembers, setGroup } from '../../src/groups/operations.ts';
import { pageGroups } from '../../src/groups/read/groups.ts';
import { ClientGoneError } from '../../src/model/errors.ts';
import { atEnd } from '../setup/at-end.ts';
import { createUser, createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { gatewayOn } from '../setup/gateway.ts';
import { type Listener, listen } from '../setup/listener.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { GROUP_CHANGES, listen as listenForStreams, watchOver } from '../setup/watch.ts';

/** What counts here is who gets a connection. */
const UNMETERED = { userRate: Number.POSITIVE_INFINITY };

/** A statement that runs until the server is told to end it, or for 20 seconds. */
const LONG = "select pg_sleep(20), 'long' as long";

/** What other sessions of the database run, as another connection sees it. */
async function runningIn(db: Database): Promise<string[]> {
  const rows = await sql<{ query: string }>(
    db,
    `select query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
      and backend_type = 'client backend' and state <> 'idle'`,
  );
  return rows.map(({ query }) => query);
}

const failed = (run: Promise<unknown>) =>
  run.then(
    (value) => expect.fail(`It gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );

test('one app floods: another is served at once, and the gateway too', async () => {
  const recorder = new StatementRecorder();
  await using db = await openTestDatabase({ poolSize: 4, observe: recorder.observe });
  const [{ viewer: one }, { viewer: other }] = [await createViewer(db), await createViewer(db)];
  const leaving = new AbortController();
  const flooding = Array.from({ length: 40 }, () => failed(sql(databaseOf(db, one, leaving.signal), LONG)));
  await expect.poll(() => recorder.statements.filter(({ text }) => text === LONG).length).toBe(2);
  expect(await sql(databaseOf(db, other), 'select 1 as one')).toEqual([{ one: 1 }]);
  // All that callers may use is in use.
  const third = failed(sql(databaseOf(db, other, leaving.signal), LONG));
  await expect.poll(() => recorder.statements.filter(({ text }) => text === LONG).length).toBe(3);
  expect(await sql(db, 'select 2 as two')).toEqual([{ two: 2 }]);
  leaving.abort();
  for (const error of await Promise.all([...flooding, third])) expect(error).toBeInstanceOf(ClientGoneError);
  // Those that waited never ran; the others were ended at the server.
  expect(recorder.statements.filter(({ text }) => text === LONG)).toHaveLength(3);
  expect(await runningIn(db)).toEqual([]);
});

test('who waits too long for a connection is told of the load over HTTP, and gets through when there is one', async () => {
  await using db = await openTestDatabase({ poolSize: 2, transactionTimeout: 300 });
  const gateway = gatewayOn(db, { config: UNMETERED });
  const { viewer, token } = await gateway.caller();
  const server = await listen(gateway);
  const body = { query: '{ groups { edges { cursor } } }' };
  expect((await server.send({ token, body })).status).toBe(200);
  const leaving = new AbortController();
  const long = failed(sql(databaseOf(db, viewer, leaving.signal), LONG));
  await expect.poll(() => runningIn(db)).toEqual([LONG]);
  const { json, headers } = await server.send({ token, body });
  expect(json.errors).toMatchObject([{ extensions: { code: 'OVERLOADED' } }]);
  expect(headers['retry-after']).toBe('1');
  leaving.abort();
  await long;
  expect((await server.send({ token, body })).json.errors).toBeUndefined();
});

test('a user token has a quarter of the connections, whoever waits', async () => {
  const recorder = new StatementRecorder();
  await using db = await openTestDatabase({ poolSize: 10, observe: recorder.observe });
  const { viewer: app } = await createViewer(db);
  const { viewer: anna } = await createUser(db, app, 'anna');
  const leaving = new AbortController();
  const flooding = Array.from({ length: 40 }, () => failed(sql(databaseOf(db, anna, leaving.signal), LONG)));
  await expect.poll(() => runningIn(db)).toEqual([LONG, LONG]);
  // Everybody else goes on, at once.
  await Promise.all(Array.from({ length: 30 }, () => sql(databaseOf(db, app), 'select 1')));
  expect(recorder.statements.filter(({ text }) => text === LONG)).toHaveLength(2);
  leaving.abort();
  await Promise.all(flooding);
});

test('an operation has eight statements under way', async () => {
  const recorder = new StatementRecorder();
  await using db = await openTestDatabase({ poolSize: 20, observe: recorder.observe });
  const { viewer } = await createViewer(db);
  const leaving = new AbortController();
  const operation = databaseOf(db, viewer, leaving.signal);
  const statements = Array.from({ length: 30 }, () => failed(sql(operation, LONG)));
  await expect.poll(() => runningIn(db)).toEqual(Array(8).fill(LONG));
  expect(await sql(databaseOf(db, viewer), 'select 1 as one')).toEqual([{ one: 1 }]);
  leaving.abort();
  await Promise.all(statements);
  expect(recorder.statements.filter(({ text }) => text === LONG)).toHaveLength(8);
});

test('ten large edits of one user take a quarter of the connections, and others get through', async () => {
  await using db = await openTestDatabase({ poolSize: 10 });
  const [{ viewer: app }, { viewer: other }] = [await createViewer(db), await createViewer(db)];
  const { viewer: anna } = await createUser(db, app, 'anna');
  const members = [{ addresses: ['anna'], admin: { owner: true } }];
  const gids: string[] = [];
  for (let index = 0; index < 10; index++) gids.push(String((await addGroup(db, app, { members })).group.gid));
  const addresses = Array.from({ length: 12_000 }, (_, index) => `member-${index}`);
  const running = () => runningIn(db).then((texts) => texts.filter((text) => !text.startsWith('lock')).length);
  const { promise: unlocked, resolve: unlock } = Promise.withResolvers<void>();
  const holding = db.openAnother().transaction(async (tx) => {
    await sql(tx, 'lock table former_members in access exclusive mode');
    await unlocked;
  });
  const edits = gids.map((gid) => editGroupMembers(databaseOf(db, anna), anna, { gid, add: [{ addresses }] }));
  await expect.poll(running).toBe(2);
  // While each waits between its slices.
  await Promise.all(Array.from({ length: 30 }, () => pageGroups(databaseOf(db, other), other, {})));
  await setGroup(databaseOf(db, other), other, { gid: String((await addGroup(db, other, {})).group.gid), name: 'x' });
  expect(await running()).toBe(2);
  unlock();
  await holding;
  for (const { added } of await Promise.all(edits)) expect(added).toBe(12_000);
}, 60_000);

test('while callers have all places but one, the gateway is ready, and a revocation ends streams', async () => {
  await using db = await openTestDatabase({ poolSize: 4 });
  const gateway = gatewayOn(db, { config: UNMETERED });
  const watcher = await gateway.caller();
  const [one, other] = [await gateway.caller(), await gateway.caller()];
  const { groupAdd } = await watcher.call(GroupAddDocument, { input: {} });
  const { gid } = (groupAdd as unknown as { group: { gid: string } }).group;
  const server = await listenForStreams(gateway);
  const watch = watchOver('websocket', server, watcher.token, GROUP_CHANGES, { gid });
  await watch.ready();
  const leaving = new AbortController();
  const flooding = [one, one, one, other, other].map(({ viewer }) => failed(sql(databaseOf(db, viewer, leaving.signal), LONG)));
  await expect.poll(() => runningIn(db)).toEqual(Array(3).fill(LONG));
  const waiting = failed(pageGroups(databaseOf(db, watcher.viewer, leaving.signal), watcher.viewer, {}));
  expect((await gateway.fetch(new Request('http://gateway/readyz'))).status).toBe(200);
  await sql(db, 'update tokens set revoked_at = clock_timestamp() where id = $1', [watcher.viewer.token.id]);
  await expect.poll(() => watch.ended, { timeout: 5_000 }).toBeTruthy();
  expect(watch.ended).toBe('TOKEN_REVOKED');
  expect(await runningIn(db)).toEqual(Array(3).fill(LONG));
  leaving.abort();
  await Promise.all([...flooding, waiting]);
});

test('a connection whose statement was cancelled serves the next, which is not hit', async () => {
  await using db = await openTestDatabase({ poolSize: 1 });
  const { viewer } = await createViewer(db);
  const pid = async () => (await sql<{ pid: number }>(db, 'select pg_backend_pid() as pid'))[0]?.pid;
  const pids = new Set([await pid()]);
  for (let round = 0; round < 20; round++) {
    const leaving = new AbortController();
    const long = failed(sql(databaseOf(db, viewer, leaving.signal), LONG));
    await sleep(10);
    leaving.abort();
    expect(await long).toBeInstanceOf(ClientGoneError);
    expect(await sql(db, 'select pg_sleep(0.005)::text, 1 as one')).toEqual([{ pg_sleep: '', one: 1 }]);
    pids.add(await pid());
  }
  // It is replaced only where the server took too long to accept the cancel.
  expect(pids.size).toBeLessThan(10);
});

test('statements that end about when they are to be cancelled hit no other', async () => {
  await using db = await openTestDatabase({ poolSize: 2 });
  const { viewer } = await createViewer(db);
  for (let round = 0; round < 40; round++) {
    const leaving = new AbortController();
    const short = sql(databaseOf(db, viewer, leaving.signal), `select pg_sleep(${0.02 + round / 10_000})::text`).catch(() => {});
    leaving.abort();
    await short;
    expect(await sql(databaseOf(db, viewer), 'select pg_sleep(0.01)::text, 1 as one')).toEqual([{ pg_sleep: '', one: 1 }]);
  }
});

test('a write that has not begun to commit is rolled back when its client leaves, and one that has is finished', async () => {
  await using db = await openTestDatabase({ poolSize: 2 });
  const { viewer } = await createViewer(db);
  const names = async () =>
    (await sql<{ name: string }>(db, `select name from apps where name like 'left%'`)).map(({ name }) => name);
  const early = new AbortController();
  const given = databaseOf(db, viewer, early.signal).transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('left early')`);
    early.abort();
  });
  expect(await failed(given)).toBeInstanceOf(ClientGoneError);
  const between = new AbortController();
  const dropped = databaseOf(db, viewer, between.signal).transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('left between')`);
    between.abort();
    await sql(tx, 'select 1');
  });
  expect(await failed(dropped)).toBeInstanceOf(ClientGoneError);
  const late = new AbortController();
  await databaseOf(db, viewer, late.signal).transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('left late')`);
    // Runs when the commit was sent.
    queueMicrotask(() => queueMicrotask(() => setImmediate(() => late.abort())));
  });
  expect(await names()).toEqual(['left late']);
  expect(await runningIn(db)).toEqual([]);
});

const list = (index: number) => `a${index}: groups(first: 1, filter: { nameContains: "none ${index}" }) { edges { cursor } }`;
const LISTS = { query: `{ ${Array.from({ length: 50 }, (_, index) => list(index)).join(' ')} }` };

/** Returns what leaves. */
type Begin = (server: Listener, token: string, appToken: string) => Promise<() => void>;

/** How a client begins a read, and leaves before it has its answer. */
const LEAVING: Record<string, Begin> = {
  'an HTTP connection that closes': async (server, token) => {
    const sent = server.open({ token, body: LISTS });
    sent.end(JSON.stringify(LISTS));
    return () => void sent.destroy();
  },
  'the connection of an op': async (server, _, token) => {
    const sent = server.open({ path: '/backend', body: {} });
    sent.end(JSON.stringify({ op: 'groupsget', token }));
    return () => void sent.destroy();
  },
  'a WebSocket that closes': async (server, token) => {
    const socket = await subscribed(server, token);
    return () => socket.terminate();
  },
  'an operation that is completed on a WebSocket': async (server, token) => {
    const socket = await subscribed(server, token);
    return () => socket.send(JSON.stringify({ type: 'complete', id: '1' }));
  },
};

async function subscribed(server: Listener, token: string): Promise<WebSocket> {
  const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws');
  atEnd(() => socket.terminate());
  socket.on('error', () => {});
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await once(socket, 'message');
  socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: LISTS }));
  return socket;
}

test.each(Object.keys(LEAVING))(
  '%s: what runs for it ends at the server, what waits never runs, and nothing is logged',
  async (name) => {
    const lines: { level: number }[] = [];
    const recorder = new StatementRecorder();
    await using db = await openTestDatabase({ poolSize: 10, observe: recorder.observe });
    const onLog = (line: object) => lines.push(line as { level: number });
    const gateway = gatewayOn(db, { onLog, level: 'info', config: UNMETERED });
    const caller = await gateway.caller();
    const user = await caller.user('anna');
    const server = await listen(gateway);
    expect((await server.send({ token: user.token, body: LISTS })).json.errors).toBeUndefined();
    const ofGroups = (text: string) => /from groups/.test(text);
    const waiting = async () => (await runningIn(db)).filter(ofGroups).length;
    // A lock on the table keeps them all.
    const { promise: unlocked, resolve: unlock } = Promise.withResolvers<void>();
    const { promise: locked, resolve: lock } = Promise.withResolvers<void>();
    const holding = db.transaction(async (tx) => {
      await sql(tx, 'lock table groups in access exclusive mode');
      lock();
      await unlocked;
    });
    try {
      await locked;
      const leave = await (LEAVING[name] as Begin)(server, user.token, caller.token);
      await expect.poll(waiting).toBe(name === 'the connection of an op' ? 1 : 2);
      const before = recorder.statements.length;
      leave();
      await expect.poll(waiting).toBe(0);
      expect(recorder.statements.slice(before).filter(({ text }) => ofGroups(text))).toEqual([]);
    } finally {
      unlock();
      await holding;
    }
    expect((await server.send({ token: user.token, body: LISTS })).json.errors).toBeUndefined();
    expect(lines.filter(({ level }) => level >= 40)).toEqual([]);
  },
);
