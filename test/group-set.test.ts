import { describe, expect, test } from 'vitest';
import { encodeGroupCursor } from '../src/changes/log/cursor.ts';
import { type GroupFieldsFragment, GroupSetDocument, type GroupSetInput } from '../src/generated/operations.ts';
import { plainSettings } from '../src/model/plain-settings.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { expectNotFound, expectScopeNeeded, expectUnauthenticated } from './setup/refusals.ts';
import { changesOf, entriesOf, rowsOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, set, change, del, read, members } = operationsOf(caller);

type Fields = Omit<GroupSetInput, 'gid'>;

/** A group in which nothing is as by default, at version 3. */
async function makeFull(): Promise<GroupFieldsFragment> {
  const { gid } = await make({
    name: 'Full',
    flags: 0x8 | 0x1 | 0x10 | 0x100 | 0x1000 | 0x10000 | 0x40 | 0x80 | 0x40000,
    active: false,
    validity: { start: 1_000, duration: 5_000, extension: 30 },
    callSettings: { flags: 3, resolution: 'HD', maxDuration: 60 },
    members: [{ addresses: ['anna'], permissions: { send: false }, admin: { modify: true } }],
  });
  return change({ gid, messageType: 7, permissions: { send: 'SELECTED', recv: 'SELECTED' } });
}

describe('partial updates touch nothing else', () => {
  const permissions = { send: 'SELECTED', recv: 'SELECTED', pub: 'SELECTED', sub: 'SELECTED', list: 'SELECTED' } as const;
  const callSettings = { flags: 3, resolution: 'HD', maxDuration: 60 } as const;
  test.each<[Fields, Partial<GroupFieldsFragment>, string[]]>([
    [{ name: 'New' }, { name: 'New' }, ['name']],
    [{ name: '' }, { name: '' }, ['name']],
    [{ name: null }, { name: null }, ['name']],
    [{ active: true }, { active: true }, ['active']],
    [{ storesMessages: true }, { storesMessages: true, flags: 0x51199 }, ['flags', 'storesMessages']],
    [{ loopsBack: false }, { loopsBack: false, flags: 0x51159 }, ['flags', 'loopsBack']],
    [{ membersMayLeave: true }, { membersMayLeave: true, flags: 0x111d9 }, ['flags', 'membersMayLeave']],
    [
      { permissions: { recv: 'ROUND_ROBIN' } },
      { permissions: { ...permissions, recv: 'ROUND_ROBIN' }, flags: 0x511e9 },
      ['flags', 'permissions.recv'],
    ],
    [{ callSettings: { flags: 4 } }, { callSettings: { ...callSettings, flags: 4 } }, ['callSettings.flags']],
    [
      { callSettings: { resolution: 'NHD' } },
      { callSettings: { ...callSettings, resolution: 'NHD' } },
      ['callSettings.resolution'],
    ],
    [{ callSettings: { maxDuration: 61 } }, { callSettings: { ...callSettings, maxDuration: 61 } }, ['callSettings.maxDuration']],
  ])('%j', async (fields, patch, changed) => {
    const before = await makeFull();
    const { group, cursor } = answered(await set({ gid: before.gid, ...fields }), 'GroupSetPayload');
    const [record, ...more] = await changesOf(db, before.gid, before.version);
    expect(more).toEqual([]);
    expect(record).toMatchObject({ version: 4, kind: 'GROUP_UPDATED', actor: null, memberCount: 1, data: { changed } });
    expect(group).toEqual({ ...before, ...patch, version: 4, cursor, updatedAt: record?.at.toISOString() });
    expect(cursor).toBe(encodeGroupCursor({ gid: Number(group.gid), version: 4, mark: record?.mark ?? 0 }));
    expect(await read(group.gid)).toEqual(group);
  });

  test('members and rows of other groups neither', async () => {
    const { gid } = await makeFull();
    const before = await rowsOf(db, caller.viewer.appId);
    await change({ gid, name: 'New', active: true, flags: 0, validity: { start: 0 }, callSettings: { default: true } });
    const after = await rowsOf(db, caller.viewer.appId);
    expect({ ...after, groups: [], changes: [] }).toEqual({ ...before, groups: [], changes: [] });
    const others = (rows: typeof before) => rows.groups.filter((row) => String(row['gid']) !== gid);
    expect(others(after)).toEqual(others(before));
  });
});

