import { expect, test } from 'vitest';
import { sql } from './setup/database.ts';
import { type Caller, gatewayOn, openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { entriesOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, set, edit, read } = operationsOf(caller);

const SELECTED = { send: 'SELECTED' } as const;
const PATH = ['input.messageType'];

/** Gives the group sets for message types from 1 on, as an older gateway could. */
const putSets = (gid: string, count: number) =>
  sql(
    db,
    'insert into group_types (app_id, gid, message_type, send, recv) select app_id, gid, n, 1, 0 from groups, generate_series(1, $2::int) n where gid = $1',
    [gid, count],
  );
const putEntries = (gid: string, address: string, count: number) =>
  sql(
    db,
    'insert into member_types (app_id, gid, address, message_type, permissions) select app_id, gid, address, n, 3 from members, generate_series(1, $3::int) n where gid = $1 and address = $2',
    [gid, address, count],
  );
const typeOf = async (result: Promise<{ __typename: string }>) => (await result).__typename;

test('a group has sets for 1,000 message types, no more', async () => {
  const { gid } = await make();
  await putSets(gid, 999);
  expect(await typeOf(set({ gid, messageType: 1_000, permissions: SELECTED }))).toBe('GroupSetPayload');
  const refused = await writesNothing(db, caller.viewer, () =>
    set({ gid, name: 'no', messageType: 1_001, permissions: SELECTED }),
  );
  expect(issuePaths(refused)).toEqual(PATH);
  expect(answered(refused, 'InvalidInput').issues[0]?.message).toContain('1000 message types');
  expect((await read(gid)).messageTypes).toHaveLength(1_000);
  // What is there is changed and dropped, and gives room.
  expect(await typeOf(set({ gid, messageType: 7, permissions: { send: 'MEMBERS' } }))).toBe('GroupSetPayload');
  expect(await typeOf(set({ gid, messageType: 7, permissions: null }))).toBe('GroupSetPayload');
  expect(await typeOf(set({ gid, messageType: 1_001, permissions: SELECTED }))).toBe('GroupSetPayload');
});

test('of two at once for the last place one is refused', async () => {
  const { gid } = await make();
  await putSets(gid, 999);
  const results = [2_001, 2_002, 2_003].map((messageType) => typeOf(set({ gid, messageType, permissions: SELECTED })));
  expect((await Promise.all(results)).sort()).toEqual(['GroupSetPayload', 'InvalidInput', 'InvalidInput']);
  expect((await read(gid)).messageTypes).toHaveLength(1_000);
});

test('a group that has more from before is read, edited and relieved; only another is refused', async () => {
  const { gid } = await make();
  await putSets(gid, 1_003);
  expect((await read(gid)).messageTypes).toHaveLength(1_003);
  expect(await typeOf(set({ gid, name: 'renamed' }))).toBe('GroupSetPayload');
  expect(await typeOf(set({ gid, messageType: 5, permissions: { recv: 'SELECTED' } }))).toBe('GroupSetPayload');
  expect(await typeOf(set({ gid, messageType: 6, permissions: null }))).toBe('GroupSetPayload');
  expect(issuePaths(await set({ gid, messageType: 5_000, permissions: SELECTED }))).toEqual(PATH);
  expect((await read(gid)).messageTypes).toHaveLength(1_002);
});

test('a user that may not change the group is told that, not how many there are', async () => {
  const { gid } = await make({ members: [{ addresses: ['anna'] }] });
  await putSets(gid, 1_000);
  const anna = operationsOf(await caller.user('anna'));
  expect(await typeOf(anna.set({ gid, messageType: 5_000, permissions: SELECTED }))).toBe('NotAllowed');
  expect(await typeOf(anna.edit({ gid, messageType: 5_000, add: [{ addresses: ['anna'] }] }))).toBe('NotAllowed');
});

test('members have entries for 1,000 message types of a group, no more', async () => {
  const { gid } = await make({ members: [{ addresses: ['anna', 'bert'] }] });
  const entry = (messageType: number, ...addresses: string[]) => edit({ gid, messageType, add: [{ addresses }] });
  await putEntries(gid, 'anna', 999);
  expect(answered(await entry(1_000, 'bert'), 'GroupEditMembersPayload').added).toBe(1);
  const refused = await writesNothing(db, caller.viewer, () => entry(1_001, 'anna', 'bert'));
  expect(issuePaths(refused)).toEqual(PATH);
  // For the types that are there others get entries, change and lose them.
  expect(answered(await entry(5, 'bert', 'anna'), 'GroupEditMembersPayload')).toMatchObject({ added: 1, unchanged: 1 });
  expect(answered(await entry(6, 'bert'), 'GroupEditMembersPayload').added).toBe(1);
  expect(answered(await edit({ gid, messageType: 1_000, remove: ['bert'] }), 'GroupEditMembersPayload').removed).toBe(1);
  expect(answered(await entry(1_001, 'anna', 'bert'), 'GroupEditMembersPayload').added).toBe(2);
  expect(issuePaths(await entry(1_002, 'anna'))).toEqual(PATH);
  expect(new Set((await entriesOf(db, gid)).map(({ messageType }) => messageType)).size).toBe(1_000);
});

async function op(of: typeof gateway, { token }: Caller, body: object) {
  const response = await of.fetch(
    new Request('http://gateway/backend', {
      method: 'POST',
      body: JSON.stringify({ token, ...body }),
      headers: { 'Content-Type': 'application/json' },
    }),
  );
  return response.json();
}

test('MAX_MESSAGE_TYPES is the number, on the op endpoint too', async () => {
  const small = gatewayOn(db, { config: { maxMessageTypes: 2 } });
  const { token, viewer } = caller;
  const { gid } = await make({ members: [{ addresses: ['anna'] }] });
  const groupset = (type: number) =>
    op(small, { token, viewer } as Caller, { op: 'groupset', group: { gid: Number(gid), type, permissions: { send: 1 } } });
  for (const type of [3, 4]) expect(await groupset(type)).toMatchObject({ result: true });
  const refused = await writesNothing(db, viewer, () => groupset(5));
  expect(refused).toMatchObject({ result: false, error: 'BADPARA' });
  expect(refused.error_description).toContain('type');
  expect(await groupset(4)).toMatchObject({ result: true });
  expect((await read(gid)).messageTypes).toEqual([3, 4]);
});
