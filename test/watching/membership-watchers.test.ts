/** What many watchers of memberships cost, and how one catches up that was away from many groups. */
import { pino } from 'pino';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { decodeCursor } from '../../src/changes/log/cursor.ts';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { Subscriber } from '../../src/changes/streams/subscriber.ts';
import { watchApp } from '../../src/changes/streams/watch-app.ts';
import {
  type MembershipEvent,
  type MembershipStreamArgs,
  watchMemberships,
} from '../../src/changes/streams/watch-memberships.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup, deleteGroup, editGroupMembers } from '../../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { altered } from '../setup/interrupted.ts';
import { settled, until } from '../setup/watch.ts';
import { addresses } from './setup.ts';

const db = await openTestDatabase();
/** The rows that statements brought. */
let brought: { name: string; rows: number }[] = [];
const query: Database['query'] = async (statement, ...given) => {
  const rows = await db.query(statement, ...given);
  brought.push({ name: statement.name, rows: rows.length });
  return rows;
};
const CHECKPOINT = 500;
const hub = new WatchHub({ db: altered(db, { query }), log: pino({ level: 'silent' }), checkpointInterval: CHECKPOINT });
afterAll(() => hub.stop());
afterEach(() => vi.restoreAllMocks());

type Stream = AsyncGenerator<MembershipEvent, void>;

async function newApp() {
  const { viewer } = await createViewer(db);
  const watch = (args: MembershipStreamArgs): Stream => watchMemberships(hub, viewer, args);
  const make = async (members: string[]) => String((await addGroup(db, viewer, { members: [{ addresses: members }] })).group.gid);
  const add = (gid: string, members: string[]) => editGroupMembers(db, viewer, { gid, add: [{ addresses: members }] });
  const remove = (gid: string, members: string[]) => editGroupMembers(db, viewer, { gid, remove: members });
  return { viewer, watch, make, add, remove };
}

/** Reads a stream as it comes. */
function reading<Event>(stream: AsyncGenerator<Event, void>): Event[] {
  const events: Event[] = [];
  void (async () => {
    for await (const event of stream) events.push(event);
  })().catch(() => {}); // the hub stops
  return events;
}

const told = (events: readonly MembershipEvent[]) => events.map(({ kind, gid }) => [kind, String(gid)]);
const real = (events: readonly MembershipEvent[]) => events.filter(({ kind }) => kind !== 'READY' && kind !== 'CHECKPOINT');

test('a record wakes the watchers of the addresses in it, and of the group where it ends, and nobody else', async () => {
  const { watch, make, add, remove, viewer } = await newApp();
  const watched = addresses(1_000, 'watched');
  const [ann = '', bob = '', cid = ''] = watched;
  const gid = await make([ann, bob]);
  const busy = await make([]);
  await settled(db);
  const streams = watched.map((address) => watch({ address }));
  const events = streams.map(reading);
  await until(() => events.every(([first]) => first?.kind === 'READY'));
  const wake = vi.spyOn(Subscriber.prototype, 'wake');
  const of = (n: number) => real(events[n] ?? []);

  for (let n = 0; n < 100; n++) await add(busy, [`other${n}`]);
  await add(busy, [cid]);
  await until(() => of(2).length === 1);
  expect(wake).toHaveBeenCalledTimes(1);

  await remove(busy, ['other1', cid, 'other2']);
  await until(() => of(2).length === 2);
  expect(wake).toHaveBeenCalledTimes(2);

  await deleteGroup(db, viewer, { gid });
  await until(() => of(0).length === 1 && of(1).length === 1);
  await deleteGroup(db, viewer, { gid: busy });
  await add(await make([]), [cid]);
  await until(() => of(2).length === 3);
  expect(wake).toHaveBeenCalledTimes(5);
  expect(told(of(0))).toEqual([['GROUP_DELETED', gid]]);
  expect(told(of(2)).map(([kind]) => kind)).toEqual(['JOINED', 'LEFT', 'JOINED']);
  expect(events.slice(3).every((each) => real(each).length === 0)).toBe(true);

  // Who was told nothing stands at the end of the log nevertheless.
  const [last] = await sql<{ xid: number; id: number }>(
    db,
    'select xid, id from changes where app_id = $1 order by generation desc, xid desc, id desc limit 1',
    [viewer.appId],
  );
  const quiet = events[999] ?? [];
  const before = quiet.length;
  await until(() => quiet.length >= before + 2);
  expect(decodeCursor(quiet.at(-1)?.cursor ?? '')).toMatchObject({ stream: 'memberships', position: last });
  await Promise.all(streams.map((stream) => stream.return()));
});

/** Puts an address into new groups, in one transaction, each with the record of it. */
async function putIntoMany(appId: number, address: string, count: number): Promise<string[]> {
  const rows = await sql<{ gid: number }>(
    db,
    `with s as (select generation, pg_current_xact_id()::text::bigint as xid, clock_timestamp() as now from gateway_state),
      g as (insert into groups (app_id, starts_at, expires_at, xid, generation, created_at, updated_at, version, mark, member_count, joins)
        select $1, now, now + interval '1 year', xid, generation, now, now, 1, n, 1, 1 from s, generate_series(1, $3::int) n
        returning gid, mark),
      m as (insert into members (app_id, gid, address, join_number, joined_version, xid, generation, joined_at, updated_at)
        select $1, gid, $2, 1, 1, xid, generation, now, now from g, s),
      c as (insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
        select $1, gid, 1, generation, xid, 6, now, mark, 1, json_build_object('members', json_build_array(json_build_array($2::text, 0, true, 31, 0)))
        from g, s)
    select gid from g order by gid`,
    [appId, address, count],
  );
  return rows.map(({ gid }) => String(gid));
}

