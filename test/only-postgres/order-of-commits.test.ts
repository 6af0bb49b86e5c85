import pg from 'pg';
import { expect, test } from 'vitest';
import type { Database } from '../../src/db/client.ts';
import { editGroupMembers, setGroup as writeGroup } from '../../src/groups/operations.ts';
import { openTestDatabase, postgresUrl, type TestDatabase } from '../setup/database.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import {
  APP_CHANGES,
  GROUP_CHANGES,
  isCheckpoint,
  listen,
  MEMBERSHIP_CHANGES,
  until,
  type WatchedEvent,
  watchOver,
} from '../setup/watch.ts';
import { addGroup, editMembers, setGroup } from '../watching/setup.ts';

/** A write whose transaction stays open until `commit`. */
async function openWrite(db: TestDatabase, write: (db: Database) => Promise<unknown>) {
  const held = Promise.withResolvers<void>();
  const wrote = Promise.withResolvers<void>();
  const other = db.openAnother();
  const exclusive: Database['exclusive'] = (_, run) =>
    other.transaction(async (tx) => {
      const result = await run(tx);
      wrote.resolve();
      await held.promise;
      return result;
    });
  const written = write({ ...other, exclusive });
  await Promise.race([wrote.promise, written]);
  return {
    async commit() {
      held.resolve();
      await written;
    },
  };
}

test('appChanges waits for a transaction that is open; groupChanges of another group does not', async () => {
  const gateway = await openTestGateway({ config: { watching: { checkpointInterval: 200 } } });
  const server = await listen(gateway);
  const caller = await gateway.caller();
  const [early, late] = [await addGroup(caller), await addGroup(caller)];
  const app = watchOver('sse', server, caller.token, APP_CHANGES);
  const group = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid: late.gid });
  await Promise.all([app.ready(), group.ready()]);
  // Other databases of the server have transactions, too: with this record come all that they kept back.
  const last = await addGroup(caller);
  await until(() => app.records.some(({ gid, version }) => gid === last.gid && version === last.group.version));
  const records = app.records.length;
  const open = await openWrite(gateway.db, (db) => writeGroup(db, caller.viewer, { gid: early.gid, name: 'early' }));
  const { cursor } = await setGroup(caller, { gid: late.gid, name: 'late' });
  await until(() => group.records.length === 1);
  expect(group.records[0]).toMatchObject({ cursor });
  const from = app.events.length;
  await until(() => app.events.length >= from + 5);
  expect(app.events.slice(from).every(isCheckpoint)).toBe(true);
  const settled = app.last?.['cursor'];
  expect(new Set(app.events.slice(from).map((event) => event['cursor'])).size).toBe(1);
  await open.commit();
  await until(() => app.records.length === records + 2);
  const wanted = [
    [early.gid, 2],
    [late.gid, 2],
  ];
  expect(app.records.slice(records).map(({ gid, version }) => [gid, version])).toEqual(wanted);
  const resumed = watchOver('websocket', server, caller.token, APP_CHANGES, { after: settled });
  await until(() => resumed.records.length === 2);
  expect(resumed.records.map(({ gid, version }) => [gid, version])).toEqual(wanted);
  await Promise.all([app.stop(), group.stop(), resumed.stop()]);
}, 60_000);

