import { expect, test } from 'vitest';
import { openTestGateway } from '../setup/gateway.ts';
import { GROUP_CHANGES, listen, TRANSPORTS, watchOver } from '../setup/watch.ts';
import { addGroup, deleteGroup, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);
const caller = await gateway.caller();

const yes = { send: true, recv: true, pub: true, sub: true, list: true };
const member = (address: string, given: object = {}) => ({ address, messageType: 0, present: true, permissions: yes, ...given });

test.each(TRANSPORTS)('promise 1, a record a change, over %s', async (transport) => {
  const { gid } = await addGroup(caller, { name: 'one', members: [{ addresses: ['ann', 'bob'] }] });
  const watch = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid });
  await watch.ready();
  await setGroup(caller, {
    gid,
    name: 'two',
    members: [{ addresses: ['bob'], permissions: { send: false } }, { addresses: ['eve'] }],
  });
  await editMembers(caller, { gid, remove: ['ann'], add: [{ addresses: ['zoe'], admin: { modify: true } }] });
  await setGroup(caller, { gid, messageType: 7, permissions: { send: 'SELECTED' } });
  await editMembers(caller, { gid, messageType: 7, add: [{ addresses: ['bob'] }] });
  await editMembers(caller, { gid, messageType: 7, remove: ['bob'] });
  await setGroup(caller, { gid, messageType: 7, permissions: null });
  await deleteGroup(caller, gid);
  expect(await watch.end).toBe('complete');

  expect(watch.events[0]).toMatchObject({ __typename: 'Ready', gid, version: 2 });
  expect(watch.records).toMatchObject([
    { __typename: 'GroupUpdated', version: 3, changed: ['name'], settings: { name: 'two' }, actor: null },
    { __typename: 'MembersAdded', version: 4, members: [member('eve')], memberCount: 3 },
    { __typename: 'MembersUpdated', version: 5, members: [member('bob', { permissions: { ...yes, send: false } })] },
    { __typename: 'MembersRemoved', version: 6, addresses: ['ann'], memberCount: 2 },
    { __typename: 'MembersAdded', version: 7, members: [member('zoe', { admin: { owner: false, admin: false, modify: true } })] },
    {
      __typename: 'GroupUpdated',
      version: 8,
      changed: expect.arrayContaining(['permissions(7).send']),
      settings: { messageTypes: [7], typed: { send: 'SELECTED', recv: 'MEMBERS' } },
    },
    { __typename: 'MembersUpdated', version: 9, members: [{ address: 'bob', messageType: 7, present: true }], memberCount: 3 },
    { __typename: 'MembersUpdated', version: 10, members: [{ address: 'bob', messageType: 7, present: false }], memberCount: 3 },
    {
      __typename: 'GroupUpdated',
      version: 11,
      changed: expect.arrayContaining(['permissions(7)']),
      settings: { messageTypes: [], typed: null },
    },
    { __typename: 'GroupDeleted', version: 12, gid },
  ]);
});

test('promise 1: settings and members are those of the version, `group` is the group as it is now', async () => {
  const { gid, cursor } = await addGroup(caller, { name: 'first' });
  await setGroup(caller, { gid, name: 'second', validity: { duration: 60 } });
  await setGroup(caller, { gid, name: 'third', callSettings: { maxDuration: 5 }, permissions: { send: 'ANYONE' } });
  const watch = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  await watch.ready();
  expect(watch.records).toMatchObject([
    { settings: { name: 'second' }, changed: ['name', 'validity.expiresAt'], group: { gid, version: 3 } },
    {
      settings: { name: 'third', callSettings: { maxDuration: 5 }, permissions: { send: 'ANYONE' } },
      changed: expect.arrayContaining(['name', 'callSettings.maxDuration', 'permissions.send']),
    },
  ]);
  await deleteGroup(caller, gid);
  await watch.end;
  const late = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  expect(await late.end).toBe('complete');
  expect(late.records.map(({ group }) => group)).toEqual([null, null, undefined]);
});

test('promise 1: the actor is the user, and a change that changes nothing has no record', async () => {
  const { gid } = await addGroup(caller, { name: 'same', members: [{ addresses: ['ann'], admin: { modify: true } }] });
  const ann = await caller.user('ann');
  const watch = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid });
  await watch.ready();
  const before = await setGroup(caller, { gid, name: 'same' });
  expect(before.cursor).toBe(watch.events[0]?.['cursor']);
  await editMembers(caller, { gid, remove: ['nobody'] });
  await setGroup(ann, { gid, name: 'by ann' });
  await watch.until((events) => events.length === 2);
  expect(watch.records).toMatchObject([{ __typename: 'GroupUpdated', version: 3, actor: 'ann' }]);
  await watch.stop();
});
