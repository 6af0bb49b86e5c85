import { describe, expect, test } from 'vitest';
import type { GroupEditMembersInput } from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { changesOf, entriesOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, edit, read, members } = operationsOf(caller);

type Fields = Omit<GroupEditMembersInput, 'gid'>;
const T = 7;

/** A group with anna and ben, who have entries for message type 7, and carl, who has rights and no entry; at version 3. */
async function makeThree(): Promise<string> {
  const { gid } = await make({ members: [{ addresses: ['anna', 'ben'] }, { addresses: ['carl'], admin: { modify: true } }] });
  await edit({ gid, messageType: T, add: [{ addresses: ['anna'] }, { addresses: ['ben'], permissions: { send: false } }] });
  return gid;
}

const refused = (gid: string, fields: Fields) => writesNothing(db, caller.viewer, () => edit({ gid, messageType: T, ...fields }));

async function edited(gid: string, fields: Fields) {
  const result = answered(await edit({ gid, messageType: T, ...fields }), 'GroupEditMembersPayload');
  return [result.added, result.updated, result.removed, result.unchanged];
}

const PERMISSIONS = `query ($gid: ID!, $address: String!, $messageType: Int) {
  group(gid: $gid) { member(address: $address) { permissions(messageType: $messageType) { send recv pub sub list } } }
}`;

async function permissionsOf(gid: string, address: string, messageType = T) {
  const { data } = await caller.send(PERMISSIONS, { gid, address, messageType });
  return data?.['group'].member.permissions;
}

describe('ok', () => {
  test('an entry is added with the permissions given, true where left out; the counts count entries', async () => {
    const gid = await makeThree();
    const fields = { add: [{ addresses: ['carl'], permissions: { recv: false } }, { addresses: ['anna'] }] };
    expect(await edited(gid, fields)).toEqual([1, 0, 0, 1]);
    expect(await entriesOf(db, gid)).toEqual([
      { address: 'anna', messageType: T, permissions: 3 },
      { address: 'ben', messageType: T, permissions: 2 },
      { address: 'carl', messageType: T, permissions: 1 },
    ]);
    expect(await permissionsOf(gid, 'carl')).toMatchObject({ send: true, recv: false });
    expect(await read(gid)).toMatchObject({ memberCount: 3, version: 4 });
  });

  test('add and update change what is given of an entry that is there', async () => {
    const gid = await makeThree();
    expect(await edited(gid, { add: [{ addresses: ['ben'], permissions: { recv: false } }] })).toEqual([0, 1, 0, 0]);
    expect(await permissionsOf(gid, 'ben')).toMatchObject({ send: false, recv: false });
    expect(await edited(gid, { update: [{ addresses: ['ben', 'anna'], permissions: { send: true } }] })).toEqual([0, 1, 0, 1]);
    expect(await permissionsOf(gid, 'ben')).toMatchObject({ send: true, recv: false });
  });

  test("a member without an entry is not selected; pub, sub and list are the member's own", async () => {
    const gid = await makeThree();
    await edit({ gid, update: [{ addresses: ['carl', 'anna'], permissions: { send: false, sub: false } }] });
    expect(await permissionsOf(gid, 'carl')).toEqual({ send: false, recv: false, pub: true, sub: false, list: true });
    expect(await permissionsOf(gid, 'anna')).toEqual({ send: true, recv: true, pub: true, sub: false, list: true });
    expect(await permissionsOf(gid, 'anna', 0)).toEqual({ send: false, recv: true, pub: true, sub: false, list: true });
    expect(await permissionsOf(gid, 'anna', T + 1)).toMatchObject({ send: false, recv: false });
  });

  test('removal takes only the entry of that message type', async () => {
    const gid = await makeThree();
    await edit({ gid, messageType: 8, add: [{ addresses: ['anna'] }] });
    expect(await edited(gid, { remove: ['anna', 'carl', 'nobody'] })).toEqual([0, 0, 1, 0]);
    expect(await entriesOf(db, gid)).toEqual([
      { address: 'anna', messageType: 8, permissions: 3 },
      { address: 'ben', messageType: T, permissions: 2 },
    ]);
    expect((await members(gid)).map(({ address }) => address)).toEqual(['anna', 'ben', 'carl']);
  });

  test('leaving the group takes all entries, and they do not come back', async () => {
    const gid = await makeThree();
    await edit({ gid, messageType: 8, add: [{ addresses: ['anna'] }] });
    const before = await read(gid);
    const result = answered(await edit({ gid, remove: ['anna'] }), 'GroupEditMembersPayload');
    expect(result).toMatchObject({ removed: 1, group: { memberCount: 2 } });
    expect(await entriesOf(db, gid)).toEqual([{ address: 'ben', messageType: T, permissions: 2 }]);
    expect((await changesOf(db, gid, before.version))[0]).toMatchObject({
      kind: 'MEMBERS_REMOVED',
      data: { addresses: ['anna'] },
    });
    await edit({ gid, add: [{ addresses: ['anna'] }] });
    expect(await entriesOf(db, gid)).toHaveLength(1);
    expect(await permissionsOf(gid, 'anna')).toMatchObject({ send: false, recv: false });
  });

  test('its record is MembersUpdated, with present: false where the entry went, and the rights of the member', async () => {
    const gid = await makeThree();
    await edited(gid, {
      add: [{ addresses: ['carl'] }],
      update: [{ addresses: ['ben'], permissions: { send: true } }],
      remove: ['anna'],
    });
    const [record, ...more] = await changesOf(db, gid, 3);
    expect(more).toEqual([]);
    expect(record).toMatchObject({ version: 4, kind: 'MEMBERS_UPDATED', actor: null, memberCount: 3 });
    expect(record?.data).toEqual({
      members: [
        ['anna', T, false, 0, 0],
        ['carl', T, true, 3, 4],
        ['ben', T, true, 3, 0],
      ],
    });
  });

  test('a member whose entry changes is updated then, the others not', async () => {
    const gid = await makeThree();
    const before = await members(gid);
    await edited(gid, { remove: ['anna'] });
    const [record] = await changesOf(db, gid, 3);
    const [anna, ...others] = await members(gid);
    expect(anna?.updatedAt).toBe(record?.at.toISOString());
    expect(others).toEqual(before.slice(1));
  });

  test('1,200 entries are two records of at most 1,000', async () => {
    const addresses = Array.from({ length: 1_200 }, (_, index) => `u${index}`);
    const { gid } = await make({ members: [{ addresses }] });
    expect(await edited(gid, { add: [{ addresses }] })).toEqual([1_200, 0, 0, 0]);
    const records = await changesOf(db, gid, 3);
    expect(records.map(({ kind, memberCount, data }) => [kind, memberCount, data.members.length])).toEqual([
      ['MEMBERS_UPDATED', 1_200, 1_000],
      ['MEMBERS_UPDATED', 1_200, 200],
    ]);
    expect(await edited(gid, { remove: addresses })).toEqual([0, 0, 1_200, 0]);
    expect(await entriesOf(db, gid)).toEqual([]);
  });

  test('the greatest message type', async () => {
    const gid = await makeThree();
    const messageType = 2 ** 31 - 1;
    expect(await edited(gid, { messageType, add: [{ addresses: ['carl'] }] })).toEqual([1, 0, 0, 0]);
    expect(await permissionsOf(gid, 'carl', messageType)).toMatchObject({ send: true, recv: true });
  });
});

