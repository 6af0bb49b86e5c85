import { describe, expect, test } from 'vitest';
import { encodeGroupCursor } from '../src/changes/log/cursor.ts';
import { GroupEditMembersDocument, type GroupEditMembersInput } from '../src/generated/operations.ts';
import { BAD_ADDRESSES, GOOD_ADDRESSES } from './setup/addresses.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { expectNotFound, expectScopeNeeded, expectUnauthenticated } from './setup/refusals.ts';
import { changesOf, rowsOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, del, edit, read, members } = operationsOf(caller);

type Fields = Omit<GroupEditMembersInput, 'gid'>;

/** A group with anna (plain), ben (does not send) and carl (may modify), at version 2. */
const makeThree = () =>
  make({
    name: 'Three',
    members: [
      { addresses: ['anna'] },
      { addresses: ['ben'], permissions: { send: false } },
      { addresses: ['carl'], admin: { modify: true } },
    ],
  });

const refused = (gid: string, fields: Fields) => writesNothing(db, caller.viewer, () => edit({ gid, ...fields }));

/** Edits with success: the counts, in the payload's order, and the version. */
async function counts(gid: string, fields: Fields) {
  const { added, updated, removed, unchanged, group } = answered(await edit({ gid, ...fields }), 'GroupEditMembersPayload');
  return { counts: [added, updated, removed, unchanged], version: group.version, memberCount: group.memberCount };
}

