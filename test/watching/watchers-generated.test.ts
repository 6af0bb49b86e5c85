/** Many watchers while a group changes at random: what each was told last is what is so. `SEED=… npm test` repeats a run. */
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import type { Viewer } from '../../src/access/viewer.ts';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { type MembershipEvent, watchMemberships } from '../../src/changes/streams/watch-memberships.ts';
import { addGroup, editGroupMembers, setGroup } from '../../src/groups/operations.ts';
import type { PermissionState } from '../../src/groups/permission-answers.ts';
import { decideChecks } from '../../src/groups/read/permission-checks.ts';
import { watchPermissions } from '../../src/groups/watch-permissions.ts';
import { ACTIONS } from '../../src/model/flags.ts';
import { readGid } from '../../src/model/gid.ts';
import { createUser, createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { until } from '../setup/watch.ts';
import { Random } from '../soak/random.ts';
import { addresses } from './setup.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
const random = new Random(seed);
const db = await openTestDatabase();
const { viewer } = await createViewer(db);
const log = pino({ level: 'silent' });
// One hears of every change, the other finds them by its polls.
const hubs = [new WatchHub({ db, log }), new WatchHub({ db, log, hints: false, pollInterval: 150 })];
afterAll(() => {
  for (const hub of hubs) hub.stop();
});

const NAMES = addresses(12);
const AUDIENCES = ['MEMBERS', 'SELECTED', 'ANYONE'] as const;

/** One change of the group, or of its members only, whatever comes of it: some are refused, some change nothing. */
async function change(gid: string, random: Random, only?: 'members'): Promise<void> {
  const some = [...new Set([random.pick(NAMES), random.pick(NAMES), random.pick(NAMES)])];
  const messageType = random.pick([0, 0, 7, 8]);
  const permissions = { send: random.pick([true, false]), recv: random.pick([true, false]) };
  const edits = [
    () => editGroupMembers(db, viewer, { gid, add: [{ addresses: some, permissions }] }),
    () => editGroupMembers(db, viewer, { gid, messageType, add: [{ addresses: some, permissions }] }),
    () => editGroupMembers(db, viewer, { gid, messageType, remove: some }),
    () => setGroup(db, viewer, { gid, messageType, permissions: { send: random.pick(AUDIENCES) } }),
    () => setGroup(db, viewer, { gid, messageType: 7, permissions: random.pick([null, { recv: 'SELECTED' as const }]) }),
    () => setGroup(db, viewer, { gid, active: random.next() < 0.8 }),
  ];
  await random
    .pick(only ? edits.slice(0, 3) : edits)()
    .catch((error: { code?: string }) => {
      if (error.code !== 'NOT_A_MEMBER' && error.code !== 'INVALID_INPUT') throw error;
    });
}

interface Watched {
  viewer: Viewer;
  address: string;
  messageType: number;
  states: PermissionState[];
  ended?: string;
}

function follow(stream: AsyncGenerator<PermissionState, void>, watched: Watched): Watched {
  void (async () => {
    try {
      for await (const state of stream) watched.states.push(state);
    } catch (error) {
      watched.ended = (error as { code?: string }).code ?? String(error);
    }
  })();
  return watched;
}

/** What a question gets now: the five answers; null: the viewer may not ask. */
async function nowOf({ viewer, address, messageType }: Watched, gid: string): Promise<string | null> {
  const checks = ACTIONS.map((action) => ({ gid, address, action, messageType }));
  const decisions = await decideChecks(db, viewer, checks);
  return decisions[0] === null ? null : JSON.stringify(decisions);
}

const toldOf = ({ states }: Watched) => JSON.stringify(ACTIONS.map((action) => states.at(-1)?.[action]));

test(`each watcher of permissions is told what is so in the end (seed ${seed})`, async () => {
  const { group } = await addGroup(db, viewer, { members: [{ addresses: NAMES }] });
  const gid = String(group.gid);
  const users = await Promise.all(NAMES.slice(0, 4).map(async (address) => (await createUser(db, viewer, address)).viewer));
  const watches = hubs.flatMap((hub) =>
    [viewer, ...users].flatMap((asking) =>
      [0, 7, 9].flatMap((messageType) =>
        [asking.address ?? random.pick(NAMES), random.pick(NAMES)].map((address) => {
          const stream = watchPermissions(hub, asking, { gid: readGid(gid), address, messageType });
          return follow(stream, { viewer: asking, address, messageType, states: [] });
        }),
      ),
    ),
  );
  await until(() => watches.every(({ states }) => states.length > 0));
  const writer = async (random: Random) => {
    for (let n = 0; n < 60; n++) await change(gid, random);
  };
  await Promise.all([writer(random.fork()), writer(random.fork())]);
  await setGroup(db, viewer, { gid, active: true, permissions: { send: 'SELECTED' } });
  // Behind these nobody is asked about again whom a change did not concern.
  for (let n = 0; n < 20; n++) await change(gid, random, 'members');
  await editGroupMembers(db, viewer, { gid, remove: NAMES.filter((_, n) => n % 2 === 1) });
  for (const watch of watches) {
    // Who may not ask in the end was told so; who might not in between may have been.
    const isRight = async () => {
      const now = await nowOf(watch, gid);
      if (watch.ended !== undefined) return watch.ended === 'LEFT_GROUP' && watch.viewer.address !== null;
      return now !== null && now === toldOf(watch);
    };
    await until(isRight, () => ({ seed, ...watch, states: watch.states.slice(-2) }));
  }
  expect(watches.filter(({ viewer, ended }) => viewer.address === null && ended !== undefined)).toEqual([]);
  expect(watches.reduce((sum, { states }) => sum + states.length, 0)).toBeGreaterThan(watches.length * 2);
});

test(`each watcher of memberships has the groups that it is in (seed ${seed})`, async () => {
  const { appId } = viewer;
  const gids = await Promise.all(
    [1, 2, 3, 4].map(async () => String((await addGroup(db, viewer, { members: [{ addresses: NAMES }] })).group.gid)),
  );
  const watches = hubs.flatMap((hub) =>
    NAMES.map((address) => {
      const groups = new Set<number>();
      const stream = watchMemberships(hub, viewer, { address, snapshot: true });
      const take = ({ kind, gid }: MembershipEvent) => {
        if (kind === 'JOINED' || kind === 'UPDATED') groups.add(gid as number);
        if (kind === 'LEFT' || kind === 'GROUP_DELETED') groups.delete(gid as number);
      };
      void (async () => {
        for await (const event of stream) {
          take(event);
          // Some read slowly.
          if (address.endsWith('1')) await new Promise((resolve) => setTimeout(resolve, 30));
        }
      })().catch(() => {}); // the hub stops
      return { address, groups };
    }),
  );
  const writer = async (random: Random) => {
    for (let n = 0; n < 80; n++) await change(random.pick(gids), random);
  };
  await Promise.all([writer(random.fork()), writer(random.fork())]);
  const rows = await sql<{ address: string; gids: number[] }>(
    db,
    `select m.address, array_agg(m.gid order by m.gid) as gids from members m join groups g using (app_id, gid)
      where m.app_id = $1 and g.deleted_at is null group by m.address`,
    [appId],
  );
  const truth = new Map(rows.map(({ address, gids }) => [address, gids.map(Number).join()]));
  for (const { address, groups } of watches) {
    const has = () => [...groups].sort((a, b) => a - b).join();
    await until(
      () => has() === (truth.get(address) ?? ''),
      () => ({ seed, address, has: has(), is: truth.get(address) }),
    );
  }
});