test('all settings at once are one record, with the settings as they are then', async () => {
  const { gid } = await makeFull();
  const group = await change({
    gid,
    name: 'All',
    active: true,
    flags: 0,
    validity: { start: 0, duration: 10, extension: 5 },
    permissions: { list: 'ANYONE' },
    loopsBack: true,
    callSettings: { flags: 1, resolution: 'VGA', maxDuration: 9 },
  });
  const [record, ...more] = await changesOf(db, gid, 3);
  expect(more).toEqual([]);
  expect(record?.data.settings).toEqual({
    ...plainSettings({ name: 'All' }),
    flags: 0x20080,
    startsAt: Date.parse(group.validity.startsAt),
    expiresAt: Date.parse(group.validity.startsAt) + 10_000,
    extension: 5,
    call: { flags: 1, resolution: 'VGA', maxDuration: 9 },
    typeCount: 1,
    types: [[7, 1, 1]],
  });
  expect(new Set(record?.data.changed)).toEqual(
    new Set([
      'name',
      'active',
      'flags',
      'validity.startsAt',
      'validity.expiresAt',
      'validity.extension',
      ...['send', 'recv', 'pub', 'sub', 'list'].map((action) => `permissions.${action}`),
      'storesMessages',
      'membersMayLeave',
      'callSettings.flags',
      'callSettings.resolution',
      'callSettings.maxDuration',
    ]),
  );
});

test.each<Fields>([
  {},
  { name: 'Full', active: false, flags: 0x511d9, storesMessages: false, loopsBack: true, membersMayLeave: false },
  { permissions: {}, validity: {}, callSettings: {}, members: [] },
  { permissions: { send: 'SELECTED', recv: 'SELECTED', pub: 'SELECTED', sub: 'SELECTED', list: 'SELECTED' } },
  {
    flags: 0x8,
    permissions: { send: 'SELECTED', recv: 'SELECTED', pub: 'SELECTED', sub: 'SELECTED', list: 'SELECTED' },
    storesMessages: false,
    loopsBack: true,
    membersMayLeave: false,
    messageType: null,
  },
  { validity: { duration: 0, extension: 30 }, callSettings: { flags: 3, resolution: 'HD', maxDuration: 60, default: false } },
  { members: [{ addresses: ['anna'] }] },
  { members: [{ addresses: ['anna'], permissions: { send: false, recv: true }, admin: { modify: true, remove: false } }] },
  { messageType: 7, permissions: { send: 'SELECTED' } },
  { messageType: 8, permissions: null },
  { ifVersion: 3 },
])('what changes nothing writes nothing and keeps version and cursor: %j', async (fields) => {
  const before = await makeFull();
  const result = await writesNothing(db, caller.viewer, () => set({ gid: before.gid, ...fields }));
  expect(answered(result, 'GroupSetPayload')).toEqual({ __typename: 'GroupSetPayload', group: before, cursor: before.cursor });
});

test('members are added and updated; the records come after the settings', async () => {
  const { gid } = await makeFull();
  const group = await change({
    gid,
    name: 'Both',
    members: [
      { addresses: ['ben', 'anna'], permissions: { pub: false } },
      { addresses: ['carl'], admin: { admin: true } },
    ],
  });
  const changes = await changesOf(db, gid, 3);
  expect(changes.map(({ version, kind, memberCount }) => [version, kind, memberCount])).toEqual([
    [4, 'GROUP_UPDATED', 1],
    [5, 'MEMBERS_ADDED', 3],
    [6, 'MEMBERS_UPDATED', 3],
  ]);
  expect(changes[1]?.data.members).toEqual([
    ['ben', 0, true, 0x1b, 0],
    ['carl', 0, true, 0x1f, 0b011110110],
  ]);
  expect(changes[2]?.data.members).toEqual([['anna', 0, true, 0x1a, 0b100]]);
  expect(group).toMatchObject({ memberCount: 3, version: 6 });
  expect((await members(gid)).map(({ address }) => address)).toEqual(['anna', 'ben', 'carl']);
});

test('with a message type, members are about entries', async () => {
  const { gid } = await makeFull();
  await change({ gid, messageType: 7, members: [{ addresses: ['anna'], permissions: { recv: false } }] });
  expect(await entriesOf(db, gid)).toEqual([{ address: 'anna', messageType: 7, permissions: 1 }]);
  const result = await writesNothing(db, caller.viewer, () =>
    set({ gid, name: 'No', messageType: 7, permissions: null, members: [{ addresses: ['anna', 'ben', 'carl'] }] }),
  );
  expect(answered(result, 'NotAMember')).toMatchObject({ code: 'NOT_A_MEMBER', addresses: ['ben', 'carl'] });
});

test('ifVersion: done when equal, a conflict behind and ahead', async () => {
  const { gid } = await makeFull();
  for (const ifVersion of [0, 2, 4, 2 ** 31 - 1]) {
    const result = await writesNothing(db, caller.viewer, () => set({ gid, ifVersion, name: 'No' }));
    expect(answered(result, 'VersionConflict')).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 3 });
  }
  expect(await change({ gid, ifVersion: 3, name: 'Yes' })).toMatchObject({ name: 'Yes', version: 4 });
});

test('of two at once with the same ifVersion one succeeds', async () => {
  const { gid } = await make();
  const results = await Promise.all(['one', 'two', 'three'].map((name) => set({ gid, ifVersion: 1, name })));
  expect(results.map(({ __typename }) => __typename).sort()).toEqual(['GroupSetPayload', 'VersionConflict', 'VersionConflict']);
  expect(await changesOf(db, gid, 1)).toHaveLength(1);
});

