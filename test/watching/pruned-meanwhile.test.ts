import { pino } from 'pino';
import { expect, test } from 'vitest';
import { pruneChanges } from '../../src/changes/log/retention.ts';
import type { ChangeEvent } from '../../src/changes/streams/events.ts';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { watchApp } from '../../src/changes/streams/watch-app.ts';
import { watchGroup } from '../../src/changes/streams/watch-group.ts';
import { watchMemberships } from '../../src/changes/streams/watch-memberships.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup, editGroupMembers, setGroup } from '../../src/groups/operations.ts';
import { purgeGroup } from '../../src/groups/write/purge.ts';
import { readGid } from '../../src/model/gid.ts';
import { atEnd } from '../setup/at-end.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { quiet } from '../setup/interrupted.ts';
import { settled } from '../setup/watch.ts';

const db = await openTestDatabase();
/** Whose commits nobody is told of. */
const unheard = quiet(db);
// It hears of what is written by `db`, and of nothing else.
const hub = new WatchHub({ db, log: pino({ level: 'silent' }), pollInterval: 3_600_000 });
atEnd(() => hub.stop());

const MONTH = 30 * 24 * 60 * 60;

async function newGroup(members: string[] = []) {
  const { viewer } = await createViewer(db);
  const { group } = await addGroup(db, viewer, { members: [{ addresses: members }] });
  const gid = String(group.gid);
  const rename = (writer: Database = db) => setGroup(writer, viewer, { gid, name: `${Math.random()}` });
  /** Everything up to a version becomes too old, and goes. */
  const prune = async (version: number) => {
    await sql(db, `update changes set at = at - interval '31 days' where gid = $1 and version <= $2`, [gid, version]);
    await settled(db);
    await pruneChanges(db, MONTH, purgeGroup);
    expect(await sql(db, 'select min(version) as first from changes where gid = $1', [gid])).not.toEqual([{ first: version }]);
  };
  return { viewer, gid, rename, prune };
}

type Stream = AsyncGenerator<ChangeEvent, void>;
type Group = Awaited<ReturnType<typeof newGroup>>;

const begin = (kind: 'group' | 'app', { viewer, gid }: Group, after?: string): Stream =>
  kind === 'group' ? watchGroup(hub, viewer, { gid: readGid(gid), after }) : watchApp(hub, viewer, after);

async function ready<T>(stream: AsyncGenerator<T, void>): Promise<string> {
  const { value } = await stream.next();
  expect(value).toMatchObject({ cursor: expect.any(String) });
  return (value as { cursor: string }).cursor;
}

/** The versions that a stream gives until it ends, and how it does. */
async function rest(stream: Stream): Promise<[number[], unknown]> {
  const versions: number[] = [];
  try {
    for await (const event of stream) if (event.type === 'change') versions.push(event.record.version);
    return [versions, 'complete'];
  } catch (error) {
    return [versions, (error as { code: string }).code];
  }
}

/** More records than one reader takes at a time: 200 updates. */
const addMany = ({ gid }: Group) =>
  sql(
    db,
    `with head as (update groups set version = version + 200, mark = 200 where gid = $1)
      insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
      select app_id, gid, version + n, generation, xid, 2, at, n, 0, data from changes, generate_series(1, 200) n
      where gid = $1 and version = 1`,
    [gid],
  );

test.each([
  ['group', 'some', 150],
  ['group', 'all', 201],
  ['app', 'some', 150],
  ['app', 'all', 201],
] as const)('a reader of the log of the %s, whose next records are pruned, %s of them', async (kind, _, version) => {
  const group = await newGroup();
  await settled(db);
  const first = begin(kind, group);
  const after = await ready(first);
  await first.return();
  await addMany(group);
  const stream = begin(kind, group, after);
  expect(await stream.next()).toMatchObject({ value: { record: { version: 2 } } });
  await group.prune(version);
  const [versions, end] = await rest(stream);
  expect([versions[0], end]).toEqual([3, 'CURSOR_EXPIRED']);
  expect(versions).toEqual(versions.map((_, index) => index + 3));
  expect(versions.length).toBeLessThan(150);
});

test('a ring with a gap is none: what a gateway did not read before it was pruned', async () => {
  const group = await newGroup();
  const [reader, slow] = [begin('group', group), begin('group', group)];
  await Promise.all([reader, slow].map(ready));
  await group.rename();
  expect(await reader.next()).toMatchObject({ value: { record: { version: 2 } } });
  for (let n = 0; n < 3; n++) await group.rename(unheard);
  await group.prune(4);
  const told = rest(reader); // it waits, and meets the gap first
  await group.rename();
  expect(await told).toEqual([[], 'CURSOR_EXPIRED']);
  expect(await rest(slow)).toEqual([[], 'CURSOR_EXPIRED']);
});

test('streams across groups are told of what a gateway did not read before it was pruned', async () => {
  const group = await newGroup(['ann', 'bob']);
  await settled(db);
  const app = begin('app', group);
  const waiting = begin('app', group);
  const memberships = watchMemberships(hub, group.viewer, { address: 'ann' });
  await Promise.all([ready(app), ready(waiting), ready(memberships)]);
  const told = rest(waiting);
  await group.rename(unheard);
  await editGroupMembers(unheard, group.viewer, { gid: group.gid, remove: ['ann'] });
  await group.rename(unheard);
  await group.prune(5);
  await group.rename();
  expect(await told).toEqual([[], 'CURSOR_EXPIRED']);
  expect(await rest(app)).toEqual([[], 'CURSOR_EXPIRED']);
  await expect(memberships.next()).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  await settled(db);
  const anew = begin('app', group);
  await ready(anew);
  await group.rename();
  expect(await anew.next()).toMatchObject({ value: { record: { version: 7 } } });
  await anew.return();
});

test('where the log was pruned empty, a cursor of now is good, and what came behind it is told', async () => {
  const group = await newGroup(['ann', 'bob']);
  const memberships = (after?: string) => watchMemberships(hub, group.viewer, { address: 'ann', after });
  await group.prune(2);
  const cursorOf = async (stream: AsyncGenerator<{ cursor: string }, void>) => {
    const cursor = await ready(stream);
    await stream.return();
    return cursor;
  };
  const [app, ann] = [await cursorOf(begin('app', group)), await cursorOf(memberships())];
  expect(await cursorOf(begin('app', group, app))).toBe(app);
  await editGroupMembers(db, group.viewer, { gid: group.gid, remove: ['ann'] });
  await settled(db);
  const late = begin('app', group, app);
  expect(await late.next()).toMatchObject({ value: { record: { kind: 'MEMBERS_REMOVED', version: 3 } } });
  const left = memberships(ann);
  expect(await left.next()).toMatchObject({ value: { kind: 'LEFT' } });
  expect(await left.next()).toMatchObject({ value: { kind: 'READY' } });
  await group.prune(3);
  for (const expired of [begin('app', group, app), memberships(ann)]) {
    await expect(expired.next()).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
  }
  await Promise.all([late.return(), left.return()]);
});
