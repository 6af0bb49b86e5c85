import { describe, expect, test } from 'vitest';
import type { AdminRightsInput, GroupAddInput } from '../src/generated/operations.ts';
import { BAD_ADDRESSES, GOOD_ADDRESSES } from './setup/addresses.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { changesOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway({ statementTimeout: 60_000, transactionTimeout: 120_000 });
const caller = await gateway.caller();
const { add, make, members } = operationsOf(caller);

const ALL = { send: true, recv: true, pub: true, sub: true, list: true };
const NONE = {
  owner: false,
  admin: false,
  modify: false,
  remove: false,
  addUser: false,
  removeUser: false,
  addAdmin: false,
  removeAdmin: false,
  removeOwner: false,
};
const STANDS_FOR_ADMIN = { admin: true, modify: true, addUser: true, removeUser: true, addAdmin: true, removeAdmin: true };
const OWNER = Object.fromEntries(Object.keys(NONE).map((right) => [right, true]));
const names = (count: number, prefix = 'u') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe('ok', () => {
  test('members come with all permissions and no rights', async () => {
    const group = await make({ members: [{ addresses: ['zoe', 'anna'] }] });
    expect(await members(group.gid)).toEqual(
      ['zoe', 'anna'].map((address) => ({
        id: expect.any(String),
        address,
        permissions: ALL,
        admin: NONE,
        joinedAt: group.createdAt,
        updatedAt: group.createdAt,
      })),
    );
  });

  test('permissions that are left out are true, rights that are left out are false', async () => {
    const { gid } = await make({
      members: [
        { addresses: ['anna'], permissions: { send: false, list: false }, admin: { modify: true, remove: true, addUser: false } },
        { addresses: ['ben'], permissions: {}, admin: {} },
      ],
    });
    const [anna, ben] = await members(gid);
    expect(anna).toMatchObject({
      permissions: { ...ALL, send: false, list: false },
      admin: { ...NONE, modify: true, remove: true },
    });
    expect(ben).toMatchObject({ permissions: ALL, admin: NONE });
  });

  test.each<[AdminRightsInput, object]>([
    [{ admin: true }, STANDS_FOR_ADMIN],
    [
      { admin: true, removeUser: false, removeAdmin: false, remove: true },
      { ...STANDS_FOR_ADMIN, removeUser: false, removeAdmin: false, remove: true },
    ],
    [{ admin: false, modify: true }, { modify: true }],
    [{ owner: true }, OWNER],
    [{ owner: true, modify: true }, OWNER],
    [{ owner: false, removeOwner: true }, { removeOwner: true }],
  ])('rights %j', async (admin, expected) => {
    const { gid } = await make({ members: [{ addresses: ['anna'], admin }] });
    expect((await members(gid))[0]?.admin).toEqual({ ...NONE, ...expected });
  });

  test('2,500 members: three records of at most 1,000, and the order of joining is that of the request', async () => {
    const addresses = [...names(1_250).reverse(), ...names(1_250, 'v')];
    const group = await make({
      members: [{ addresses: addresses.slice(0, 10) }, { addresses: addresses.slice(10), admin: { modify: true } }],
    });
    const [, ...changes] = await changesOf(gateway.db, group.gid);
    expect(changes.map(({ version, kind, memberCount }) => [version, kind, memberCount])).toEqual([
      [2, 'MEMBERS_ADDED', 1_000],
      [3, 'MEMBERS_ADDED', 2_000],
      [4, 'MEMBERS_ADDED', 2_500],
    ]);
    expect(changes.map(({ data }) => data.members.length)).toEqual([1_000, 1_000, 500]);
    expect(changes.flatMap(({ data }) => data.members.map(([address]: [string]) => address))).toEqual(addresses);
    expect(group).toMatchObject({ memberCount: 2_500, version: 4 });
    expect((await members(group.gid)).map(({ address }) => address)).toEqual(addresses.slice(0, 1_000));
  });

  test('empty lists add nobody and write no record', async () => {
    const group = await make({ members: [{ addresses: [] }, { addresses: [], permissions: { send: false } }] });
    expect(group).toMatchObject({ memberCount: 0, version: 1 });
  });

  test('addresses of all kinds are kept exactly, and case counts', async () => {
    const addresses = [...Object.values(GOOD_ADDRESSES), 'Anna', 'anna'];
    const group = await make({ members: [{ addresses }] });
    expect(group.memberCount).toBe(addresses.length);
    expect((await members(group.gid)).map(({ address }) => address)).toEqual(addresses);
  });
});

describe('invalid', () => {
  const refused = (input: GroupAddInput) => writesNothing(gateway.db, caller.viewer, () => add(input));

  test.each(Object.entries(BAD_ADDRESSES))('an address with %s', async (_, address) => {
    const result = await refused({ members: [{ addresses: ['anna'] }, { addresses: ['ben', address] }] });
    expect(issuePaths(result)).toEqual(['input.members.1.addresses.1']);
  });

  test.each<[string, string[][], string]>([
    ['within a list', [['anna', 'ben', 'anna']], 'input.members.0.addresses.2'],
    ['across lists', [['anna'], ['ben', 'anna']], 'input.members.1.addresses.1'],
  ])('an address twice %s', async (_, lists, path) => {
    expect(issuePaths(await refused({ members: lists.map((addresses) => ({ addresses })) }))).toEqual([path]);
  });

  test('owner: true with an explicit false', async () => {
    const members = [{ addresses: ['anna'], admin: { owner: true, modify: false, admin: false } }];
    expect(issuePaths(await refused({ members }))).toEqual(['input.members.0.admin.admin', 'input.members.0.admin.modify']);
  });

  test('nulls among permissions and rights', async () => {
    const members = [{ addresses: ['anna'], permissions: { send: null }, admin: { owner: null } }];
    expect(issuePaths(await refused({ members }))).toEqual(['input.members.0.admin.owner', 'input.members.0.permissions.send']);
  });

  test('at most 100 issues are listed', async () => {
    const result = answered(await refused({ members: [{ addresses: names(150).map((name) => `${name},`) }] }), 'InvalidInput');
    expect(result.issues.map(({ path }) => path.join('.'))).toEqual(
      Array.from({ length: 100 }, (_, index) => `input.members.0.addresses.${index}`),
    );
  });

  test('one wrong address behind 99,999 right ones', async () => {
    const result = await refused({ members: [{ addresses: [...names(99_999), 'a,b'] }] });
    expect(issuePaths(result)).toEqual(['input.members.0.addresses.99999']);
  });

  test('100,001 addresses', async () => {
    const result = answered(
      await refused({ members: [{ addresses: names(50_000) }, { addresses: names(50_001, 'v') }] }),
      'InvalidInput',
    );
    expect(result.issues).toHaveLength(1);
    expect(result.issues[0]?.message).toMatch(/100001.*100000/);
  });
});