describe('ok', () => {
  test('counts, the group as it is then, and the cursor of the last record', async () => {
    const before = await makeThree();
    const result = answered(
      await edit({
        gid: before.gid,
        add: [{ addresses: ['dora', 'anna'], permissions: { list: false } }, { addresses: ['emil'] }],
        update: [{ addresses: ['carl'], permissions: {}, admin: { modify: true } }],
        remove: ['ben', 'nobody'],
      }),
      'GroupEditMembersPayload',
    );
    const changes = await changesOf(db, before.gid, 2);
    const cursor = encodeGroupCursor({ gid: Number(before.gid), version: 5, mark: changes.at(-1)?.mark ?? 0 });
    const updatedAt = changes.at(-1)?.at.toISOString();
    expect(result).toEqual({
      __typename: 'GroupEditMembersPayload',
      added: 2,
      updated: 1,
      removed: 1,
      unchanged: 1,
      cursor,
      group: { ...before, memberCount: 4, version: 5, cursor, updatedAt },
    });
    expect(await read(before.gid)).toEqual(result.group);
    expect((await members(before.gid)).map(({ address }) => address)).toEqual(['anna', 'carl', 'dora', 'emil']);
  });

  test('its records: removed, added, updated, each with the count after it', async () => {
    const { gid } = await makeThree();
    await edit({
      gid,
      update: [{ addresses: ['anna'], permissions: { recv: false } }],
      add: [{ addresses: ['dora', 'carl'], admin: { remove: true } }],
      remove: ['nobody', 'ben'],
    });
    const changes = await changesOf(db, gid, 2);
    expect(changes.map(({ version, kind, actor, memberCount, data }) => ({ version, kind, actor, memberCount, data }))).toEqual([
      { version: 3, kind: 'MEMBERS_REMOVED', actor: null, memberCount: 2, data: { addresses: ['ben'] } },
      { version: 4, kind: 'MEMBERS_ADDED', actor: null, memberCount: 3, data: { members: [['dora', 0, true, 31, 8]] } },
      {
        version: 5,
        kind: 'MEMBERS_UPDATED',
        actor: null,
        memberCount: 3,
        data: {
          members: [
            ['carl', 0, true, 31, 12],
            ['anna', 0, true, 29, 0],
          ],
        },
      },
    ]);
    expect(new Set(changes.map(({ at }) => at.getTime())).size).toBe(1);
  });

  test('the settings stay as they are', async () => {
    const before = await makeThree();
    const rows = await rowsOf(db, caller.viewer.appId);
    await counts(before.gid, { remove: ['anna'], add: [{ addresses: ['dora'] }] });
    const after = await read(before.gid);
    const { version, cursor, updatedAt } = after;
    expect(after).toEqual({ ...before, version, cursor, updatedAt });
    expect((await rowsOf(db, caller.viewer.appId)).group_types).toEqual(rows.group_types);
  });

  test('only what is given changes, in a member that is there', async () => {
    const { gid } = await makeThree();
    await counts(gid, { add: [{ addresses: ['ben'], permissions: { recv: false } }] });
    await counts(gid, { update: [{ addresses: ['ben'], admin: { addUser: true } }] });
    await counts(gid, { update: [{ addresses: ['ben'], permissions: { send: true }, admin: { remove: true, addUser: false } }] });
    const [anna, ben, carl] = await members(gid);
    expect(ben?.permissions).toEqual({ send: true, recv: false, pub: true, sub: true, list: true });
    expect(ben?.admin).toMatchObject({ remove: true, addUser: false, modify: false, admin: false });
    expect(anna?.updatedAt).toBe(anna?.joinedAt);
    expect(carl).toMatchObject({ updatedAt: carl?.joinedAt, admin: { modify: true } });
    expect(Date.parse(ben?.updatedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(ben?.joinedAt ?? ''));
  });

  test('who comes again comes last, with nothing of before', async () => {
    const { gid } = await makeThree();
    const former = async () =>
      (await rowsOf(db, caller.viewer.appId)).former_members
        .filter((row) => String(row['gid']) === gid)
        .map((row) => row['address'])
        .sort();
    await counts(gid, { remove: ['carl', 'anna', 'ben'] });
    expect(await former()).toEqual(['anna', 'ben', 'carl']);
    await counts(gid, { add: [{ addresses: ['carl', 'anna'] }] });
    expect(await former()).toEqual(['ben']);
    const list = await members(gid);
    expect(list.map(({ address }) => address)).toEqual(['carl', 'anna']);
    expect(list[0]?.admin.modify).toBe(false);
  });

  test("a user's change names it as actor", async () => {
    const { gid } = await make({ members: [{ addresses: ['olga'], admin: { owner: true } }] });
    const user = operationsOf(await caller.user('olga'));
    answered(await user.edit({ gid, add: [{ addresses: ['anna'] }] }), 'GroupEditMembersPayload');
    expect((await changesOf(db, gid, 2)).map(({ kind, actor }) => [kind, actor])).toEqual([['MEMBERS_ADDED', 'olga']]);
  });

  test('addresses of all kinds are added, found and removed', async () => {
    const { gid } = await make();
    const addresses = [...Object.values(GOOD_ADDRESSES), 'Anna', 'anna'];
    expect(await counts(gid, { add: [{ addresses }] })).toMatchObject({ counts: [addresses.length, 0, 0, 0] });
    expect((await members(gid)).map(({ address }) => address)).toEqual(addresses);
    expect(await counts(gid, { update: [{ addresses }] })).toMatchObject({ counts: [0, 0, 0, addresses.length] });
    expect(await counts(gid, { remove: addresses })).toMatchObject({ counts: [0, 0, addresses.length, 0], memberCount: 0 });
  });
});

test.each<[Fields, number[]]>([
  [{}, [0, 0, 0, 0]],
  [{ add: [], update: [], remove: [] }, [0, 0, 0, 0]],
  [{ add: [{ addresses: [] }], ifVersion: 2, messageType: null }, [0, 0, 0, 0]],
  [{ remove: ['nobody', 'Anna'] }, [0, 0, 0, 0]],
  [{ add: [{ addresses: ['anna', 'ben', 'carl'] }] }, [0, 0, 0, 3]],
  [{ update: [{ addresses: ['ben'], permissions: { send: false, recv: true }, admin: { owner: false } }] }, [0, 0, 0, 1]],
  [{ add: [{ addresses: ['carl'], admin: { modify: true } }], update: [{ addresses: ['anna'] }] }, [0, 0, 0, 2]],
])('what changes nothing writes nothing and keeps version and cursor: %j', async (fields, expected) => {
  const before = await makeThree();
  const { group, cursor, ...rest } = answered(await refused(before.gid, fields), 'GroupEditMembersPayload');
  expect([rest.added, rest.updated, rest.removed, rest.unchanged]).toEqual(expected);
  expect({ group, cursor }).toEqual({ group: before, cursor: before.cursor });
});

describe('update', () => {
  test('of addresses that are no members: NotAMember names them, and nothing is written', async () => {
    const { gid } = await makeThree();
    const result = await refused(gid, {
      add: [{ addresses: ['dora'] }],
      update: [{ addresses: ['x', 'anna'], permissions: { send: false } }, { addresses: ['Ben'] }],
      remove: ['carl'],
    });
    expect(answered(result, 'NotAMember')).toMatchObject({ code: 'NOT_A_MEMBER', addresses: ['x', 'Ben'] });
  });

  test('at most 100 of them are named', async () => {
    const { gid } = await make();
    const addresses = Array.from({ length: 150 }, (_, index) => `u${index}`);
    const result = await refused(gid, { update: [{ addresses }] });
    expect(answered(result, 'NotAMember').addresses).toEqual(addresses.slice(0, 100));
  });
});

test('ifVersion: done when equal, a conflict behind and ahead', async () => {
  const { gid } = await makeThree();
  for (const ifVersion of [0, 1, 3]) {
    const result = await refused(gid, { ifVersion, remove: ['anna'] });
    expect(answered(result, 'VersionConflict')).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 2 });
  }
  expect(await counts(gid, { ifVersion: 2, remove: ['anna'] })).toMatchObject({ counts: [0, 0, 1, 0], version: 3 });
});

