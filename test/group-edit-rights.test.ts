import { describe, expect, test } from 'vitest';
import type { AdminRightsInput } from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { changesOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, edit, members } = operationsOf(caller);

const RIGHTS = ['owner', 'admin', 'modify', 'remove', 'addUser', 'removeUser', 'addAdmin', 'removeAdmin', 'removeOwner'] as const;
type Right = (typeof RIGHTS)[number];

const ALL: readonly Right[] = RIGHTS;
const ADMIN: readonly Right[] = ['admin', 'modify', 'addUser', 'removeUser', 'addAdmin', 'removeAdmin'];
const without = (rights: readonly Right[], ...left: Right[]) => rights.filter((right) => !left.includes(right));

/** A group with one member that has these rights. */
async function makeWith(admin: AdminRightsInput): Promise<string> {
  return (await make({ members: [{ addresses: ['anna'], admin }] })).gid;
}

async function rightsOf(gid: string): Promise<Right[]> {
  const [anna] = await members(gid);
  return RIGHTS.filter((right) => anna?.admin[right]);
}

describe.each(['add', 'update'] as const)('rights by %s', (list) => {
  test.each<[AdminRightsInput, AdminRightsInput, readonly Right[]]>([
    [{}, { modify: true }, ['modify']],
    [{ modify: true }, { remove: true }, ['modify', 'remove']],
    [{ modify: true, remove: true }, { modify: false }, ['remove']],
    [{}, { admin: true }, ADMIN],
    [{ remove: true }, { admin: true }, ['remove', ...ADMIN]],
    [{}, { admin: true, addUser: false }, without(ADMIN, 'addUser')],
    [{ admin: true }, { admin: true, addUser: false }, without(ADMIN, 'addUser')],
    [{ admin: true, addUser: false }, { admin: true }, ADMIN],
    [{ admin: true }, { modify: false }, without(ADMIN, 'modify')],
    [{ admin: true }, { removeOwner: true }, [...ADMIN, 'removeOwner']],
    [{ admin: true }, { admin: false }, []],
    [{ admin: true, remove: true }, { admin: false }, ['remove']],
    [{ admin: true }, { admin: false, modify: true, addAdmin: true }, ['modify', 'addAdmin']],
    [{ modify: true, addUser: true }, { admin: false, modify: true }, ['modify']],
    [{}, { owner: true }, ALL],
    [{ admin: true }, { owner: true }, ALL],
    [{ owner: true }, { owner: false }, []],
    [{ owner: true }, { owner: false, admin: true }, ADMIN],
    [{ owner: true }, { owner: false, admin: true, addAdmin: false, remove: true }, ['remove', ...without(ADMIN, 'addAdmin')]],
    [{ owner: true }, { owner: false, removeOwner: true }, ['removeOwner']],
  ])('%j, then %j', async (before, change, expected) => {
    const gid = await makeWith(before);
    const result = answered(await edit({ gid, [list]: [{ addresses: ['anna'], admin: change }] }), 'GroupEditMembersPayload');
    const now = await rightsOf(gid);
    expect(now.sort()).toEqual([...expected].sort());
    const bits = expected.reduce((sum, right) => sum | (1 << RIGHTS.indexOf(right)), 0);
    const records = await changesOf(db, gid, 2);
    expect(result).toMatchObject({ added: 0, updated: 1, unchanged: 0 });
    expect(records.map(({ kind, data }) => [kind, data.members])).toEqual([['MEMBERS_UPDATED', [['anna', 0, true, 31, bits]]]]);
  });

  test.each<[AdminRightsInput, AdminRightsInput]>([
    [{ owner: true }, { owner: true, admin: true, removeOwner: true }],
    [{ owner: true }, { admin: true }],
    [{ modify: true }, { owner: false }],
    [{ remove: true }, { admin: false }],
    [{ admin: true }, { addUser: true, remove: false }],
    [{}, {}],
  ])('%j, then %j, is no change', async (before, change) => {
    const gid = await makeWith(before);
    const result = await writesNothing(db, caller.viewer, () => edit({ gid, [list]: [{ addresses: ['anna'], admin: change }] }));
    expect(answered(result, 'GroupEditMembersPayload')).toMatchObject({ added: 0, updated: 0, unchanged: 1 });
  });

  test.each<[AdminRightsInput, AdminRightsInput, ...Right[]]>([
    [{}, { owner: true, admin: false }, 'admin'],
    [{ admin: true }, { owner: true, modify: false, remove: false, addUser: true }, 'modify', 'remove'],
    [{ owner: true }, { owner: true, removeOwner: false }, 'removeOwner'],
    [{ owner: true }, { modify: false }, 'modify'],
    [{ owner: true }, { admin: false }, 'admin'],
    [{ owner: true }, { admin: true, addUser: false }, 'addUser'],
  ])('%j, then %j, contradicts an owner', async (before, change, ...wrong) => {
    const gid = await makeWith(before);
    const result = await writesNothing(db, caller.viewer, () =>
      edit({
        gid,
        [list]: [
          { addresses: [], admin: {} },
          { addresses: ['anna'], admin: change },
        ],
      }),
    );
    expect(issuePaths(result)).toEqual(wrong.map((right) => `input.${list}.1.admin.${right}`));
  });
});

test('rights of several members change in one request, each from its own', async () => {
  const { gid } = await make({
    members: [
      { addresses: ['anna'], admin: { admin: true } },
      { addresses: ['ben'], admin: { remove: true } },
    ],
  });
  await edit({ gid, update: [{ addresses: ['ben', 'anna'], admin: { admin: false, addUser: true } }] });
  const [anna, ben] = await members(gid);
  expect(RIGHTS.filter((right) => anna?.admin[right])).toEqual(['addUser']);
  expect(RIGHTS.filter((right) => ben?.admin[right])).toEqual(['remove', 'addUser']);
});

test('an application may remove the last owner', async () => {
  const gid = await makeWith({ owner: true });
  expect(answered(await edit({ gid, remove: ['anna'] }), 'GroupEditMembersPayload')).toMatchObject({ removed: 1 });
  expect(await members(gid)).toEqual([]);
});
