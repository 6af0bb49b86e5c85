/** Who takes the connections of the database's pool, and gives them back when nobody waits for an answer any longer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { databaseOf } from '../../src/access/viewer.ts';
import type { Database } from '../../src/db/client.ts';
import { ClientGoneError } from '../../src/model/errors.ts';
import { createUser, createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { gatewayOn } from '../setup/gateway.ts';
import { answerOf, listen } from '../setup/listener.ts';
import { StatementRecorder } from '../setup/recorder.ts';

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

test('a connection whose statement was cancelled serves the next, which is not hit', async () => {
  await using db = await openTestDatabase({ poolSize: 1 });
  const { viewer } = await createViewer(db);
  const pid = async () => (await sql<{ pid: number }>(db, 'select pg_backend_pid() as pid'))[0]?.pid;
  const before = await pid();
  for (let round = 0; round < 20; round++) {
    const leaving = new AbortController();
    const long = failed(sql(databaseOf(db, viewer, leaving.signal), LONG));
    await sleep(10);
    leaving.abort();
    expect(await long).toBeInstanceOf(ClientGoneError);
    expect(await sql(db, 'select pg_sleep(0.005)::text, 1 as one')).toEqual([{ pg_sleep: '', one: 1 }]);
  }
  expect(await pid()).toBe(before);
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

test('a list of a client that left over HTTP ends at the server, without a line in the log', async () => {
  const lines: object[] = [];
  const recorder = new StatementRecorder();
  await using db = await openTestDatabase({ poolSize: 10, observe: recorder.observe });
  const gateway = gatewayOn(db, { onLog: (line) => lines.push(line), level: 'info' });
  const caller = await gateway.caller();
  const user = await caller.user('anna');
  const server = await listen(gateway);
  const list = (index: number) => `a${index}: groups(first: 1, filter: { nameContains: "none ${index}" }) { edges { cursor } }`;
  const body = { query: `{ ${Array.from({ length: 50 }, (_, index) => list(index)).join(' ')} }` };
  expect((await server.send({ token: user.token, body })).json.errors).toBeUndefined();
  // A lock on the table keeps them all.
  const { promise: unlocked, resolve: unlock } = Promise.withResolvers<void>();
  const holding = db.transaction(async (tx) => {
    await sql(tx, 'lock table groups in access exclusive mode');
    await unlocked;
  });
  await expect.poll(() => runningIn(db)).toContain('lock table groups in access exclusive mode');
  const sent = server.open({ token: user.token, body });
  const answer = failed(answerOf(sent));
  sent.end(JSON.stringify(body));
  const waiting = async () => (await runningIn(db)).filter((text) => text.includes('from groups')).length;
  await expect.poll(waiting).toBe(2);
  const before = recorder.statements.length;
  sent.destroy();
  await answer;
  await expect.poll(waiting).toBe(0);
  unlock();
  await holding;
  await sleep(50);
  expect(recorder.statements.slice(before).filter(({ text }) => text.includes('from groups'))).toEqual([]);
  expect(lines.filter((line) => Number((line as { level: number }).level) >= 40)).toEqual([]);
});
