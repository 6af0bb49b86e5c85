import { describe, expect, test } from 'vitest';
import { type Caller, openTestGateway } from '../setup/gateway.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { listen, TRANSPORTS, type Transport, type Watch, watchOver } from '../setup/watch.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe, config: { watching: { checkpointInterval: 1_500 } } });
const server = await listen(gateway);
const caller = await gateway.caller();

const QUERY = `subscription ($gid: ID!, $address: String, $messageType: Int) {
  permissionChanges(gid: $gid, address: $address, messageType: $messageType) {
    gid address messageType at
    send { allowed reason } recv { allowed reason } pub { allowed reason } sub { allowed reason } list { allowed reason }
  }
}`;

const watch = (gid: string, address?: string, messageType?: number, token = caller.token, transport: Transport = 'websocket') =>
  watchOver(transport, server, token, QUERY, { gid, address, messageType });

async function addGroup(input: string, app = caller): Promise<string> {
  const { data } = await app.send(`mutation { groupAdd(input: ${input}) { ... on GroupAddPayload { group { gid } } } }`);
  return data?.groupAdd.group.gid;
}
const set = (gid: string, fields: string) =>
  caller.send(`mutation { groupSet(input: { gid: "${gid}", ${fields} }) { __typename ... on Error { message } } }`);
const edit = (gid: string, fields: string) =>
  caller.send(`mutation { groupEditMembers(input: { gid: "${gid}", ${fields} }) { __typename ... on Error { message } } }`);

/** Waits until the last state says this of sending. */
const says = (watched: Watch, reason: string) => watched.until((events) => events.at(-1)?.send.reason === reason);

test.each(TRANSPORTS)('the present comes first, then each change, for whatever reason (%s)', async (transport) => {
  const gid = await addGroup('{ members: [{ addresses: ["anna"] }] }');
  const watched = watch(gid, 'anna', 0, caller.token, transport);
  await says(watched, 'MEMBER');
  expect(watched.events[0]).toMatchObject({ gid, address: 'anna', messageType: 0, recv: { allowed: true, reason: 'MEMBER' } });
  const steps: [() => Promise<unknown>, string][] = [
    [() => set(gid, 'permissions: { send: SELECTED }'), 'SELECTED_MEMBER'],
    [() => edit(gid, 'update: [{ addresses: ["anna"], permissions: { send: false } }]'), 'NOT_SELECTED'],
    [() => set(gid, 'permissions: { send: ANYONE }'), 'ANYONE'],
    [() => set(gid, 'active: false'), 'GROUP_PAUSED'],
    [() => set(gid, 'active: true, permissions: { send: MEMBERS }'), 'MEMBER'],
    [() => edit(gid, 'remove: ["anna"]'), 'NOT_A_MEMBER'],
    [() => edit(gid, 'add: [{ addresses: ["anna"] }]'), 'MEMBER'],
  ];
  for (const [change, reason] of steps) {
    await change();
    await says(watched, reason);
  }
  await caller.send(`mutation { groupDel(input: { gid: "${gid}" }) { __typename } }`);
  expect(await watched.end).toBe('complete');
});

test('a set for the message type and the entry in it', async () => {
  const gid = await addGroup('{ members: [{ addresses: ["anna"] }] }');
  const watched = watch(gid, 'anna', 7);
  await says(watched, 'MEMBER');
  await set(gid, 'messageType: 7, permissions: { send: SELECTED }');
  await says(watched, 'MESSAGE_TYPE_NOT_SELECTED');
  await edit(gid, 'messageType: 7, add: [{ addresses: ["anna"] }]');
  await says(watched, 'SELECTED_MEMBER');
  await set(gid, 'messageType: 7, permissions: null');
  await says(watched, 'MEMBER');
  await watched.stop();
});

test('start and expiry, by the clock alone', async () => {
  const gid = await addGroup('{ validity: { start: 3, duration: 4 }, members: [{ addresses: ["anna"] }] }');
  const watched = watch(gid, 'anna');
  await says(watched, 'GROUP_NOT_STARTED');
  await says(watched, 'MEMBER');
  await says(watched, 'GROUP_EXPIRED');
  const reasons = watched.events.map((event) => event.send.reason).filter((reason, index, all) => reason !== all[index - 1]);
  expect(reasons).toEqual(['GROUP_NOT_STARTED', 'MEMBER', 'GROUP_EXPIRED']);
  await watched.stop();
});

