import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openTestGateway } from '../setup/gateway.ts';
import {
  APP_CHANGES,
  GROUP_CHANGES,
  isCheckpoint,
  listen,
  MEMBERSHIP_CHANGES,
  settled,
  TRANSPORTS,
  until,
  type Watch,
  watchOver,
} from '../setup/watch.ts';
import { addGroup, setGroup } from './setup.ts';

const gateway = await openTestGateway({ config: { watching: { checkpointInterval: 100 } } });
const server = await listen(gateway);

const checkpoints = (watch: Watch) => watch.events.filter(isCheckpoint);

test.each(TRANSPORTS)('promise 6, idle is not silence: Checkpoints bear the current cursor, over %s', async (transport) => {
  const caller = await gateway.caller();
  const { gid } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  await settled(gateway.db);
  const group = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid });
  const app = watchOver(transport, server, caller.token, APP_CHANGES);
  const memberships = watchOver(transport, server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann' });
  for (const watch of [group, app, memberships]) await until(() => checkpoints(watch).length >= 3);
  const { cursor } = await setGroup(caller, { gid, name: 'two' });
  await until(() => checkpoints(group).some((event) => event['version'] === 3));
  expect(group.last).toMatchObject({ cursor });
  expect(checkpoints(group)[0]).toMatchObject({ gid, version: 2, cursor: group.events[0]?.['cursor'] });
  expect(checkpoints(app)[0]).toMatchObject({ gid: null, version: null });
  await until(() => checkpoints(app).some((event) => event['cursor'] === app.records[0]?.['cursor']));
  for (const [query, watch] of [
    [APP_CHANGES, app],
    [MEMBERSHIP_CHANGES, memberships],
  ] as const) {
    const resumed = watchOver(transport, server, caller.token, query, { address: 'ann', after: watch.last?.['cursor'] });
    await resumed.ready();
    await resumed.stop();
  }
  await Promise.all([group.stop(), app.stop(), memberships.stop()]);
});

test('promise 6: a stream of memberships has Checkpoints while only others change', async () => {
  const caller = await gateway.caller();
  const { gid } = await addGroup(caller);
  const watch = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, { address: 'idle' });
  await watch.ready();
  let busy = true;
  const writing = (async () => {
    for (let n = 0; busy; n++) {
      await setGroup(caller, { gid, name: `name ${n}` });
      await sleep(5);
    }
  })();
  const positions = () => new Set(checkpoints(watch).map(({ cursor }) => cursor)).size;
  await until(() => positions() > 1);
  busy = false;
  await writing;
  await watch.stop();
});
