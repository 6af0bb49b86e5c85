import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Caller, openTestGateway } from '../setup/gateway.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { listen, type Watch, watchOver } from '../setup/watch.ts';
import { addGroup, editMembers, setGroup } from './setup.ts';

const recorder = new StatementRecorder();
const config = { watching: { pollInterval: 3_600_000 } };
const gateway = await openTestGateway({ observe: recorder.observe, config });
const server = await listen(gateway);

const NAMES = 'groupChanges(gid: $gid) { __typename version ... on GroupUpdated { group { name messageTypes } } }';

/** All statements that a change costs that is delivered, but for those of tokens. */
async function statementsOf(watches: Watch[], change: () => Promise<unknown>): Promise<string[]> {
  for (const watch of watches) await watch.ready();
  const from = recorder.statements.length;
  await change();
  for (const watch of watches) await watch.until(() => watch.records.length > 0);
  const names = recorder.statements.slice(from).map(({ name }) => name);
  for (const watch of watches) await watch.stop();
  return names.filter((name) => !/^(token_|revocation)/.test(name)).sort();
}

test('50 applications that select the group cost no more statements a change than one, and see what is so now', async () => {
  const caller = await gateway.caller();
  const { gid } = await addGroup(caller);
  const watchers = (count: number) =>
    Array.from({ length: count }, (_, n) =>
      watchOver(n % 2 ? 'websocket' : 'sse', server, caller.token, `subscription ($gid: ID!) { ${NAMES} }`, { gid }),
    );
  const one = await statementsOf(watchers(1), () => setGroup(caller, { gid, name: 'one' }));
  const fifty = watchers(50);
  expect(await statementsOf(fifty, () => setGroup(caller, { gid, name: 'fifty' }))).toEqual(one);
  expect(one).toContain('groups_find_one');
  for (const { records } of fifty) expect(records).toMatchObject([{ group: { name: 'fifty', messageTypes: [] } }]);
});

test('the group beside a record is what it is now, and for whom', async () => {
  const caller = await gateway.caller();
  const { gid, cursor } = await addGroup(caller, { members: [{ addresses: ['alice'] }] });
  const alice = await caller.user('alice');
  const query = `subscription ($gid: ID!, $after: Cursor) { ${NAMES.replace('$gid', '$gid, after: $after')} }`;
  const watch = ({ token }: Caller) => watchOver('sse', server, token, query, { gid, after: cursor });
  const first = watch(caller);
  await first.ready();
  await setGroup(caller, { gid, name: 'two' });
  await first.until(() => first.records.length === 1);
  await editMembers(caller, { gid, remove: ['alice'] });
  const removed = watch(alice);
  expect(await removed.end).toBe('LEFT_GROUP');
  expect(removed.records[0]).toEqual({ __typename: 'GroupUpdated', version: 3, group: null });
  await setGroup(caller, { gid, name: 'four' });
  await sleep(1_100);
  const late = watch(caller);
  await late.ready();
  expect(late.records[0]).toMatchObject({ version: 3, group: { name: 'four' } });
  for (const each of [first, late]) await each.stop();
});