test('membershipChanges loses no last state over a transaction that commits late', async () => {
  const gateway = await openTestGateway({ config: { watching: { checkpointInterval: 200 } } });
  const server = await listen(gateway);
  const caller = await gateway.caller();
  const [early, late] = [await addGroup(caller, { members: [{ addresses: ['ann'] }] }), await addGroup(caller)];
  const watch = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann' });
  await watch.ready();
  const { gid } = early;
  const open = await openWrite(gateway.db, (db) => editGroupMembers(db, caller.viewer, { gid, remove: ['ann'] }));
  await editMembers(caller, { gid: late.gid, add: [{ addresses: ['ann'] }] });
  // Whoever comes now reads the rows, which know of the later one, and stands where the log is settled.
  const between = watchOver('websocket', server, caller.token, MEMBERSHIP_CHANGES, {
    address: 'ann',
    after: watch.events[0]?.['cursor'],
  });
  await between.ready();
  await between.until((events) => events.some(({ kind, gid }) => kind === 'JOINED' && gid === late.gid));
  await until(() => between.last && isCheckpoint(between.last));
  await between.stop();
  await open.commit();
  const resumed = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann', after: between.last?.['cursor'] });
  for (const each of [watch, resumed]) {
    await each.until((events) => events.some(({ kind, gid }) => kind === 'LEFT' && gid === early.gid));
    await each.until((events) => events.some(({ kind, gid }) => kind === 'JOINED' && gid === late.gid));
    await each.stop();
  }
}, 60_000);

test('a write held open in another database of the server: Checkpoints, a log line that names it, no loss', async () => {
  const lines: Record<string, unknown>[] = [];
  const gateway = await openTestGateway({
    config: { watching: { checkpointInterval: 200 } },
    level: 'warn',
    onLog: (line) => lines.push(line),
  });
  const server = await listen(gateway);
  const caller = await gateway.caller();
  const { gid } = await addGroup(caller);
  const app = watchOver('sse', server, caller.token, APP_CHANGES);
  await app.ready();
  const elsewhere = new pg.Client({ connectionString: await postgresUrl(true), application_name: 'forgotten' });
  await elsewhere.connect();
  await elsewhere.query('begin; select pg_current_xact_id()');
  await setGroup(caller, { gid, name: 'waits' });
  const waiting = (): WatchedEvent[] => app.events.filter(isCheckpoint);
  const blocked = await until(() => lines.find(({ msg }) => /wait for an open write/.test(String(msg))));
  expect(blocked).toMatchObject({ backend: { application_name: 'forgotten' } });
  expect(waiting().length).toBeGreaterThan(3);
  expect(app.records.filter(({ version }) => version === 2)).toEqual([]);
  await elsewhere.query('commit');
  await elsewhere.end();
  await until(() => app.records.some(({ version }) => version === 2));
  expect(app.ended).toBeUndefined();
  await app.stop();
}, 60_000);

test('16 writers on one group: appChanges read in pages of 7 gives 1 … n', async () => {
  const db = await openTestDatabase({ poolSize: 20 });
  const gateways = [gatewayOn(db), gatewayOn(Object.assign({ ...db }, db.openAnother({ poolSize: 20 })))];
  const [gateway] = gateways as [(typeof gateways)[0]];
  const server = await listen(gateway);
  const caller = await gateway.caller();
  const begin = watchOver('sse', server, caller.token, APP_CHANGES);
  await begin.ready();
  await begin.stop();
  const { gid } = await addGroup(caller);
  const each = 15;
  const writing = Promise.all(
    Array.from({ length: 16 }, async (_, writer) => {
      // Each past the queue of its process, so that all of them are at the lock at once.
      const own = db.openAnother({ poolSize: 1 });
      for (let n = 0; n < each; n++) await writeGroup(own, caller.viewer, { gid, name: `${writer} ${n}` });
    }),
  );
  const got: WatchedEvent[] = [];
  const all = 16 * each + 1;
  for (let after = begin.last?.['cursor']; got.length < all; after = got.at(-1)?.['cursor']) {
    const watch = watchOver('sse', server, caller.token, APP_CHANGES, { after });
    const wanted = Math.min(7, all - got.length);
    await until(() => watch.records.length >= wanted);
    await watch.stop();
    got.push(...watch.records.slice(0, wanted));
  }
  await writing;
  expect(got.map(({ version }) => version)).toEqual(Array.from({ length: all }, (_, index) => index + 1));
  expect(new Set(got.map(({ cursor }) => cursor)).size).toBe(all);
}, 90_000);