test('of several at once that add the same address one adds it', async () => {
  const { gid } = await make();
  const results = await Promise.all([1, 2, 3].map(() => counts(gid, { add: [{ addresses: ['anna'] }] })));
  const sums = [0, 1, 2, 3].map((place) => results.reduce((sum, result) => sum + (result.counts[place] ?? 0), 0));
  expect(sums).toEqual([1, 0, 0, 2]);
  expect(await changesOf(db, gid, 1)).toHaveLength(1);
});

describe('invalid', () => {
  test.each(Object.entries(BAD_ADDRESSES))('an address with %s, in each list', async (_, address) => {
    const { gid } = await makeThree();
    for (const list of ['add', 'update'] as const) {
      const result = await refused(gid, { [list]: [{ addresses: ['anna'] }, { addresses: ['ben', address] }] });
      expect(issuePaths(result)).toEqual([`input.${list}.1.addresses.1`]);
    }
    expect(issuePaths(await refused(gid, { remove: ['anna', address] }))).toEqual(['input.remove.1']);
  });

  const anna = { addresses: ['anna'] };
  test.each<[string, Fields, ...string[]]>([
    ['twice in one list', { add: [{ addresses: ['x', 'anna', 'anna'] }] }, 'input.add.0.addresses.2'],
    ['twice in add', { add: [anna, anna] }, 'input.add.1.addresses.0'],
    ['twice in remove', { remove: ['anna', 'ben', 'anna'] }, 'input.remove.2'],
    ['in add and update', { add: [anna], update: [anna] }, 'input.update.0.addresses.0'],
    ['in add and remove', { add: [anna], remove: ['anna'] }, 'input.remove.0'],
    ['in update and remove', { update: [anna], remove: ['anna'] }, 'input.remove.0'],
    ['three times', { add: [anna], update: [anna], remove: ['anna'] }, 'input.remove.0', 'input.update.0.addresses.0'],
  ])('an address %s', async (_, fields, ...paths) => {
    const { gid } = await makeThree();
    expect(issuePaths(await refused(gid, fields))).toEqual(paths);
  });

  test.each<[Fields, ...string[]]>([
    [
      { add: null, update: null, remove: null, ifVersion: null, idempotencyKey: null },
      ...['add', 'update', 'remove', 'ifVersion', 'idempotencyKey'].map((field) => `input.${field}`),
    ],
    [{ add: [{ addresses: ['x'], permissions: null, admin: null }] }, 'input.add.0.permissions', 'input.add.0.admin'],
    [
      { update: [{ addresses: ['anna'], permissions: { sub: null }, admin: { admin: null } }] },
      'input.update.0.permissions.sub',
      'input.update.0.admin.admin',
    ],
    [{ messageType: -1 }, 'input.messageType'],
    [{ ifVersion: -1 }, 'input.ifVersion'],
    [{ idempotencyKey: 'a\n' }, 'input.idempotencyKey'],
    [
      { add: [{ addresses: [' '] }], update: [{ addresses: [''] }], remove: [','] },
      'input.add.0.addresses.0',
      'input.update.0.addresses.0',
      'input.remove.0',
    ],
  ])('%j', async (fields, ...paths) => {
    const { gid } = await makeThree();
    expect(issuePaths(await refused(gid, fields))).toEqual(paths.sort());
  });

  test('at most 100 issues are listed', async () => {
    const { gid } = await makeThree();
    const addresses = Array.from({ length: 60 }, (_, index) => `${index},`);
    const result = await refused(gid, {
      add: [{ addresses }],
      update: [{ addresses: addresses.map((address) => `u${address}`) }],
    });
    expect(issuePaths(result)).toHaveLength(100);
  });
});

test('unauthenticated', async () => {
  const { gid } = await makeThree();
  await expectUnauthenticated(gateway, caller, GroupEditMembersDocument, { input: { gid, remove: ['anna'] } });
});

test('forbidden without the scope WRITE', async () => {
  const { gid } = await make({ members: [{ addresses: ['scopeless'], admin: { owner: true } }] });
  await expectScopeNeeded(gateway, caller, 'WRITE', GroupEditMembersDocument, { input: { gid, add: [{ addresses: ['x'] }] } });
});

test("not found: no group, no number, too large, another app's, deleted", async () => {
  const other = await gateway.caller();
  const { gid } = await operationsOf(other).make({ members: [{ addresses: ['anna'] }] });
  const deleted = (await makeThree()).gid;
  answered(await del({ gid: deleted }), 'GroupDelPayload');
  const elsewhere = { gid, appId: other.viewer.appId, deleted };
  await expectNotFound(gateway, caller, elsewhere, GroupEditMembersDocument, (gid) => ({
    input: { gid, add: [{ addresses: ['x'] }], update: [{ addresses: ['y'] }], remove: ['anna'] },
  }));
});