test('what changes nothing for the address is not told; the present state comes again after a while', async () => {
  const gid = await addGroup('{ members: [{ addresses: ["anna"] }] }');
  const watched = watch(gid, 'anna');
  await watched.until((events) => events.length === 1);
  await edit(gid, 'add: [{ addresses: ["bert"] }]');
  await set(gid, 'name: "other"');
  await watched.until((events) => events.length >= 3);
  const states = watched.events.map(({ at, ...state }) => JSON.stringify(state));
  expect(new Set(states).size).toBe(1);
  const times = watched.events.map(({ at }) => Date.parse(at));
  expect((times[2] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(2_000); // repeated, not told of each change
  await watched.stop();
});

describe('users', () => {
  test('a customer of a public room, who is no member, watches its own permissions and nobody else', async () => {
    const gid = await addGroup('{ permissions: { send: ANYONE }, members: [{ addresses: ["desk"] }] }');
    const customer = await caller.user('customer');
    const own = watch(gid, undefined, 0, customer.token);
    await says(own, 'ANYONE');
    expect(own.events[0]?.recv.reason).toBe('NOT_A_MEMBER');
    expect(await watch(gid, 'desk', 0, customer.token).end).toBe('GROUP_NOT_FOUND');
    await set(gid, 'permissions: { send: MEMBERS }');
    expect(await own.end).toBe('LEFT_GROUP');
  });

  test('a member is told when it is removed, as long as it may ask', async () => {
    const gid = await addGroup('{ permissions: { send: ANYONE }, members: [{ addresses: ["anna"] }] }');
    const anna = await caller.user('anna');
    const watched = watch(gid, undefined, 0, anna.token);
    await watched.until((events) => events.at(-1)?.recv.reason === 'MEMBER');
    await edit(gid, 'remove: ["anna"]');
    await watched.until((events) => events.at(-1)?.recv.reason === 'NOT_A_MEMBER');
    await watched.stop();
  });

  test.each(TRANSPORTS)(
    'a member of a group that is not open is told nothing more once it is removed (%s)',
    async (transport) => {
      const gid = await addGroup('{ members: [{ addresses: ["anna"] }] }');
      const anna = await caller.user('anna');
      const watched = watch(gid, undefined, 0, anna.token, transport);
      await says(watched, 'MEMBER');
      await edit(gid, 'remove: ["anna"]');
      expect(await watched.end).toBe('LEFT_GROUP');
      expect(new Set(watched.events.map(({ recv }) => recv.reason))).toEqual(new Set(['MEMBER']));
      expect(await watch(gid, undefined, 0, anna.token, transport).end).toBe('GROUP_NOT_FOUND');
    },
  );

  test('who is no member of a group that is not open may not ask for itself either', async () => {
    const gid = await addGroup('{ permissions: { send: SELECTED, recv: ROUND_ROBIN }, members: [{ addresses: ["desk"] }] }');
    // A message type narrows: it opens nothing.
    await set(gid, 'messageType: 7, permissions: { send: ANYONE }');
    const stranger = await caller.user('a stranger');
    for (const [address, messageType] of [
      [undefined, 0],
      ['a stranger', 0],
      [undefined, 7],
    ] as const) {
      const watched = watch(gid, address, messageType, stranger.token);
      expect([await watched.end, watched.events]).toEqual(['GROUP_NOT_FOUND', []]);
    }
  });
});

test.each(TRANSPORTS)('it ends when its token is revoked, of a member or not (%s)', async (transport) => {
  const app = await gateway.caller();
  const gid = await addGroup('{ permissions: { send: ANYONE }, members: [{ addresses: ["anna"] }] }', app);
  for (const asking of [await app.user('anna'), await app.user('customer'), app]) {
    const watched = watch(gid, asking.viewer.address ?? 'anna', 0, asking.token, transport);
    await watched.until((events) => events.length > 0);
    await app.send('mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', { id: asking.viewer.token.id });
    expect(await watched.end).toBe('TOKEN_REVOKED');
  }
});

describe('a group that may not be asked about looks like none, in the same statements', async () => {
  const closed = await addGroup('{ members: [{ addresses: ["bert"] }] }');
  const open = await addGroup('{ permissions: { pub: ANYONE }, members: [{ addresses: ["bert"] }] }');
  const deleted = await addGroup('{ permissions: { send: ANYONE }, members: [{ addresses: ["anna"] }] }');
  await caller.send(`mutation { groupDel(input: { gid: "${deleted}" }) { __typename } }`);
  const foreign = await addGroup('{ permissions: { send: ANYONE }, members: [{ addresses: ["anna"] }] }', await gateway.caller());
  const HIDDEN = [foreign, deleted, 'x'];
  const ofUser = [...HIDDEN, closed].flatMap((gid) => [undefined, 'anna', 'bert'].map((address) => [gid, address] as const));

  /** What a stream tells until it ends, which it does at once, and the statements that it costs. */
  async function refused({ token }: Caller, gid: string, address?: string) {
    let text = '';
    const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${token}` };
    const body = JSON.stringify({ query: QUERY, variables: { gid, address } });
    const names = await recorder.during(async () => {
      const response = await gateway.fetch(new Request('http://gateway/graphql', { method: 'POST', headers, body }));
      text = await response.text();
    });
    return { text, names };
  }

  test.each([
    ['an application', caller, HIDDEN.map((gid) => [gid, 'anna'] as const), 'groups_find_one'],
    ['a user', await caller.user('anna'), [...ofUser, [open, 'bert'] as const], 'groups_find_to_ask'],
  ])('to %s', async (_, asking, questions, statement) => {
    const missing = await refused(asking, '999', 'anna');
    expect(missing.text).toContain('"code":"GROUP_NOT_FOUND"');
    expect(missing.names).toEqual([statement]);
    for (const [gid, address] of questions) expect(await refused(asking, gid, address), `${gid} ${address}`).toEqual(missing);
  });
});

test('bad input', async () => {
  const gid = await addGroup('{}');
  expect(await watch('999', 'anna').end).toBe('GROUP_NOT_FOUND');
  expect(await watch('x', 'anna').end).toBe('GROUP_NOT_FOUND');
  expect(await watch(gid).end).toBe('INVALID_INPUT');
  expect(await watch(gid, 'a,b').end).toBe('INVALID_INPUT');
  expect(await watch(gid, 'anna', -1).end).toBe('INVALID_INPUT');
  const stranger = await gateway.caller();
  expect(await watch(gid, 'anna', 0, stranger.token).end).toBe('GROUP_NOT_FOUND');
});