/** The groups that a client has which follows the stream. */
function replay(events: readonly MembershipEvent[]): string[] {
  const groups = new Set<string>();
  for (const { kind, gid } of events) {
    if (kind === 'JOINED' || kind === 'UPDATED') groups.add(String(gid));
    if (kind === 'LEFT' || kind === 'GROUP_DELETED') groups.delete(String(gid));
  }
  return [...groups].sort();
}

async function groupsOf(appId: number, address: string): Promise<string[]> {
  const rows = await sql<{ gid: number }>(
    db,
    'select m.gid from members m join groups g using (app_id, gid) where m.app_id = $1 and m.address = $2 and g.deleted_at is null',
    [appId, address],
  );
  return rows.map(({ gid }) => String(gid)).sort();
}

/** Reads on until a client that follows has these groups; a checkpoint may come before what is not settled yet. */
async function readUntil(stream: Stream, events: MembershipEvent[], groups: () => Promise<string[]>): Promise<void> {
  for await (const event of stream) {
    events.push(event);
    if (event.kind === 'CHECKPOINT' && replay(events).join() === (await groups()).join()) return;
  }
}

test('catching up reads pages, and loses nothing that changes between them', async () => {
  const { watch, make, add, remove, viewer } = await newApp();
  const { appId } = viewer;
  const old = await make(['ann']);
  await settled(db);
  const first = watch({ address: 'ann', snapshot: true });
  const before = [(await first.next()).value, (await first.next()).value] as MembershipEvent[];
  expect(before.map(({ kind }) => kind)).toEqual(['JOINED', 'READY']);
  await first.return();

  const gids = await putIntoMany(appId, 'ann', 3_000);
  const left = await make(['ann']);
  await remove(left, ['ann']);
  await settled(db);
  brought = [];
  const stream = watch({ address: 'ann', after: before[1]?.cursor });
  const events = [...before];
  while (events.length < 1_200) events.push((await stream.next()).value as MembershipEvent);
  // In a page that was read, in those that were not, and in no group of before.
  await remove(gids[5] ?? '', ['ann']);
  await deleteGroup(db, viewer, { gid: gids[7] ?? '' });
  await remove(gids[2_500] ?? '', ['ann']);
  await deleteGroup(db, viewer, { gid: gids[2_600] ?? '' });
  await remove(old, ['ann']);
  await add(left, ['ann']);
  await make(['ann']);
  await make(['bob']);
  await readUntil(stream, events, () => groupsOf(appId, 'ann'));
  const pages = brought.filter(({ name }) => name === 'memberships_changed').map(({ rows }) => rows);
  expect(pages).toHaveLength(4);
  for (const { name, rows } of brought) if (name.startsWith('memberships_')) expect(rows).toBeLessThanOrEqual(1_000);
  const all = await groupsOf(appId, 'ann');
  expect(all).toHaveLength(3_000 - 4 + 2);
  expect(replay(events)).toEqual(all);

  // Cut in a page, it begins that catching up again.
  const cut = watch({ address: 'ann', after: before[1]?.cursor });
  const part: MembershipEvent[] = [];
  for (let n = 0; n < 1_500; n++) part.push((await cut.next()).value as MembershipEvent);
  await cut.return();
  const rest: MembershipEvent[] = [];
  for await (const event of watch({ address: 'ann', after: part.at(-1)?.cursor })) {
    rest.push(event);
    if (event.kind === 'READY') break;
  }
  expect(replay([...before, ...part, ...rest])).toEqual(all);
});

test('who does not read keeps few records, and then catches up', async () => {
  const { watch, make, remove, add, viewer } = await newApp();
  const gid = await make(['ann']);
  const stream = watch({ address: 'ann', snapshot: true });
  const events = [(await stream.next()).value, (await stream.next()).value] as MembershipEvent[];
  const seen = reading(watchApp(hub, viewer));
  await until(() => seen.some(({ type }) => type === 'ready'));
  for (let n = 0; n < 80; n++) {
    await remove(gid, ['ann']);
    await add(gid, ['ann']);
  }
  const other = await make(['ann']);
  await remove(gid, ['ann']);
  // When another has had them all, so has the one that does not read.
  await until(() => seen.filter(({ type }) => type === 'change').length === 163);
  brought = [];
  await readUntil(stream, events, () => groupsOf(viewer.appId, 'ann'));
  expect(brought.some(({ name }) => name === 'memberships_changed')).toBe(true);
  expect(events.length).toBeLessThan(120);
  expect(replay(events)).toEqual([other]);
});

test('groups that are deleted while a snapshot is told are told, too', async () => {
  const { watch, make, viewer } = await newApp();
  const gids = await Promise.all([make(['ann']), make(['ann'])]);
  await settled(db);
  const stream = watch({ address: 'ann', snapshot: true });
  const events = [(await stream.next()).value as MembershipEvent];
  for (const gid of gids) await deleteGroup(db, viewer, { gid });
  await readUntil(stream, events, async () => []);
  expect(told(real(events)).filter(([kind]) => kind === 'GROUP_DELETED')).toHaveLength(2);
});
