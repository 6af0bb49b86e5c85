import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { ChangeEvent } from '../../src/changes/streams/events.ts';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { watchApp } from '../../src/changes/streams/watch-app.ts';
import { watchGroup } from '../../src/changes/streams/watch-group.ts';
import { watchMemberships } from '../../src/changes/streams/watch-memberships.ts';
import { addGroup, setGroup } from '../../src/groups/operations.ts';
import { watchPermissions } from '../../src/groups/watch-permissions.ts';
import { readGid } from '../../src/model/gid.ts';
import { atEnd } from '../setup/at-end.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { settled, until } from '../setup/watch.ts';

// The database goes back under running gateways: to a standby that lagged, or to a backup.
const recorder = new StatementRecorder();
const db = await openTestDatabase({ observe: recorder.observe });

function openHub(options: { pollInterval: number; hints: boolean }): WatchHub {
  const hub = new WatchHub({ db, log: pino({ level: 'silent' }), ...options });
  atEnd(() => hub.stop());
  return hub;
}
const hearing = openHub({ pollInterval: 3_600_000, hints: true });
const polling = openHub({ pollInterval: 20, hints: false });

const count = (name: RegExp) => recorder.statements.filter((statement) => name.test(statement.name)).length;

/** Waits until it has polled a few times more. */
async function polls(): Promise<void> {
  const from = count(/^tails_versions$/);
  await until(() => count(/^tails_versions$/) > from + 5);
}

/** A group at version 4. */
async function newGroup() {
  const { viewer } = await createViewer(db);
  const { group } = await addGroup(db, viewer, { name: 'one', members: [{ addresses: ['ann'] }] });
  const gid = String(group.gid);
  const rename = (name: string) => setGroup(db, viewer, { gid, name });
  for (const name of ['three', 'four']) await rename(name);
  /** As if nothing had happened since. */
  const goBack = (version: number) =>
    sql(
      db,
      `with gone as (delete from changes where gid = $1 and version > $2),
        last as (select mark, generation, xid from changes where gid = $1 and version = $2)
      update groups set version = $2, mark = last.mark, generation = last.generation, xid = last.xid from last where gid = $1`,
      [gid, version],
    );
  return { viewer, gid, rename, goBack };
}

type Group = Awaited<ReturnType<typeof newGroup>>;

const watch = (hub: WatchHub, { viewer, gid }: Group, after?: string) => watchGroup(hub, viewer, { gid: readGid(gid), after });

/** A stream behind its Ready, with what comes next asked for. */
async function live<T>(stream: AsyncGenerator<T, void>) {
  const { value } = await stream.next();
  const next = stream.next();
  next.catch(() => {});
  return { first: value as T, next };
}

const LOST = { code: 'BAD_CURSOR' };

test.each([
  ['hints, behind more changes than were lost', hearing, ['b3', 'b4', 'b5']],
  ['the poll, behind as many changes', polling, ['b3', 'b4']],
  ['the poll, without a change', polling, []],
])('groupChanges ends by %s', async (_, hub, names) => {
  const group = await newGroup();
  const [stream, slow] = [await live(watch(hub, group)), watch(hub, group)];
  await slow.next();
  await group.goBack(2);
  for (const name of names) await group.rename(name);
  await expect(stream.next).rejects.toMatchObject(LOST);
  await expect(slow.next()).rejects.toMatchObject(LOST);
  const anew = await live(watch(hub, group));
  expect(anew.first).toMatchObject({ type: 'ready', version: 2 + names.length });
  await group.rename('anew');
  expect(await anew.next).toMatchObject({ value: { record: { version: 3 + names.length, settings: { name: 'anew' } } } });
});

test('who subscribes finds it out for all', async () => {
  const group = await newGroup();
  const stream = await live(watch(hearing, group));
  await group.goBack(2);
  await group.rename('b3');
  const anew = await live(watch(hearing, group));
  expect(anew.first).toMatchObject({ type: 'ready', version: 3 });
  await expect(stream.next).rejects.toMatchObject(LOST);
  await group.rename('b4');
  expect(await anew.next).toMatchObject({ value: { record: { version: 4 } } });
});

test('a reader of the log does not go on in another history', async () => {
  const group = await newGroup();
  const add = (mark: number) =>
    sql(
      db,
      `with head as (update groups set version = version + 200, mark = $2 + 200 where gid = $1)
        insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
        select c.app_id, c.gid, g.version + n, c.generation, c.xid, 2, c.at, $2 + n, 0, data
        from changes c join groups g using (app_id, gid), generate_series(1, 200) n where c.gid = $1 and c.version = 1`,
      [group.gid, mark],
    );
  const first = watch(hearing, group);
  const { cursor } = (await first.next()).value as ChangeEvent;
  await first.return();
  await add(1_000);
  const stream = watch(hearing, group, cursor);
  expect(await stream.next()).toMatchObject({ value: { record: { version: 5 } } });
  await group.goBack(4);
  await add(2_000);
  await expect(async () => {
    for await (const event of stream) expect(event).toMatchObject({ record: { mark: expect.toSatisfy((mark) => mark < 2_000) } });
  }).rejects.toMatchObject(LOST);
});

test('permissionChanges goes on with the state as it is then, and does not ask again and again', async () => {
  const group = await newGroup();
  const { viewer, gid } = group;
  await setGroup(db, viewer, { gid, permissions: { send: 'SELECTED' } });
  const args = { gid: readGid(gid), address: 'ann', messageType: 0 };
  for (const hub of [polling, hearing]) {
    const stream = await live(watchPermissions(hub, viewer, args));
    expect(stream.first).toMatchObject({ send: { reason: 'SELECTED_MEMBER' } });
    const from = count(/^groups_find/);
    await group.goBack(4);
    await sql(db, 'update groups set flags = 0 where gid = $1', [gid]);
    if (hub === hearing) for (const name of ['b5', 'b6']) await group.rename(name);
    expect(await stream.next).toMatchObject({ value: { send: { reason: 'MEMBER' } } });
    await polls();
    expect(count(/^groups_find/) - from).toBeLessThan(10);
    await group.goBack(4);
    await setGroup(db, viewer, { gid, permissions: { send: 'SELECTED' } });
  }
});

test('streams across groups end', async () => {
  const group = await newGroup();
  const { viewer } = group;
  await settled(db);
  for (const [hub, names] of [
    [polling, []],
    [hearing, ['b3', 'b4']],
  ] as const) {
    const app = await live(watchApp(hub, viewer));
    const memberships = await live(watchMemberships(hub, viewer, { address: 'ann' }));
    await group.goBack(2);
    for (const name of names) await group.rename(name);
    await expect(app.next).rejects.toMatchObject(LOST);
    await expect(memberships.next).rejects.toMatchObject(LOST);
    await settled(db);
    const anew = await live(watchApp(hub, viewer));
    await group.rename('anew');
    expect(await anew.next).toMatchObject({ value: { record: { settings: { name: 'anew' } } } });
    await settled(db);
  }
});
