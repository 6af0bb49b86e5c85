/** What many watchers of permissions in one group cost the database, and what they are told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import type { Viewer } from '../../src/access/viewer.ts';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup, deleteGroup, editGroupMembers, setGroup } from '../../src/groups/operations.ts';
import type { PermissionState } from '../../src/groups/permission-answers.ts';
import { watchPermissions } from '../../src/groups/watch-permissions.ts';
import { readGid } from '../../src/model/gid.ts';
import { createUser, createViewer, openTestDatabase } from '../setup/database.ts';
import { altered } from '../setup/interrupted.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { until } from '../setup/watch.ts';
import { addresses } from './setup.ts';

const recorder = new StatementRecorder();
const db = await openTestDatabase({ observe: recorder.observe });
const { viewer } = await createViewer(db);
const NEVER = 3_600_000;
const hubs: WatchHub[] = [];
afterAll(() => {
  for (const hub of hubs) hub.stop();
});

function openHub(options: { pollInterval?: number; checkpointInterval?: number; db?: Database } = {}): WatchHub {
  const hub = new WatchHub({ db, log: pino({ level: 'silent' }), pollInterval: NEVER, ...options });
  hubs.push(hub);
  return hub;
}

/** A stream that is read as it comes: its states, and how it ended. */
class Watching {
  readonly states: PermissionState[] = [];
  ended: string | undefined;
  readonly #stream: AsyncGenerator<PermissionState, void>;

  constructor(stream: AsyncGenerator<PermissionState, void>) {
    this.#stream = stream;
    void this.#read().then(
      () => (this.ended = 'complete'),
      (error: { code?: string }) => (this.ended = error.code ?? String(error)),
    );
  }

  async #read(): Promise<void> {
    for await (const state of this.#stream) this.states.push(state);
  }

  get sends(): string | undefined {
    return this.states.at(-1)?.send.reason;
  }

  stop(): Promise<unknown> {
    return this.#stream.return();
  }
}

const MEMBERS = addresses(200);

async function newGroup(input: object = {}): Promise<string> {
  return String((await addGroup(db, viewer, { members: [{ addresses: MEMBERS }], ...input })).group.gid);
}

/** A watcher of each of these addresses, who have had their first state. */
async function watchAll(hub: WatchHub, gid: string, who: readonly string[], asking: (n: number) => Viewer = () => viewer) {
  const open = (address: string, n: number) =>
    new Watching(watchPermissions(hub, asking(n), { gid: readGid(gid), address, messageType: n % 3 }));
  const watches = who.map(open);
  await until(() => watches.every(({ states }) => states.length > 0));
  return watches;
}

/** What reads a group and its log; of `changes_append` and the like a write tells. */
const OF_STREAMS = /^(changes_after|groups_find|group_types_find|standing_|permissions_|watch_|tails_|hub_)/;
async function statementsOf(change: () => Promise<unknown>, done: () => boolean): Promise<string[]> {
  const from = recorder.statements.length;
  await change();
  await until(done);
  await sleep(100); // what would still come
  return recorder.statements
    .slice(from)
    .map(({ name }) => name)
    .filter((name) => OF_STREAMS.test(name));
}

const stopAll = (watches: readonly Watching[]) => Promise.all(watches.map((watch) => watch.stop()));

test('a change is asked about once for 200 watchers, users and applications', async () => {
  const hub = openHub();
  const gid = await newGroup();
  const users = await Promise.all(MEMBERS.slice(0, 20).map(async (address) => (await createUser(db, viewer, address)).viewer));
  const watches = await watchAll(hub, gid, MEMBERS, (n) => users[n] ?? viewer);
  const all = (reason: string) => () => watches.every(({ sends }) => sends === reason);
  const paused = await statementsOf(() => setGroup(db, viewer, { gid, active: false }), all('GROUP_PAUSED'));
  expect(paused).toEqual(['group_types_find', 'changes_after_version', 'groups_find_to_ask_many', 'standing_find_many']);
  await setGroup(db, viewer, { gid, active: true });
  await until(all('MEMBER'));
  // Of a group that is deleted it is asked once, too, and everyone is told.
  const deleted = await statementsOf(
    () => deleteGroup(db, viewer, { gid }),
    () => watches.every(({ ended }) => ended !== undefined),
  );
  expect(deleted).toEqual(['changes_after_version', 'groups_find_to_ask_many', 'permissions_deleted']);
  expect(new Set(watches.map(({ ended }) => ended))).toEqual(new Set(['complete']));
  expect(hub.size).toBe(0);
});

