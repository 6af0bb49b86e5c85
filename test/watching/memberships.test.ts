import { expect, test } from 'vitest';
import { encodeMembershipsCursor } from '../../src/changes/log/cursor.ts';
import type { MarkedPosition } from '../../src/changes/log/read.ts';
import { sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { listen, MEMBERSHIP_CHANGES, settled, TRANSPORTS, type WatchedEvent, watchOver } from '../setup/watch.ts';
import { addGroup, deleteGroup, editMembers } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);

const told = (events: WatchedEvent[]) => events.map(({ kind, gid }) => [kind, gid]);

test.each(TRANSPORTS)('the memberships of an address, live and from a cursor, over %s', async (transport) => {
  const caller = await gateway.caller();
  const old = await addGroup(caller, { members: [{ addresses: ['ann', 'bob'] }] });
  await settled(gateway.db);
  const watch = watchOver(transport, server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann', snapshot: true });
  await watch.ready();
  expect(told(watch.events)).toEqual([
    ['JOINED', old.gid],
    ['READY', null],
  ]);
  const ready = watch.last?.['cursor'];
  const made = await addGroup(caller, { members: [{ addresses: ['bob', 'ann'] }] });
  const gone = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  await editMembers(caller, { gid: old.gid, update: [{ addresses: ['ann'], permissions: { send: false } }] });
  await editMembers(caller, { gid: old.gid, remove: ['bob'] });
  await editMembers(caller, { gid: made.gid, remove: ['ann'] });
  await deleteGroup(caller, gone.gid);
  await watch.until((events) => events.at(-1)?.['kind'] === 'GROUP_DELETED');
  expect(told(watch.events.slice(2))).toEqual([
    ['JOINED', made.gid],
    ['JOINED', gone.gid],
    ['UPDATED', old.gid],
    ['LEFT', made.gid],
    ['GROUP_DELETED', gone.gid],
  ]);
  expect(watch.events[4]).toMatchObject({ member: { address: 'ann', permissions: { send: false } }, group: { gid: old.gid } });
  await watch.stop();

  const late = watchOver(transport, server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann', after: ready });
  await late.ready();
  expect(told(late.events)).toEqual([
    ['UPDATED', old.gid],
    ['LEFT', made.gid],
    ['GROUP_DELETED', gone.gid],
    ['READY', null],
  ]);
  expect(late.events[0]).toMatchObject({ member: { permissions: { send: false } } });
  await late.stop();
  const nothing = watchOver(transport, server, caller.token, MEMBERSHIP_CHANGES, {
    address: 'ann',
    after: late.last?.['cursor'],
  });
  await nothing.ready();
  expect(told(nothing.events)).toEqual([['READY', null]]);
  await nothing.stop();
});

test('a snapshot’s cursor stands before it: who presents it gets a whole new one', async () => {
  const caller = await gateway.caller();
  const { gid } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const left = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const watch = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann', snapshot: true });
  await watch.ready();
  await watch.stop();
  await editMembers(caller, { gid: left.gid, remove: ['ann'] });
  const again = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, {
    address: 'ann',
    after: watch.events[0]?.['cursor'],
  });
  await again.ready();
  expect(told(again.events)).toEqual([
    ['JOINED', gid],
    ['READY', null],
  ]);
  await again.stop();
});

test('a cursor in the middle of a transaction loses nothing of it', async () => {
  const caller = await gateway.caller();
  const { appId } = caller.viewer;
  const { gid } = await addGroup(caller, { members: [{ addresses: ['zoe'] }] });
  // Behind GroupAdded, before MembersAdded: where a gateway stands that has read no further yet.
  const [added] = await sql<MarkedPosition>(
    gateway.db,
    'select generation, xid, id, mark from changes where app_id = $1 order by id limit 1',
    [appId],
  );
  const after = encodeMembershipsCursor(appId, 'zoe', added as MarkedPosition, added?.mark ?? 0);
  const watch = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, { address: 'zoe', after });
  await watch.ready();
  expect(told(watch.events)).toEqual([
    ['JOINED', gid],
    ['READY', null],
  ]);
  await watch.stop();
});
