import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import type { ChangeEvent } from '../../src/changes/streams/events.ts';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { watchApp } from '../../src/changes/streams/watch-app.ts';
import { watchGroup } from '../../src/changes/streams/watch-group.ts';
import { addGroup, setGroup } from '../../src/groups/operations.ts';
import { gidOf, readGid } from '../../src/model/gid.ts';
import { createViewer, databaseKind, openTestDatabase } from '../setup/database.ts';
import { StatementRecorder } from '../setup/recorder.ts';

const recorder = new StatementRecorder();
const db = await openTestDatabase({ observe: recorder.observe });
const hub = new WatchHub({ db, log: pino({ level: 'silent' }), pollInterval: 3_600_000 });
afterAll(() => hub.stop());

const CHANGES = 5;

type Streams = AsyncGenerator<ChangeEvent, void>[];

async function open(count: number, begin: () => AsyncGenerator<ChangeEvent, void>): Promise<Streams> {
  const streams = Array.from({ length: count }, begin);
  for (const stream of streams) expect((await stream.next()).value).toMatchObject({ type: 'ready' });
  return streams;
}

/** The statements that streams cost, while each change is delivered to all of them before the next is made. */
async function statementsOf(streams: Streams, change: (n: number) => Promise<unknown>): Promise<string[]> {
  const from = recorder.statements.length;
  for (let n = 0; n < CHANGES; n++) {
    const delivered = Promise.all(streams.map((stream) => stream.next()));
    await change(n);
    for (const { value } of await delivered) expect(value).toMatchObject({ type: 'change' });
  }
  const names = recorder.statements.slice(from).map(({ name }) => name);
  for (const stream of streams) await stream.return();
  return names.filter((name) => /^(changes_(?!append)|watch_|snapshot_|memberships_|token_)/.test(name));
}

test('1,000 watchers of one group cost the database no more statements a change than one', async () => {
  const { viewer } = await createViewer(db);
  const gid = String((await addGroup(db, viewer, {})).group.gid);
  const rename = (n: number) => setGroup(db, viewer, { gid, name: `${Math.random()} ${n}` });
  const begin = () => watchGroup(hub, viewer, { gid: readGid(gid) });
  const one = await statementsOf(await open(1, begin), rename);
  const thousand = await statementsOf(await open(1_000, begin), rename);
  expect(one).toEqual(Array(CHANGES).fill('changes_after_version'));
  expect(thousand).toEqual(one);
});

test('1,000 watchers of an app cost no more statements a change than one', async () => {
  const { viewer } = await createViewer(db);
  const gid = String((await addGroup(db, viewer, {})).group.gid);
  const rename = (n: number) => setGroup(db, viewer, { gid, name: `${Math.random()} ${n}` });
  const begin = () => watchApp(hub, viewer);
  const one = await statementsOf(await open(1, begin), rename);
  const thousand = await statementsOf(await open(1_000, begin), rename);
  // What is new, and that there is no more. On PostgreSQL it looks again while other databases have open writes.
  const most = CHANGES * (databaseKind === 'pglite' ? 3 : 50);
  for (const names of [one, thousand]) expect(names.length).toBeLessThanOrEqual(most);
});

test('streams that are ended, or never asked for anything, leave nothing behind', async () => {
  const { viewer } = await createViewer(db);
  const { gid } = (await addGroup(db, viewer, {})).group;
  const before = hub.size;
  const waiting = watchGroup(hub, viewer, { gid: gidOf(gid) });
  await waiting.next();
  const next = waiting.next();
  const unasked = watchGroup(hub, viewer, { gid: gidOf(gid) });
  expect(hub.size).toBe(before + 2);
  await Promise.all([waiting.return(), unasked.return()]);
  expect(await next).toEqual({ done: true, value: undefined });
  const refused = watchGroup(hub, viewer, { gid: gidOf(1) });
  await expect(refused.next()).rejects.toThrow('There is no such group');
  expect(hub.size).toBe(before);
});
