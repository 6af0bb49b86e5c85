/** The sets of message types in change records: few in each, all to be found. */
import { expect, test } from 'vitest';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { operationsOf } from './setup/operations.ts';
import { StatementRecorder } from './setup/recorder.ts';
import { listen, watchOver } from './setup/watch.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe, config: { watching: { pollInterval: 3_600_000 } } });
const { db } = gateway;
const caller = await gateway.caller();
const { make, change } = operationsOf(caller);

const putSets = (gid: string, count: number) =>
  sql(
    db,
    'insert into group_types (app_id, gid, message_type, send, recv) select app_id, gid, n, 1, 0 from groups, generate_series(1, $2::int) n where gid = $1',
    [gid, count],
  );

const HISTORY = `query ($gid: ID!, $last: Int!) { group(gid: $gid) { changes(last: $last, kinds: [GROUP_UPDATED]) { edges { node { version
  ... on GroupUpdated { settings { messageTypes permissions(messageType: 5) { send } name } changed } } } } } }`;

/** What the history says of the last records: by version, how many message types, whether it has one, and who may send of 5. */
async function historyOf(gid: string, last: number) {
  const { data, errors } = await caller.send(HISTORY, { gid, last });
  expect(errors).toBeUndefined();
  type Node = { version: number; settings: { messageTypes: number[]; permissions: { send: string } | null } };
  const edges = data?.['group'].changes.edges as { node: Node }[];
  return edges.map(({ node: { version, settings } }) => ({
    version,
    types: settings.messageTypes.join(),
    five: settings.permissions?.send ?? null,
  }));
}

const bytesOf = (gid: string) =>
  sql<{ version: number; bytes: number; whole: boolean }>(
    db,
    `select version, octet_length(data::text) as bytes, data->'settings' ? 'types' as whole from changes where gid = $1 order by version`,
    [gid],
  );

/** Changes of a group's message types, with what it has after each. */
async function changeMany(gid: string, count: number, first: number) {
  const types = new Map(Array.from({ length: first }, (_, n) => [n + 1, 'SELECTED']));
  const expected: { version: number; types: string; five: string | null }[] = [];
  for (let n = 0; n < count; n++) {
    const messageType = n % 4 === 0 ? 5 : n % 4 === 1 ? 700 + n : 10 + n;
    const send = (['MEMBERS', 'ANYONE', 'SELECTED'] as const)[n % 3] ?? 'MEMBERS';
    if (n % 7 === 6) await change({ gid, name: `name ${n}` });
    else if (n % 5 === 4) {
      if (!types.delete(messageType)) continue;
      await change({ gid, messageType, permissions: null });
    } else {
      if (types.get(messageType) === send) continue;
      types.set(messageType, send);
      await change({ gid, messageType, permissions: { send } });
    }
    const version = expected.length + 2;
    const ordered = [...types.keys()].sort((a, b) => a - b);
    expected.push({ version, types: ordered.join(), five: types.get(5) ?? null });
  }
  return expected;
}

test('a record of a group with many sets bears those that changed, and the history has all of each version', async () => {
  const { gid } = await make();
  await putSets(gid, 600);
  const expected = await changeMany(gid, 120, 600);
  expect(expected.length).toBeGreaterThan(100);
  expect(await historyOf(gid, expected.length)).toEqual(expected);
  const sizes = (await bytesOf(gid)).slice(1);
  const whole = sizes.filter((record) => record.whole);
  // One in 64 of those that changed sets.
  expect(whole.length).toBeGreaterThanOrEqual(1);
  expect(whole.length).toBeLessThanOrEqual(2);
  for (const { bytes } of whole) expect(bytes).toBeGreaterThan(600 * 9);
  for (const { bytes, whole } of sizes) if (!whole) expect(bytes).toBeLessThan(700);
  await caller.send('mutation ($gid: ID!) { groupDel(input: { gid: $gid }) { __typename } }', { gid });
});

test('a group with few has all in each record, on the way to many and back', async () => {
  const { gid } = await make();
  await putSets(gid, 14);
  const sets = Array.from({ length: 6 }, (_, n) => n + 1);
  const expected: string[] = [];
  const types = new Set(Array.from({ length: 14 }, (_, n) => n + 1));
  for (const n of sets) {
    await change({ gid, messageType: 100 + n, permissions: { send: 'MEMBERS' } });
    expected.push([...types.add(100 + n)].sort((a, b) => a - b).join());
  }
  for (const n of sets) {
    types.delete(n);
    await change({ gid, messageType: n, permissions: null });
    expected.push([...types].sort((a, b) => a - b).join());
  }
  expect((await historyOf(gid, 12)).map(({ types }) => types)).toEqual(expected);
  expect((await bytesOf(gid)).filter(({ whole }) => !whole)).toHaveLength(4 + 3);
});

test('records from before are read as they are', async () => {
  const { gid } = await make();
  await change({ gid, messageType: 5, permissions: { send: 'SELECTED' } });
  await change({ gid, messageType: 7, permissions: { send: 'SELECTED' } });
  await sql(db, `update changes set data = (data - 'sets') #- '{settings,typeCount}' where gid = $1`, [gid]);
  await putSets(gid, 3);
  await sql(db, 'update group_types set send = 0 where gid = $1', [gid]);
  expect(await historyOf(gid, 2)).toEqual([
    { version: 2, types: '5', five: 'SELECTED' },
    { version: 3, types: '5,7', five: 'SELECTED' },
  ]);
});

test('the watchers of a record find its sets with one statement', async () => {
  const { gid } = await make();
  await putSets(gid, 1_000);
  const server = await listen(gateway);
  const query = `subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename version
    ... on GroupUpdated { changed settings { messageTypes permissions(messageType: 5) { send } } } } }`;
  const users = await Promise.all(['anna', 'bert'].map((address) => caller.user(address)));
  await caller.send(
    'mutation ($gid: ID!) { groupEditMembers(input: { gid: $gid, add: [{ addresses: ["anna", "bert"] }] }) { __typename } }',
    { gid },
  );
  const watches = Array.from({ length: 40 }, (_, n) =>
    watchOver(n % 2 ? 'sse' : 'websocket', server, (users[n] ?? caller).token, query, { gid }),
  );
  for (const watch of watches) await watch.ready();
  const from = recorder.statements.length;
  await change({ gid, messageType: 5, permissions: { send: 'ANYONE' } });
  for (const watch of watches) await watch.until(() => watch.records.length > 0);
  const names = recorder.statements.slice(from).map(({ name }) => name);
  expect(names.filter((name) => name === 'recorded_types_later')).toHaveLength(1);
  for (const { records } of watches) {
    expect(records[0]).toMatchObject({ changed: ['permissions(5).send'], settings: { permissions: { send: 'ANYONE' } } });
    expect(records[0]?.['settings'].messageTypes).toHaveLength(1_000);
  }
  for (const watch of watches) await watch.stop();
});
