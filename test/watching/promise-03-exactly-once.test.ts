import { expect, test } from 'vitest';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { APP_CHANGES, GROUP_CHANGES, listen, TRANSPORTS, type WatchedEvent, watchOver } from '../setup/watch.ts';
import { addGroup, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);

test.each(TRANSPORTS)('promise 3, exactly once from a cursor: connections that end anywhere, over %s', async (transport) => {
  const caller = await gateway.caller();
  const { gid, cursor } = await addGroup(caller);
  const writing = (async () => {
    for (let n = 0; n < 60; n++) {
      if (n % 3) await setGroup(caller, { gid, name: `name ${n}` });
      else await editMembers(caller, { gid, add: [{ addresses: [`member ${n}`] }] });
    }
  })();
  const got: WatchedEvent[] = [];
  let after = cursor;
  for (let length = 1; got.length < 60; length = (length % 7) + 1) {
    const watch = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid, after });
    const wanted = Math.min(length, 60 - got.length);
    await watch.until(() => watch.records.length >= wanted);
    await watch.stop();
    got.push(...watch.records.slice(0, wanted));
    after = got.at(-1)?.['cursor'];
  }
  await writing;
  expect(got.map(({ version }) => version)).toEqual(Array.from({ length: 60 }, (_, index) => index + 2));
  const rest = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid, after });
  await rest.ready();
  expect(rest.records).toEqual([]);
  await rest.stop();
});

test('promise 3: what happens while nobody is connected comes first, then Ready, then what happens live', async () => {
  const caller = await gateway.caller();
  const { gid, cursor } = await addGroup(caller, { name: 'v1' });
  await setGroup(caller, { gid, name: 'v2' });
  await setGroup(caller, { gid, name: 'v3' });
  const watch = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  await watch.ready();
  await setGroup(caller, { gid, name: 'v4' });
  await watch.until((events) => events.length === 4);
  expect(watch.events.map(({ __typename, version }) => [__typename, version])).toEqual([
    ['GroupUpdated', 2],
    ['GroupUpdated', 3],
    ['Ready', 3],
    ['GroupUpdated', 4],
  ]);
  await watch.stop();
});

test('promise 3: a cursor is good on another gateway, and after this one has stopped', async () => {
  const first = gatewayOn(gateway.db);
  const stopped = await listen(first);
  const caller = await first.caller();
  const { gid, cursor } = await addGroup(caller, { name: 'v1' });
  const watch = watchOver('sse', stopped, caller.token, GROUP_CHANGES, { gid, after: cursor });
  await setGroup(caller, { gid, name: 'v2' });
  await watch.until(() => watch.records.length === 1);
  await stopped.stop();
  await watch.end;
  await setGroup(caller, { gid, name: 'v3' });
  const next = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid, after: watch.records[0]?.['cursor'] });
  await next.ready();
  expect(next.records.map(({ version }) => version)).toEqual([3]);
  await next.stop();
});

test('promise 3: the stream of an app gives every group’s records once and in their order', async () => {
  const caller = await gateway.caller();
  const begin = watchOver('sse', server, caller.token, APP_CHANGES);
  await begin.ready();
  expect(begin.events).toMatchObject([{ __typename: 'Ready', gid: null, version: null }]);
  const { cursor } = begin.events[0] as { cursor: string };
  await begin.stop();
  const groups = await Promise.all(Array.from({ length: 5 }, (_, n) => addGroup(caller, { name: `group ${n}` })));
  const writing = Promise.all(
    groups.map(async ({ gid }) => {
      for (let n = 0; n < 10; n++) await setGroup(caller, { gid, name: `name ${n}` });
    }),
  );
  const got: WatchedEvent[] = [];
  for (let after = cursor; got.length < 55; after = got.at(-1)?.['cursor']) {
    const watch = watchOver('websocket', server, caller.token, APP_CHANGES, { after });
    await watch.until(() => watch.records.length >= Math.min(9, 55 - got.length));
    await watch.stop();
    got.push(...watch.records);
  }
  await writing;
  for (const { gid } of groups) {
    const versions = got.filter((event) => event['gid'] === gid).map(({ version }) => version);
    expect(versions).toEqual(Array.from({ length: 11 }, (_, index) => index + 1));
  }
  const other = await gateway.caller();
  const foreign = watchOver('sse', server, other.token, APP_CHANGES);
  await foreign.ready();
  await setGroup(caller, { gid: groups[0]?.gid as string, name: 'not for others' });
  const own = await addGroup(other);
  await foreign.until((events) => events.length === 2);
  expect(foreign.last).toMatchObject({ __typename: 'GroupAdded', gid: own.gid });
  await foreign.stop();
});
