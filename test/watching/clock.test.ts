import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { watchApp } from '../../src/changes/streams/watch-app.ts';
import { watchGroup } from '../../src/changes/streams/watch-group.ts';
import { watchMemberships } from '../../src/changes/streams/watch-memberships.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup } from '../../src/groups/operations.ts';
import { gidOf } from '../../src/model/gid.ts';
import { atEnd } from '../setup/at-end.ts';
import { createViewer, openTestDatabase } from '../setup/database.ts';
import { altered } from '../setup/interrupted.ts';
import { until } from '../setup/watch.ts';

const db = await openTestDatabase();
const { viewer } = await createViewer(db);
const { gid } = (await addGroup(db, viewer, { members: [{ addresses: ['ann'] }] })).group;
const HOUR = 3_600_000;

/** A hub on a database whose clock is ahead of ours, and how often that was read. */
function openHub(pollInterval: number) {
  const clock = { ahead: HOUR, read: 0 };
  const query = (async (statement, ...given) => {
    if (statement.name !== 'hub_clock') return db.query(statement, ...given);
    clock.read++;
    return [{ now: new Date(Date.now() + clock.ahead) }];
  }) as Database['query'];
  const hub = new WatchHub({ db: altered(db, { query }), log: pino({ level: 'silent' }), pollInterval });
  atEnd(() => hub.stop());
  return { hub, clock };
}

const begin = (hub: WatchHub) => [
  watchGroup(hub, viewer, { gid: gidOf(gid) }),
  watchGroup(hub, viewer, { gid: gidOf(gid), snapshot: true }),
  watchApp(hub, viewer),
  watchMemberships(hub, viewer, { address: 'ann' }),
];

async function hoursAhead(stream: ReturnType<typeof begin>[number]): Promise<number> {
  const { value } = await stream.next();
  return Math.round((value as unknown as { at: Date }).at.getTime() / HOUR - Date.now() / HOUR);
}

test('what a stream begins with has the time by the database’s clock, which is read once for all', async () => {
  const { hub, clock } = openHub(HOUR);
  const streams = Array.from({ length: 20 }, () => begin(hub)).flat();
  expect(new Set(await Promise.all(streams.map(hoursAhead)))).toEqual(new Set([1]));
  expect(clock.read).toBe(1);
  for (const stream of streams) await stream.return();
});

test('the clock is read again while streams are open, and with the first stream after a while without one', async () => {
  const { hub, clock } = openHub(20);
  const first = watchGroup(hub, viewer, { gid: gidOf(gid) });
  expect(await hoursAhead(first)).toBe(1);
  await until(() => clock.read > 3);
  await first.return();
  clock.ahead = 5 * HOUR;
  const read = clock.read;
  await sleep(100); // it polls, and nothing is to be read
  expect(clock.read - read).toBeLessThanOrEqual(1);
  expect(await hoursAhead(watchGroup(hub, viewer, { gid: gidOf(gid) }))).toBe(5);
});
