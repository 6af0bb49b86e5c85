import { pino } from 'pino';
import { expect, test } from 'vitest';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { watchGroup } from '../../src/changes/streams/watch-group.ts';
import type { Database } from '../../src/db/client.ts';
import { readGid } from '../../src/model/gid.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { altered } from '../setup/interrupted.ts';
import { GROUP_CHANGES, listen, TRANSPORTS, watchOver } from '../setup/watch.ts';
import { addGroup, addresses, deleteGroup, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);
const caller = await gateway.caller();

test.each(TRANSPORTS)('promise 4, snapshot, then live, over %s', async (transport) => {
  const { gid } = await addGroup(caller, { name: 'big', members: [{ addresses: addresses(2_300) }] });
  await setGroup(caller, { gid, messageType: 7, permissions: { send: 'SELECTED' } });
  await editMembers(caller, { gid, messageType: 7, add: [{ addresses: addresses(3), permissions: { recv: false } }] });
  const watch = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid, snapshot: true });
  await watch.ready();
  expect(watch.events.map(({ __typename, page, version }) => [__typename, page, version])).toEqual([
    ['GroupSnapshot', 1, 6],
    ['GroupSnapshot', 2, 6],
    ['GroupSnapshot', 3, 6],
    ['GroupSnapshot', 4, 6],
    ['Ready', undefined, 6],
  ]);
  const members = watch.events.flatMap(({ members = [] }) => members);
  expect(members.filter(({ messageType }) => messageType === 0).map(({ address }) => address)).toEqual(addresses(2_300));
  expect(members.filter(({ messageType }) => messageType === 7)).toMatchObject(
    addresses(3).map((address) => ({ address, present: true, permissions: { send: true, recv: false } })),
  );
  expect(watch.events.every(({ members = [] }) => members.length <= 1_000)).toBe(true);
  expect(watch.events[0]).toMatchObject({ settings: { name: 'big', messageTypes: [7] } });
  await editMembers(caller, { gid, remove: addresses(1) });
  await watch.until((events) => events.length === 6);
  expect(watch.last).toMatchObject({ __typename: 'MembersRemoved', version: 7 });
  await watch.stop();
});

test('promise 4: a page’s cursor stands before the snapshot, who presents it gets a whole new one', async () => {
  const { gid } = await addGroup(caller, { members: [{ addresses: addresses(1_500) }] });
  const cut = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, snapshot: true });
  await cut.until((events) => events.length > 0);
  await cut.stop();
  const { cursor } = cut.events[0] as { cursor: string };
  await editMembers(caller, { gid, remove: addresses(600) });
  const again = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  await again.ready();
  expect(again.events.map(({ __typename, page, version }) => [__typename, page, version])).toEqual([
    ['GroupSnapshot', 1, 4],
    ['Ready', undefined, 4],
  ]);
  expect(again.events[0]?.['members']).toHaveLength(900);
  const beyond = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid, after: again.last?.['cursor'] });
  await beyond.ready();
  expect(beyond.events).toHaveLength(1);
  await Promise.all([again.stop(), beyond.stop()]);
});

test('promise 4: an empty group has one page; without snapshot and after, Ready comes first at the present version', async () => {
  const { gid, cursor } = await addGroup(caller, { name: 'empty' });
  const snapshot = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, snapshot: true });
  await snapshot.ready();
  expect(snapshot.events).toMatchObject([
    { page: 1, members: [] },
    { __typename: 'Ready', cursor },
  ]);
  const plain = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid });
  await plain.ready();
  expect(plain.events).toMatchObject([{ __typename: 'Ready', version: 1, cursor }]);
  await Promise.all([snapshot.stop(), plain.stop()]);
});

test('promise 4: a change committed after Ready was sent is never missed', async () => {
  const { gid } = await addGroup(caller);
  for (let round = 1; round <= 25; round++) {
    const watch = watchOver(round % 2 ? 'sse' : 'websocket', server, caller.token, GROUP_CHANGES, { gid });
    await watch.ready();
    const { cursor } = await setGroup(caller, { gid, name: `round ${round}` });
    await watch.until((events) => events.length === 2);
    expect(watch.last).toMatchObject({ cursor });
    await watch.stop();
  }
});

test('promise 4: an unknown group has no stream, nor a deleted or foreign one', async () => {
  const { gid } = await addGroup(caller);
  await deleteGroup(caller, gid);
  const foreign = await addGroup(await gateway.caller());
  for (const unknown of [gid, foreign.gid, '999999999', 'x', '']) {
    for (const transport of TRANSPORTS) {
      const watch = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid: unknown, snapshot: transport === 'sse' });
      expect(await watch.end).toBe('GROUP_NOT_FOUND');
    }
  }
});

/** A hub that hears of nothing, with what a stream of it gives up to Ready; `during` runs before each statement. */
async function untilReady(gid: string, during: (name: string, pages: number) => Promise<unknown>): Promise<unknown[]> {
  let pages = 0;
  const query: Database['query'] = async (statement, ...given) => {
    if (statement.name === 'snapshot_members') pages++;
    await during(statement.name, pages);
    return gateway.db.query(statement, ...given);
  };
  const log = pino({ level: 'silent' });
  const hub = new WatchHub({ db: altered(gateway.db, { query }), log, hints: false, pollInterval: 3_600_000 });
  const told: unknown[] = [];
  for await (const event of watchGroup(hub, caller.viewer, { gid: readGid(gid), snapshot: true })) {
    if (event.type === 'change') told.push([event.record.kind, event.record.version]);
    else told.push([event.type, event.version]);
    if (event.type === 'ready') break;
  }
  hub.stop();
  return told;
}

test('promise 4: Ready comes behind every change that the pages show, heard of or not', async () => {
  const { gid } = await addGroup(caller, { members: [{ addresses: addresses(1_500) }] });
  let written = false;
  const told = await untilReady(gid, async (name, pages) => {
    if (name !== 'snapshot_members' || pages < 2 || written) return;
    written = true;
    await editMembers(caller, { gid, add: [{ addresses: ['zzz'] }] });
    await editMembers(caller, { gid, remove: ['member001401'] });
  });
  expect(told).toEqual([
    ['snapshot', 3],
    ['snapshot', 3],
    ['MEMBERS_ADDED', 4],
    ['MEMBERS_REMOVED', 5],
    ['ready', 5],
  ]);
});

test('promise 4: Ready comes behind what is committed while the last page is read', async () => {
  const { gid } = await addGroup(caller, { members: [{ addresses: ['ann', 'bob'] }] });
  const told = await untilReady(gid, async (name) => {
    if (name === 'snapshot_members') await editMembers(caller, { gid, remove: ['bob'] });
  });
  expect(told).toEqual([
    ['snapshot', 2],
    ['MEMBERS_REMOVED', 3],
    ['ready', 3],
  ]);
});