test('a change of one member is asked about for its watchers alone', async () => {
  const hub = openHub();
  const gid = await newGroup({ permissions: { send: 'SELECTED' } });
  const watches = await watchAll(hub, gid, MEMBERS);
  const [one, other] = watches as [Watching, Watching];
  const names = await statementsOf(
    () => editGroupMembers(db, viewer, { gid, update: [{ addresses: [MEMBERS[0] ?? ''], permissions: { send: false } }] }),
    () => one.sends === 'NOT_SELECTED',
  );
  expect(names).toEqual(['changes_after_version', 'groups_find_one', 'standing_find_one']);
  expect(other.states).toHaveLength(1);
  expect(watches.reduce((sum, { states }) => sum + states.length, 0)).toBe(MEMBERS.length + 1);
  await stopAll(watches);
});

test('while nothing changes the present state is repeated without a statement, with the time of a poll', async () => {
  const hub = openHub({ pollInterval: 100, checkpointInterval: 400 });
  const gid = await newGroup();
  const watches = await watchAll(hub, gid, MEMBERS);
  await sleep(300); // the first polls
  const names = await statementsOf(
    async () => {},
    () => watches.every(({ states }) => states.length >= 5),
  );
  expect(names.filter((name) => !/^(tails_versions|hub_clock)$/.test(name))).toEqual([]);
  expect(names).toContain('tails_versions');
  for (const { states } of watches) {
    const times = states.map(({ at }) => at.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(4 * 400 - 3 * 100 - 100);
    expect(new Set(states.map(({ at, ...state }) => JSON.stringify(state))).size).toBe(1);
  }
  // What was repeated is not what is missed.
  await setGroup(db, viewer, { gid, active: false });
  await until(() => watches.every(({ sends }) => sends === 'GROUP_PAUSED'));
  await stopAll(watches);
});

test('without polls the present state is read again, for all together', async () => {
  const hub = openHub({ checkpointInterval: 400 });
  const gid = await newGroup();
  const watches = await watchAll(hub, gid, MEMBERS);
  const names = await statementsOf(
    async () => {},
    () => watches.every(({ states }) => states.length === 2),
  );
  expect(names.some((name) => name.startsWith('standing_'))).toBe(true);
  expect(names.length).toBeLessThan(MEMBERS.length / 5);
  await stopAll(watches);
});

test('while the database does not answer no state is repeated: the stream ends', async () => {
  let away = false;
  const query: Database['query'] = (...args) => (away ? Promise.reject(new Error('away')) : db.query(...args));
  const hub = openHub({ db: altered(db, { query }), pollInterval: 100, checkpointInterval: 400 });
  const gid = await newGroup();
  const [watch] = (await watchAll(hub, gid, ['member000000'])) as [Watching];
  await until(() => watch.states.length >= 3);
  away = true;
  const since = watch.states.length;
  await until(() => watch.ended !== undefined);
  expect(watch.ended).toBe('Error: away');
  // Polls of the last 300 ms before it went still count.
  expect(watch.states.length - since).toBeLessThanOrEqual(1);
});

test('a start and an expiry are asked about once for all', async () => {
  const hub = openHub();
  const gid = await newGroup({ validity: { start: 3, duration: 3 } });
  const watches = await watchAll(hub, gid, MEMBERS);
  expect(watches[0]?.sends).toBe('GROUP_NOT_STARTED');
  for (const reason of ['MEMBER', 'GROUP_EXPIRED']) {
    const names = await statementsOf(
      async () => {},
      () => watches.every(({ sends }) => sends === reason),
    );
    expect(names).toEqual(['groups_find_one', 'standing_find_many']);
  }
  expect(watches.every(({ states }) => states.length === 3)).toBe(true);
  await stopAll(watches);
});

test('a user who watches another ends with its own membership', async () => {
  const hub = openHub();
  const gid = await newGroup();
  const { viewer: anna } = await createUser(db, viewer, MEMBERS[0] ?? '');
  const [watch] = (await watchAll(hub, gid, [MEMBERS[1] ?? ''], () => anna)) as [Watching];
  await editGroupMembers(db, viewer, { gid, remove: [MEMBERS[0] ?? ''] });
  await until(() => watch.ended !== undefined);
  expect(watch.ended).toBe('LEFT_GROUP');
  expect(watch.states).toHaveLength(1);
});

test('who reads slowly gets the last state, and few before it', async () => {
  const hub = openHub();
  const gid = await newGroup();
  const stream = watchPermissions(hub, viewer, { gid: readGid(gid), address: MEMBERS[0] ?? '', messageType: 0 });
  expect((await stream.next()).value).toMatchObject({ send: { reason: 'MEMBER' } });
  for (let n = 0; n < 20; n++) await setGroup(db, viewer, { gid, active: n % 2 === 1 });
  await setGroup(db, viewer, { gid, active: true, permissions: { send: 'ANYONE' } });
  await sleep(200);
  expect((await stream.next()).value).toMatchObject({ send: { reason: 'ANYONE' } });
  await stream.return();
});