test("a user's change names it as actor", async () => {
  const user = operationsOf(await caller.user('olga'));
  const { gid } = await make({ members: [{ addresses: ['olga'], admin: { owner: true } }] });
  await user.change({ gid, name: 'Mine' });
  expect((await changesOf(db, gid, 2)).map(({ kind, actor }) => [kind, actor])).toEqual([['GROUP_UPDATED', 'olga']]);
});

describe('invalid', () => {
  test.each<[Fields, ...string[]]>([
    [{ name: 'a\0' }, 'input.name'],
    [{ name: 'a'.repeat(257) }, 'input.name'],
    [{ flags: 0x3 }, 'input.flags'],
    [{ flags: -8 }, 'input.flags'],
    [{ flags: 0x800 }, 'input.flags'],
    [
      { validity: { start: -1, duration: -2, extension: -3 } },
      'input.validity.start',
      'input.validity.duration',
      'input.validity.extension',
    ],
    [{ callSettings: { maxDuration: -1 } }, 'input.callSettings.maxDuration'],
    [{ callSettings: { default: true, flags: 3 } }, 'input.callSettings.flags'],
    [{ messageType: -1 }, 'input.messageType'],
    [{ messageType: 7, flags: 0 }, 'input.flags'],
    [
      { messageType: 7, permissions: { send: 'ANYONE', pub: 'ANYONE', sub: 'MEMBERS', list: 'ANYONE' } },
      'input.permissions.pub',
      'input.permissions.sub',
      'input.permissions.list',
    ],
    [
      { messageType: 7, members: [{ addresses: ['anna'], permissions: { list: true }, admin: {} }] },
      'input.members.0.permissions.list',
      'input.members.0.admin',
    ],
    [
      { members: [{ addresses: ['ben', 'ben'] }, { addresses: [' '] }] },
      'input.members.0.addresses.1',
      'input.members.1.addresses.0',
    ],
    [{ ifVersion: -1 }, 'input.ifVersion'],
    [{ idempotencyKey: 'ä' }, 'input.idempotencyKey'],
    [
      { flags: null, active: null, storesMessages: null, loopsBack: null, membersMayLeave: null },
      ...['flags', 'active', 'storesMessages', 'loopsBack', 'membersMayLeave'].map((field) => `input.${field}`),
    ],
    [
      { validity: null, callSettings: null, members: null, ifVersion: null, idempotencyKey: null },
      ...['validity', 'callSettings', 'members', 'ifVersion', 'idempotencyKey'].map((field) => `input.${field}`),
    ],
    [{ validity: { start: null, duration: null, extension: null } }, 'input.validity.start', 'input.validity.duration'],
    [
      { callSettings: { flags: null, resolution: null, maxDuration: null, default: null } },
      ...['flags', 'resolution', 'default'].map((field) => `input.callSettings.${field}`),
    ],
    [{ permissions: null }, 'input.permissions'],
    [{ permissions: null, messageType: null }, 'input.permissions'],
    [{ permissions: null, messageType: 0 }, 'input.permissions'],
    [{ messageType: 7, permissions: { send: null } }, 'input.permissions.send'],
    [
      { members: [{ addresses: ['ben'], permissions: null, admin: null }] },
      'input.members.0.permissions',
      'input.members.0.admin',
    ],
  ])('%j', async (fields, ...paths) => {
    const { gid } = await makeFull();
    const result = await writesNothing(db, caller.viewer, () => set({ gid, ...fields }));
    expect(issuePaths(result)).toEqual(paths.sort());
  });

  test('a right taken from an owner that stays one', async () => {
    const { gid } = await make({ members: [{ addresses: ['anna'], admin: { owner: true } }] });
    const result = await writesNothing(db, caller.viewer, () =>
      set({ gid, name: 'No', members: [{ addresses: ['anna'], admin: { modify: false } }] }),
    );
    expect(issuePaths(result)).toEqual(['input.members.0.admin.modify']);
  });
});

test('unauthenticated', async () => {
  const { gid } = await make();
  await expectUnauthenticated(gateway, caller, GroupSetDocument, { input: { gid, name: 'No' } });
});

test('forbidden without the scope WRITE', async () => {
  const { gid } = await make({ members: [{ addresses: ['scopeless'], admin: { owner: true } }] });
  await expectScopeNeeded(gateway, caller, 'WRITE', GroupSetDocument, { input: { gid, name: 'No' } });
  await expectScopeNeeded(gateway, caller, 'WRITE', GroupSetDocument, { input: { gid: '1', flags: -1 } });
});

test("not found: no group, no number, too large, another app's, deleted", async () => {
  const other = await gateway.caller();
  const { gid } = await operationsOf(other).make({ name: 'Foreign' });
  const deleted = (await make()).gid;
  answered(await del({ gid: deleted }), 'GroupDelPayload');
  const elsewhere = { gid, appId: other.viewer.appId, deleted };
  await expectNotFound(gateway, caller, elsewhere, GroupSetDocument, (gid) => ({ input: { gid, name: 'No', ifVersion: 1 } }));
});
