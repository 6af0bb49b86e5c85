/** Who watches over GraphQL sees what is done over the op endpoint. */
import { expect, test } from 'vitest';
import { APP_CHANGES, listen, watchOver } from '../setup/watch.ts';
import { openOps } from './setup.ts';

const ops = await openOps();
const server = await listen(ops.gateway);

test('a group, its members and its end, each as it comes', async () => {
  const app = await ops.app();
  const watch = watchOver('websocket', server, app.token, APP_CHANGES, {});
  await watch.ready();
  const made = await app.json({ op: 'groupadd', group: { name: 'N', members: { m: 'ann,bob' } } });
  const gid = String(made['group'].gid);
  await app.form({ op: 'groupset', gid, name: 'M', m: 'bob,cem', cs: 0 });
  await app.json({ op: 'userdel', user: { address: 'bob' } });
  await app.json({ op: 'groupdel', group: { gid } });
  await watch.until(() => watch.records.some(({ __typename }) => __typename === 'GroupDeleted'));
  const member = (address: string, send = true) => ({ address, present: true, permissions: { send, recv: true } });
  expect(watch.records).toMatchObject([
    { __typename: 'GroupAdded', gid, version: 1, actor: null, settings: { name: 'N' } },
    { __typename: 'MembersAdded', gid, version: 2, members: [member('ann'), member('bob')], memberCount: 2 },
    { __typename: 'GroupUpdated', gid, version: 3, changed: ['name'], settings: { name: 'M' } },
    { __typename: 'MembersRemoved', gid, version: 4, addresses: ['ann'], memberCount: 1 },
    { __typename: 'MembersAdded', gid, version: 5, members: [member('cem', false)], memberCount: 2 },
    { __typename: 'MembersUpdated', gid, version: 6, members: [member('bob', false)], memberCount: 2 },
    { __typename: 'MembersRemoved', gid, version: 7, addresses: ['bob'], memberCount: 1 },
    { __typename: 'GroupDeleted', gid, version: 8, actor: null },
  ]);
});
