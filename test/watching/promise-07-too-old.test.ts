import { expect, test } from 'vitest';
import { encodeAppCursor, encodeGroupCursor, encodeMembershipsCursor } from '../../src/changes/log/cursor.ts';
import { pruneChanges } from '../../src/changes/log/retention.ts';
import { purgeGroup } from '../../src/groups/write/purge.ts';
import { sql } from '../setup/database.ts';
import { type Caller, openTestGateway } from '../setup/gateway.ts';
import { APP_CHANGES, GROUP_CHANGES, isReady, listen, MEMBERSHIP_CHANGES, settled, watchOver } from '../setup/watch.ts';
import { addGroup, deleteGroup, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const server = await listen(gateway);
const caller = await gateway.caller();

const DAY = 24 * 60 * 60;
/** Only what is settled goes. */
async function prune(): Promise<number> {
  await settled(db);
  return pruneChanges(db, 30 * DAY, purgeGroup);
}
const age = ({ viewer }: Caller, where = 'true') =>
  sql(db, `update changes set at = at - interval '31 days' where app_id = $1 and ${where}`, [viewer.appId]);

async function recordsBehind(query: string, variables: object, { token } = caller) {
  const watch = watchOver('sse', server, token, query, variables);
  await watch.until((events) => watch.ended || events.some(isReady));
  const end = watch.ended ?? 'ready';
  await watch.stop();
  return { end, records: watch.records };
}

const endOf = async (...args: Parameters<typeof recordsBehind>) => (await recordsBehind(...args)).end;

/** The position behind all that was written before. */
async function cursorOf(query: string, variables: object, { token } = caller): Promise<string> {
  await settled(db);
  const watch = watchOver('sse', server, token, query, variables);
  await watch.ready();
  await watch.stop();
  return watch.last?.['cursor'];
}

test('promise 7, too old is said: when a record after the cursor was pruned, never by its age', async () => {
  const app = await gateway.caller();
  const begin = await cursorOf(APP_CHANGES, {}, app);
  const { gid, cursor: one } = await addGroup(app);
  const { cursor: two } = await setGroup(app, { gid, name: 'two' });
  const atTwo = await cursorOf(APP_CHANGES, {}, app);
  const { cursor: three } = await setGroup(app, { gid, name: 'three' });
  await age(app, 'version <= 2');
  expect(await prune()).toBe(2);
  expect(await endOf(GROUP_CHANGES, { gid, after: one }, app)).toBe('CURSOR_EXPIRED');
  expect(await endOf(APP_CHANGES, { after: begin }, app)).toBe('CURSOR_EXPIRED');
  for (const after of [two, three]) expect(await endOf(GROUP_CHANGES, { gid, after }, app)).toBe('ready');
  expect(await endOf(APP_CHANGES, { after: atTwo }, app)).toBe('ready');
  await age(app);
  expect(await prune()).toBe(1);
  expect(await endOf(GROUP_CHANGES, { gid, after: two }, app)).toBe('CURSOR_EXPIRED');
  expect(await endOf(APP_CHANGES, { after: atTwo }, app)).toBe('CURSOR_EXPIRED');
  expect(await endOf(GROUP_CHANGES, { gid, after: three }, app)).toBe('ready');
  const { cursor: four } = await setGroup(app, { gid, name: 'four' });
  expect(await endOf(GROUP_CHANGES, { gid, after: three }, app)).toBe('ready');
  expect(await endOf(GROUP_CHANGES, { gid, after: four }, app)).toBe('ready');
});

test('promise 7: records go in small batches, the oldest first; tombstones with the last record that tells of them', async () => {
  const app = await gateway.caller();
  const { gid } = await addGroup(app, { members: [{ addresses: ['ann', 'bob'] }] });
  await editMembers(app, { gid, remove: ['ann'] });
  const { gid: gone } = await addGroup(app);
  await deleteGroup(app, gone);
  await sql(
    db,
    `insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
      select app_id, gid, 100 + n, generation, xid, 2, at, 1, 1, '{}' from changes, generate_series(1, 2500) n
      where gid = $1 and version = 1`,
    [gid],
  );
  await age(app, `version <> 3`);
  const tombstones = async () => [
    await sql(db, 'select address from former_members where gid = $1', [gid]),
    await sql(db, 'select gid from groups where gid = $1', [gone]),
  ];
  await sql(db, `update former_members set left_at = left_at - interval '31 days' where gid = $1`, [gid]);
  await sql(db, `update groups set deleted_at = deleted_at - interval '31 days' where gid = $1`, [gone]);
  expect(await prune()).toBe(2502); // behind them lies a young one
  expect(await tombstones()).toEqual([[{ address: 'ann' }], [{ gid: Number(gone) }]]);
  await age(app);
  expect(await prune()).toBe(3);
  expect(await tombstones()).toEqual([[], []]);
});

test('promise 7: who comes back to records that were pruned meanwhile is told', async () => {
  const app = await gateway.caller();
  const { gid, cursor } = await addGroup(app);
  for (let n = 0; n < 5; n++) await setGroup(app, { gid, name: `${n}` });
  await age(app, 'version < 4');
  await prune();
  await sql(db, 'delete from changes where gid = $1 and version = 5', [gid]);
  const { cursor: atFour } = (
    await sql<{ version: number; mark: number }>(db, 'select version, mark from changes where gid = $1 and version = 4', [gid])
  ).map(({ version, mark }) => ({ cursor: encodeGroupCursor({ gid: Number(gid), version, mark }) }))[0] as { cursor: string };
  expect(await endOf(GROUP_CHANGES, { gid, after: atFour }, app)).toBe('CURSOR_EXPIRED');
  expect(await endOf(GROUP_CHANGES, { gid, after: cursor }, app)).toBe('CURSOR_EXPIRED');
});

test('promise 7: BAD_CURSOR for a cursor that is garbled, of another stream, group or app, or from the future', async () => {
  const { gid, cursor } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const other = await addGroup(caller);
  const foreigner = await gateway.caller();
  const foreign = await addGroup(foreigner);
  const { appId } = caller.viewer;
  const appCursor = await cursorOf(APP_CHANGES, {});
  const annCursor = await cursorOf(MEMBERSHIP_CHANGES, { address: 'ann' });
  const bobCursor = await cursorOf(MEMBERSHIP_CHANGES, { address: 'bob' });
  const pack = (text: string) => Buffer.from(text).toString('base64url');
  const garbled = [
    '',
    'x',
    '!!!',
    `${cursor}=`,
    cursor.slice(0, -2),
    `${cursor}AA`,
    pack('g.1'),
    pack(`g.${gid}.1.x`),
    pack('z.1.1.1'),
  ];
  const future = { generation: 1, xid: 2 ** 40, id: 2 ** 40 };
  const wrong: [string, object, string[]][] = [
    [
      GROUP_CHANGES,
      { gid },
      [
        ...[other.cursor, foreign.cursor, appCursor, annCursor],
        ...[0, 3, 2 ** 31].map((version) => encodeGroupCursor({ gid: Number(gid), version, mark: 1 })),
      ],
    ],
    [APP_CHANGES, {}, [cursor, annCursor, await cursorOf(APP_CHANGES, {}, foreigner), encodeAppCursor(appId, future, 1)]],
    [MEMBERSHIP_CHANGES, { address: 'ann' }, [cursor, appCursor, bobCursor, encodeMembershipsCursor(appId, 'ann', future, 1)]],
  ];
  for (const [query, variables, cursors] of wrong) {
    for (const after of [...garbled, ...cursors]) {
      expect([after, await endOf(query, { ...variables, after })]).toEqual([after, 'BAD_CURSOR']);
    }
  }
});

test('promise 7: BAD_CURSOR for a history that the database no longer has', async () => {
  const app = await gateway.caller();
  const { gid, cursor: one } = await addGroup(app, { members: [{ addresses: ['ann'] }] });
  const { cursor: head } = await setGroup(app, { gid, name: 'lost in the restored backup' });
  const appHead = await cursorOf(APP_CHANGES, {}, app);
  const annHead = await cursorOf(MEMBERSHIP_CHANGES, { address: 'ann' }, app);
  // The backup had not this record; another took its number.
  await sql(db, 'update changes set mark = mark + 1 where gid = $1 and version = 3', [gid]);
  await sql(db, 'update groups set mark = mark + 1 where gid = $1', [gid]);
  expect(await endOf(GROUP_CHANGES, { gid, after: head }, app)).toBe('BAD_CURSOR');
  expect(await endOf(APP_CHANGES, { after: appHead }, app)).toBe('BAD_CURSOR');
  expect(await endOf(MEMBERSHIP_CHANGES, { address: 'ann', after: annHead }, app)).toBe('BAD_CURSOR');
  await setGroup(app, { gid, name: 'after it' });
  expect(await endOf(GROUP_CHANGES, { gid, after: head }, app)).toBe('BAD_CURSOR');
  const { end, records } = await recordsBehind(GROUP_CHANGES, { gid, after: one }, app);
  expect([end, records.map(({ version }) => version)]).toEqual(['ready', [3, 4]]);
});

test('promise 7: a database moved to another server gets a new generation, and its streams go on', async () => {
  const moved = await openTestGateway();
  const listening = await listen(moved);
  const app = await moved.caller();
  const begin = watchOver('sse', listening, app.token, APP_CHANGES);
  await begin.ready();
  const { gid } = await addGroup(app);
  await begin.until(() => begin.records.length === 1);
  await begin.stop();
  // The server that the log comes from had given more transaction ids than this one.
  await sql(moved.db, 'update changes set xid = xid + 1000000000');
  await sql(moved.db, 'update groups set xid = xid + 1000000000');
  expect(await sql(moved.db, 'select generation from gateway_state')).toEqual([{ generation: 1 }]);
  await moved.db.migrate();
  expect(await sql(moved.db, 'select generation from gateway_state')).toEqual([{ generation: 2 }]);
  await moved.db.migrate();
  expect(await sql(moved.db, 'select generation from gateway_state')).toEqual([{ generation: 2 }]);
  await setGroup(app, { gid, name: 'here' });
  const all = watchOver('sse', listening, app.token, APP_CHANGES, { after: begin.events[0]?.['cursor'] });
  await all.until(() => all.records.length === 2);
  expect(all.records.map(({ version }) => version)).toEqual([1, 2]);
  await all.stop();
  const lost = watchOver('sse', listening, app.token, APP_CHANGES, { after: begin.records[0]?.['cursor'] });
  expect(await lost.end).toBe('BAD_CURSOR');
});

test('promise 7: a cursor from before the first change is no snapshot’s', async () => {
  const app = await gateway.caller();
  const after = await cursorOf(MEMBERSHIP_CHANGES, { address: 'ann' }, app);
  const { gid } = await addGroup(app, { members: [{ addresses: ['ann'] }] });
  await editMembers(app, { gid, remove: ['ann'] });
  await settled(db);
  const { records } = await recordsBehind(MEMBERSHIP_CHANGES, { address: 'ann', after }, app);
  expect(records.map(({ kind }) => kind)).toEqual(['LEFT', 'READY']);
});

test('promise 7: a database that was moved after its log was pruned empty gets a new generation, too', async () => {
  const moved = await openTestGateway();
  const app = await moved.caller();
  await moved.caller(); // an app without a change
  await addGroup(app);
  await settled(moved.db);
  await sql(moved.db, `update changes set at = at - interval '31 days'`);
  expect(await pruneChanges(moved.db, 30 * DAY, purgeGroup)).toBe(1);
  const generation = () => sql(moved.db, 'select generation from gateway_state');
  await moved.db.migrate();
  expect(await generation()).toEqual([{ generation: 1 }]);
  await sql(moved.db, 'update apps set pruned_xid = pruned_xid + 1000000000 where pruned_xid > 0');
  await moved.db.migrate();
  expect(await generation()).toEqual([{ generation: 2 }]);
  await moved.db.migrate();
  expect(await generation()).toEqual([{ generation: 2 }]);
});
