import { connect } from 'node:net';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { connectHints, type HintTransport, listenNotify, type PayloadListener, redisHints } from '../../src/changes/hints.ts';
import type { Hint } from '../../src/db/hint-bus.ts';
import type { StatementObserver } from '../../src/db/sql.ts';
import { atEnd } from '../setup/at-end.ts';
import { createViewer, openTestDatabase, sql, type TestDatabase, type TestDatabaseOptions } from '../setup/database.ts';
import { callerOf, gatewayOn, type TestGateway } from '../setup/gateway.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { APP_CHANGES, GROUP_CHANGES, listen, MEMBERSHIP_CHANGES, until, watchOver } from '../setup/watch.ts';
import { addGroup, deleteGroup, editMembers, setGroup } from '../watching/setup.ts';

const REDIS = 'redis://127.0.0.1:6379';
const log = pino({ level: 'silent' });
const db = await openTestDatabase();

/** Another gateway process has a pool and a hint bus of its own. */
const anotherDatabase = (options?: TestDatabaseOptions) => ({ ...db, ...db.openAnother(options) }) as TestDatabase;

type Watching = NonNullable<TestGateway['config']['watching']>;

async function twoGateways(watching: Watching = {}, observe?: StatementObserver) {
  const databases = [db, anotherDatabase({ observe })] as const;
  const [first, second] = databases.map((database) => gatewayOn(database, { config: { watching } }));
  const { viewer, token } = await createViewer(db);
  const callers = [first, second].map((gateway) => callerOf(gateway as TestGateway, db, { viewer, token }));
  return {
    databases,
    callers,
    token,
    servers: [await listen(first as TestGateway), await listen(second as TestGateway)] as const,
  };
}

async function followsEverything({ callers, servers, token }: Awaited<ReturnType<typeof twoGateways>>): Promise<void> {
  const [here, there] = callers as [(typeof callers)[0], (typeof callers)[0]];
  const { gid } = await addGroup(here);
  const [, server] = servers;
  const group = watchOver('sse', server, token, GROUP_CHANGES, { gid });
  const app = watchOver('websocket', server, token, APP_CHANGES);
  const memberships = watchOver('sse', server, token, MEMBERSHIP_CHANGES, { address: 'member 3' });
  for (const watch of [group, app, memberships]) await watch.ready();
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => editMembers(n % 2 ? here : there, { gid, add: [{ addresses: [`member ${n}`] }] })),
  );
  await deleteGroup(here, gid);
  expect(await group.end).toBe('complete');
  await until(() => app.records.at(-1)?.['__typename'] === 'GroupDeleted');
  await memberships.until((events) => events.at(-1)?.['kind'] === 'GROUP_DELETED');
  const versions = Array.from({ length: 21 }, (_, index) => index + 2);
  expect(group.records.map(({ version }) => version)).toEqual(versions);
  expect(app.records.map(({ version }) => version).filter((version) => version > 1)).toEqual(versions);
  await Promise.all([app.stop(), memberships.stop()]);
}

test('promise 10, many gateways: with hints switched off altogether every change still arrives', async () => {
  await followsEverything(await twoGateways({ hints: false }));
});

test('promise 10: with hints switched off a change is there with one of the next two polls', async () => {
  const recorder = new StatementRecorder();
  const { callers, servers, token } = await twoGateways({ hints: false, pollInterval: 1_000 }, recorder.observe);
  const [here] = callers as [(typeof callers)[0]];
  const polls = () => recorder.statements.filter(({ name }) => name === 'tails_versions').length;
  const { gid } = await addGroup(here);
  const watch = watchOver('sse', servers[1], token, GROUP_CHANGES, { gid });
  await watch.ready();
  for (let n = 2; n < 5; n++) {
    await setGroup(here, { gid, name: `name ${n}` });
    const before = polls();
    await watch.until(() => watch.records.at(-1)?.['version'] === n);
    expect(polls() - before).toBeLessThanOrEqual(2);
  }
  expect(polls()).toBeGreaterThan(0);
  await watch.stop();
});

/** Nothing but hints: the poll does not come. */
const ONLY_HINTS: Watching = { pollInterval: 3_600_000 };

