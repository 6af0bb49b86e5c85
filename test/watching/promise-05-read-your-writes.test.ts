import { expect, test } from 'vitest';
import { openTestGateway } from '../setup/gateway.ts';
import { GROUP_CHANGES, listen, watchOver } from '../setup/watch.ts';
import { addGroup, deleteGroup, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);

test('promise 5, read your writes: a stream from a cursor before it has the change with the payload’s cursor', async () => {
  const caller = await gateway.caller();
  const added = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const { gid } = added;
  const payloads = [
    await setGroup(caller, { gid, name: 'two', members: [{ addresses: ['bob'] }] }),
    await editMembers(caller, { gid, add: [{ addresses: ['eve'] }], remove: ['ann'] }),
    await setGroup(caller, { gid, active: false }),
  ];
  expect(payloads.map(({ cursor, group }) => cursor === group.cursor)).toEqual([true, true, true]);
  const deleted = await deleteGroup(caller, gid);
  const watch = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, after: added.cursor });
  expect(await watch.end).toBe('complete');
  const seen = watch.events.map(({ cursor }) => cursor);
  const places = [...payloads, deleted].map(({ cursor }) => seen.indexOf(cursor));
  expect(places).toEqual([1, 3, 4, 5]);
});

test('promise 5: each payload’s cursor is the one before the next change, and a repetition has the cursor of the first', async () => {
  const caller = await gateway.caller();
  const { gid } = await addGroup(caller);
  const first = await setGroup(caller, { gid, name: 'once', idempotencyKey: 'k' });
  const second = await setGroup(caller, { gid, name: 'twice' });
  expect((await setGroup(caller, { gid, name: 'once', idempotencyKey: 'k' })).cursor).toBe(first.cursor);
  const watch = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid, after: first.cursor });
  await watch.ready();
  expect(watch.records).toMatchObject([{ cursor: second.cursor, settings: { name: 'twice' } }]);
  await watch.stop();
});
