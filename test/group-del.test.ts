import { describe, expect, test } from 'vitest';
import { encodeGroupCursor } from '../src/changes/log/cursor.ts';
import { GroupDelDocument, type GroupDelInput, GroupsDocument, MembersDocument } from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { expectNotFound, expectScopeNeeded, expectUnauthenticated } from './setup/refusals.ts';
import { changesOf, entriesOf, rowsOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, set, del, edit, read, change } = operationsOf(caller);

describe('ok', () => {
  test('one record, and its cursor', async () => {
    const { gid } = await make({ members: [{ addresses: ['anna', 'ben'] }] });
    const result = answered(await del({ gid }), 'GroupDelPayload');
    const [record, ...more] = await changesOf(db, gid, 2);
    expect(more).toEqual([]);
    expect(record).toMatchObject({ version: 3, kind: 'GROUP_DELETED', actor: null, memberCount: 2, data: {} });
    const cursor = encodeGroupCursor({ gid: Number(gid), version: 3, mark: record?.mark ?? 0 });
    expect(result).toEqual({ __typename: 'GroupDelPayload', gid, cursor });
  });

  test("a user's deletion names it as actor", async () => {
    const { gid } = await make({ members: [{ addresses: ['olga'], admin: { owner: true } }] });
    answered(await operationsOf(await caller.user('olga')).del({ gid }), 'GroupDelPayload');
    expect((await changesOf(db, gid)).at(-1)).toMatchObject({ kind: 'GROUP_DELETED', actor: 'olga' });
  });

  test('it vanishes from every read at once, and takes no write any more', async () => {
    const { gid, id } = await make({ name: 'Gone with all', members: [{ addresses: ['anna'] }] });
    const query = `query ($gid: ID!, $id: ID!) {
      group(gid: $gid) { gid }
      groupGetMembers(gid: $gid) { edges { node { address } } }
      node(id: $id) { id }
    }`;
    expect((await caller.send(query, { gid, id })).data).toMatchObject({ group: { gid }, node: { id } });
    answered(await del({ gid }), 'GroupDelPayload');
    expect((await caller.send(query, { gid, id })).data).toEqual({ group: null, groupGetMembers: null, node: null });
    for (const filter of [{ nameContains: 'Gone with' }, { member: 'anna' }, undefined]) {
      const { groups } = await caller.call(GroupsDocument, { first: 1000, filter });
      expect(groups.edges.map(({ node }) => node.gid)).not.toContain(gid);
    }
    expect(await caller.call(MembersDocument, { gid })).toEqual({ groupGetMembers: null });
    await writesNothing(db, caller.viewer, async () => {
      answered(await set({ gid, name: 'Back' }), 'GroupNotFound');
      answered(await edit({ gid, add: [{ addresses: ['ben'] }] }), 'GroupNotFound');
      answered(await del({ gid }), 'GroupNotFound');
    });
  });

  test('row, members, entries and records stay as tombstones; other groups are untouched', async () => {
    const [kept, gone] = [await make({ members: [{ addresses: ['anna'] }] }), await make({ members: [{ addresses: ['anna'] }] })];
    await change({ gid: gone.gid, messageType: 7, permissions: { send: 'SELECTED' }, members: [{ addresses: ['anna'] }] });
    const before = await rowsOf(db, caller.viewer.appId);
    answered(await del({ gid: gone.gid }), 'GroupDelPayload');
    const { groups, changes, ...rest } = await rowsOf(db, caller.viewer.appId);
    const { groups: groupsBefore, changes: changesBefore, ...restBefore } = before;
    expect(rest).toEqual(restBefore);
    expect(changes).toHaveLength(changesBefore.length + 1);
    expect(groups).toHaveLength(groupsBefore.length);
    expect(groups.find((row) => String(row['gid']) === gone.gid)).toMatchObject({
      deleted_at: expect.any(String),
      expiry_due: null,
      member_count: 1,
    });
    expect(await entriesOf(db, gone.gid)).toHaveLength(1);
    expect(await read(kept.gid)).toEqual(kept);
  });

  test('its gid is never used again', async () => {
    const { gid } = await make();
    await del({ gid });
    expect(Number((await make()).gid)).toBeGreaterThan(Number(gid));
  });

  test('a paused and a scheduled group can be deleted', async () => {
    for (const input of [{ active: false }, { validity: { start: 500 } }]) {
      const { gid } = await make(input);
      answered(await del({ gid }), 'GroupDelPayload');
    }
  });
});

test('ifVersion: done when equal, a conflict behind and ahead', async () => {
  const { gid } = await make({ members: [{ addresses: ['anna'] }] });
  for (const ifVersion of [0, 1, 3]) {
    const result = await writesNothing(db, caller.viewer, () => del({ gid, ifVersion }));
    expect(answered(result, 'VersionConflict')).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 2 });
  }
  answered(await del({ gid, ifVersion: 2 }), 'GroupDelPayload');
});

test('of several at once one succeeds, and the others find no group', async () => {
  const { gid } = await make();
  const results = await Promise.all([del({ gid }), del({ gid }), del({ gid })]);
  expect(results.map(({ __typename }) => __typename).sort()).toEqual(['GroupDelPayload', 'GroupNotFound', 'GroupNotFound']);
  expect((await changesOf(db, gid)).map(({ kind }) => kind)).toEqual(['GROUP_ADDED', 'GROUP_DELETED']);
});

test.each<[Omit<GroupDelInput, 'gid'>, ...string[]]>([
  [{ ifVersion: -1 }, 'input.ifVersion'],
  [{ ifVersion: null, idempotencyKey: null }, 'input.idempotencyKey', 'input.ifVersion'],
  [{ idempotencyKey: '' }, 'input.idempotencyKey'],
])('invalid: %j', async (fields, ...paths) => {
  const { gid } = await make();
  const result = await writesNothing(db, caller.viewer, () => del({ gid, ...fields }));
  expect(issuePaths(result)).toEqual(paths);
});

test('unauthenticated', async () => {
  const { gid } = await make();
  await expectUnauthenticated(gateway, caller, GroupDelDocument, { input: { gid } });
});

test('forbidden without the scope WRITE', async () => {
  const { gid } = await make({ members: [{ addresses: ['scopeless'], admin: { owner: true } }] });
  await expectScopeNeeded(gateway, caller, 'WRITE', GroupDelDocument, { input: { gid } });
});

test("not found: no group, no number, too large, another app's, deleted", async () => {
  const other = await gateway.caller();
  const { gid } = await operationsOf(other).make({ name: 'Foreign' });
  const deleted = (await make()).gid;
  answered(await del({ gid: deleted }), 'GroupDelPayload');
  await expectNotFound(gateway, caller, { gid, appId: other.viewer.appId, deleted }, GroupDelDocument, (gid) => ({
    input: { gid },
  }));
});