type OpenTransport = (database: TestDatabase, hear: PayloadListener) => Promise<HintTransport>;

async function hintsBetween(open: OpenTransport) {
  const two = await twoGateways(ONLY_HINTS);
  for (const database of two.databases) atEnd(await connectHints(database, (hear) => open(database, hear), log));
  const [sender, receiver] = two.databases;
  // A transport needs a moment until it hears.
  const heard: Hint[] = [];
  receiver.hints.subscribe((hint) => heard.push(hint));
  await until(() => {
    sender.hints.publish({ appId: 0, gid: 1, version: Date.now() });
    return heard.length > 0;
  });
  return two;
}

async function hintsArrive(two: Awaited<ReturnType<typeof hintsBetween>>): Promise<void> {
  const [here] = two.callers as [(typeof two.callers)[0]];
  const { gid } = await addGroup(here);
  const watch = watchOver('websocket', two.servers[1], two.token, GROUP_CHANGES, { gid });
  await watch.ready();
  for (let n = 2; n < 12; n++) {
    await setGroup(here, { gid, name: `name ${n}` });
    await watch.until(() => watch.records.at(-1)?.['version'] === n);
  }
  await watch.stop();
}

async function revocationsArrive({ databases }: Awaited<ReturnType<typeof hintsBetween>>): Promise<void> {
  const told = databases.map(({ hints }) => {
    const owns: boolean[] = [];
    atEnd(hints.onRevocation((own) => owns.push(own)));
    return owns;
  });
  databases[0].hints.publishRevocation();
  await until(() => told[1]?.length);
  expect(told.map((owns) => owns[0])).toEqual([true, false]);
}

test('promise 10: hints by LISTEN and NOTIFY tell that tokens were revoked', async () => {
  await revocationsArrive(await hintsBetween((database, hear) => listenNotify(database, db.url, hear, log)));
});

test('promise 10: hints by LISTEN and NOTIFY move the streams of another gateway, without any poll', async () => {
  await hintsArrive(await hintsBetween((database, hear) => listenNotify(database, db.url, hear, log)));
});

test('promise 10: a garbled hint does no harm', async () => {
  const two = await hintsBetween((database, hear) => listenNotify(database, db.url, hear, log));
  for (const text of ['', 'x', 'revoked1 y:1 ', '1:2', 'echo', `${'9'.repeat(40)}:1:1 `])
    await sql(db, 'select pg_notify($1, $2)::text', ['rollcall_hints', text]);
  await hintsArrive(two);
});

test('promise 10: a hint that is ahead of the log delivers nothing that is not there', async () => {
  const { databases, callers, servers, token } = await twoGateways();
  const [here] = callers as [(typeof callers)[0]];
  const { gid } = await addGroup(here);
  const watch = watchOver('sse', servers[1], token, GROUP_CHANGES, { gid });
  await watch.ready();
  databases[1].hints.publish({ appId: here.viewer.appId, gid: Number(gid), version: 9 }, false);
  await setGroup(here, { gid, name: 'two' });
  await watch.until(() => watch.records.length === 1);
  expect(watch.records).toMatchObject([{ version: 2 }]);
  expect(watch.ended).toBeUndefined();
  await watch.stop();
});

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => resolve(true)).on('error', () => resolve(false));
    socket.end();
  });
}

const withoutRedis = (await answers(REDIS)) ? undefined : `no Redis answers at ${REDIS}`;
if (withoutRedis && process.env['CI']) throw new Error(`The tests of hints by Redis cannot run: ${withoutRedis}`);
if (withoutRedis) console.warn(`skipped: hints by Redis, for ${withoutRedis}`);

test.skipIf(withoutRedis)('promise 10: hints by Redis move the streams of another gateway, without any poll', async () => {
  await hintsArrive(await hintsBetween((_, hear) => redisHints(REDIS, hear, log)));
});

test.skipIf(withoutRedis)('promise 10: hints by Redis tell that tokens were revoked', async () => {
  await revocationsArrive(await hintsBetween((_, hear) => redisHints(REDIS, hear, log)));
});