test.each<[Fields, number[]]>([
  [{}, [0, 0, 0, 0]],
  [{ add: [{ addresses: ['anna', 'ben'] }] }, [0, 0, 0, 2]],
  [{ update: [{ addresses: ['ben'], permissions: { send: false } }] }, [0, 0, 0, 1]],
  [{ remove: ['carl', 'nobody'] }, [0, 0, 0, 0]],
])('what changes nothing writes nothing: %j', async (fields, expected) => {
  const gid = await makeThree();
  const before = await read(gid);
  const result = answered(await refused(gid, fields), 'GroupEditMembersPayload');
  expect([result.added, result.updated, result.removed, result.unchanged]).toEqual(expected);
  expect(result).toMatchObject({ group: before, cursor: before.cursor });
});

describe('NotAMember, and nothing is written', () => {
  test.each<[string, Fields, string[]]>([
    ['add of no member', { add: [{ addresses: ['carl', 'x'] }, { addresses: ['y'] }], remove: ['anna'] }, ['x', 'y']],
    ['update of no member', { add: [{ addresses: ['carl'] }], update: [{ addresses: ['x', 'ben'] }] }, ['x']],
    [
      'update of a member without an entry',
      { update: [{ addresses: ['carl', 'anna'], permissions: { send: false } }] },
      ['carl'],
    ],
    ['both', { add: [{ addresses: ['x'] }], update: [{ addresses: ['carl'] }] }, ['x', 'carl']],
  ])('%s', async (_, fields, addresses) => {
    const gid = await makeThree();
    expect(answered(await refused(gid, fields), 'NotAMember')).toMatchObject({ code: 'NOT_A_MEMBER', addresses });
  });

  test('an entry for another message type is none for this', async () => {
    const gid = await makeThree();
    const result = await refused(gid, { messageType: 8, update: [{ addresses: ['anna'] }] });
    expect(answered(result, 'NotAMember').addresses).toEqual(['anna']);
  });
});

test.each<[Fields, ...string[]]>([
  [{ add: [{ addresses: ['carl'], admin: { modify: true } }] }, 'input.add.0.admin'],
  [{ update: [{ addresses: ['anna'], admin: {} }] }, 'input.update.0.admin'],
  [
    { add: [{ addresses: ['carl'], permissions: { pub: true, sub: false, list: true, send: true } }] },
    'input.add.0.permissions.list',
    'input.add.0.permissions.pub',
    'input.add.0.permissions.sub',
  ],
  [{ add: [{ addresses: ['anna'] }], remove: ['anna'] }, 'input.remove.0'],
  [{ remove: ['a,b'] }, 'input.remove.0'],
  [{ messageType: -1, add: [{ addresses: ['anna'] }] }, 'input.messageType'],
])('invalid: %j', async (fields, ...paths) => {
  const gid = await makeThree();
  expect(issuePaths(await refused(gid, fields))).toEqual(paths);
});
