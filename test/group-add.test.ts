import { describe, expect, test } from 'vitest';
import { encodeGroupCursor } from '../src/changes/log/cursor.ts';
import { GroupAddDocument, type GroupAddInput } from '../src/generated/operations.ts';
import { plainSettings } from '../src/model/plain-settings.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { applicationToken, expectScopeNeeded, expectUnauthenticated, sendAs } from './setup/refusals.ts';
import { changesOf, rowsOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const caller = await gateway.caller();
const { add, make, read, members } = operationsOf(caller);

const MAX = 2 ** 31 - 1;
const NO_PERMISSIONS = { send: 'MEMBERS', recv: 'MEMBERS', pub: 'MEMBERS', sub: 'MEMBERS', list: 'MEMBERS' };
const seconds = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000;

describe('ok', () => {
  test('an empty input makes a group with every default', async () => {
    const { group, cursor } = answered(await add({}), 'GroupAddPayload');
    expect(group).toEqual({
      id: expect.any(String),
      gid: expect.stringMatching(/^[1-9]\d{3,15}$/),
      name: null,
      active: true,
      state: 'ACTIVE',
      flags: 0,
      validity: { startsAt: group.createdAt, expiresAt: expect.any(String), extension: null },
      permissions: NO_PERMISSIONS,
      messageTypes: [],
      storesMessages: true,
      loopsBack: false,
      membersMayLeave: true,
      callSettings: { flags: 0, resolution: 'DEFAULT', maxDuration: null },
      memberCount: 0,
      version: 1,
      cursor,
      createdAt: group.createdAt,
      updatedAt: group.createdAt,
    });
    expect(seconds(group.validity.startsAt, group.validity.expiresAt)).toBe(365 * 24 * 60 * 60);
    expect(await read(group.gid)).toEqual(group);
  });

  test('a full input is returned as it was given', async () => {
    const group = await make({
      name: 'Night shift',
      flags: 0x8,
      active: false,
      validity: { start: 100, duration: 50, extension: 7 },
      permissions: { send: 'SELECTED', recv: 'ROUND_ROBIN', pub: 'ANYONE', sub: 'SELECTED', list: 'ANYONE' },
      storesMessages: false,
      loopsBack: true,
      membersMayLeave: false,
      callSettings: { flags: -5, resolution: 'UHD_4K', maxDuration: 3600 },
      members: [{ addresses: ['anna', 'ben'] }],
    });
    expect(group).toMatchObject({
      name: 'Night shift',
      active: false,
      state: 'SCHEDULED',
      flags: 0x8 | 0x1 | 0x20 | 0x200 | 0x1000 | 0x20000 | 0x40 | 0x80 | 0x40000,
      validity: { extension: 7 },
      permissions: { send: 'SELECTED', recv: 'ROUND_ROBIN', pub: 'ANYONE', sub: 'SELECTED', list: 'ANYONE' },
      storesMessages: false,
      loopsBack: true,
      membersMayLeave: false,
      callSettings: { flags: -5, resolution: 'UHD_4K', maxDuration: 3600 },
      memberCount: 2,
    });
    expect(seconds(group.createdAt, group.validity.startsAt)).toBe(100);
    expect(seconds(group.validity.startsAt, group.validity.expiresAt)).toBe(50);
    expect((await members(group.gid)).map(({ address }) => address)).toEqual(['anna', 'ben']);
    expect(await read(group.gid)).toEqual(group);
  });

  test('its records: GroupAdded with the settings, then MembersAdded', async () => {
    const input: GroupAddInput = {
      name: 'Log',
      flags: 0x40,
      validity: { start: 9, extension: 3 },
      callSettings: { maxDuration: 60, resolution: 'HD' },
      members: [
        { addresses: ['anna'], admin: { owner: true } },
        { addresses: ['ben'], permissions: { send: false } },
      ],
    };
    const { group, cursor } = answered(await add(input), 'GroupAddPayload');
    const changes = await changesOf(gateway.db, group.gid);
    expect(changes.map(({ version, kind, actor, memberCount, data }) => ({ version, kind, actor, memberCount, data }))).toEqual([
      {
        version: 1,
        kind: 'GROUP_ADDED',
        actor: null,
        memberCount: 0,
        data: {
          settings: {
            ...plainSettings({ name: 'Log' }),
            flags: 0x40,
            startsAt: Date.parse(group.validity.startsAt),
            expiresAt: Date.parse(group.validity.expiresAt),
            extension: 3,
            call: { flags: 0, resolution: 'HD', maxDuration: 60 },
            typeCount: 0,
            types: [],
          },
        },
      },
      {
        version: 2,
        kind: 'MEMBERS_ADDED',
        actor: null,
        memberCount: 2,
        data: {
          members: [
            ['anna', 0, true, 31, 511],
            ['ben', 0, true, 30, 0],
          ],
        },
      },
    ]);
    expect(group.version).toBe(2);
    expect(cursor).toBe(encodeGroupCursor({ gid: Number(group.gid), version: 2, mark: changes[1]?.mark ?? 0 }));
    expect(cursor).toBe(group.cursor);
    for (const { at } of changes) expect(at.toISOString()).toBe(group.createdAt);
  });

  test("a user's group names it as actor", async () => {
    const user = await caller.user('nora');
    const { gid } = await operationsOf(user).make({ name: "Nora's" });
    const actors = (await changesOf(gateway.db, gid)).map(({ actor }) => actor);
    expect(new Set(actors)).toEqual(new Set(['nora']));
  });

  test('CREATE_GROUPS alone is enough, for the payload too', async () => {
    const token = await applicationToken(gateway.db, caller.viewer, ['CREATE_GROUPS']);
    const { body } = await sendAs(gateway, `Bearer ${token}`, GroupAddDocument, { input: { name: 'Alone' } });
    expect(body).toMatchObject({ data: { groupAdd: { __typename: 'GroupAddPayload', group: { name: 'Alone' } } } });
  });

  test('gids grow and are given to one app at a time', async () => {
    const other = operationsOf(await gateway.caller());
    const gids = [await make(), await other.make(), await make()].map(({ gid }) => Number(gid));
    expect(gids).toEqual([...new Set(gids)].sort((a, b) => a - b));
  });

  test('two groups may have the same name', async () => {
    const [one, two] = [await make({ name: 'Twin' }), await make({ name: 'Twin' })];
    expect(one.gid).not.toBe(two.gid);
    expect(two.name).toBe('Twin');
  });

  test.each([
    ['nothing', ''],
    ['spaces around', '  a  '],
    ['emoji and right to left', '\u{1f9d1}\u200d\u{1f680} שלום, مرحبا \u202e!'],
    ['256 emoji', '\u{1f600}'.repeat(256)],
    ['line feeds and controls', 'a\nb\t\u0001\u007f\u0085'],
    ['not composed', 'e\u0301 \u00e9'],
    ['what SQL and JSON mind', `'"\\{}$1--%_;`],
  ])('a name is returned exactly: %s', async (_, name) => {
    const { gid } = await make({ name });
    expect((await read(gid)).name).toBe(name);
  });

  test('name: null is no name', async () => {
    expect((await make({ name: null })).name).toBeNull();
  });
});

describe('validity', () => {
  test.each([
    [{ start: 0, duration: 0, extension: 0 }, 0, 365 * 86400, null],
    [{ start: 60 }, 60, 365 * 86400, null],
    [{ duration: 1 }, 0, 1, null],
    [{ extension: null }, 0, 365 * 86400, null],
    [{ start: MAX, duration: MAX, extension: MAX }, MAX, MAX, MAX],
  ])('%j', async (validity, start, duration, extension) => {
    const group = await make({ validity });
    expect(seconds(group.createdAt, group.validity.startsAt)).toBe(start);
    expect(seconds(group.validity.startsAt, group.validity.expiresAt)).toBe(duration);
    expect(group.validity.extension).toBe(extension);
    expect(group.state).toBe(start === 0 ? 'ACTIVE' : 'SCHEDULED');
  });

  test('active: false makes a paused group', async () => {
    expect(await make({ active: false })).toMatchObject({ active: false, state: 'PAUSED' });
  });
});

describe('flags, permissions and switches', () => {
  test.each<[string, GroupAddInput, number]>([
    ['flags alone', { flags: 0x40 | 0x80 | 0x40000 | 0x8 | 0x22222 }, 0x222ea | 0x40000],
    ['permissions over flags', { flags: 0x11111, permissions: { send: 'MEMBERS', sub: 'ANYONE' } }, 0x12110],
    ['switches over flags', { flags: 0x400c0, storesMessages: true, loopsBack: false, membersMayLeave: true }, 0],
    ['switches beside flags', { flags: 0x8, storesMessages: false, loopsBack: true, membersMayLeave: false }, 0x400c8],
  ])('%s', async (_, input, flags) => {
    expect((await make(input)).flags).toBe(flags);
  });
});

describe('invalid', () => {
  const tooLong = 'a'.repeat(257);
  test.each<[string, GroupAddInput, ...string[]]>([
    ['a name of 257 characters', { name: tooLong }, 'input.name'],
    ['a name of 257 emoji', { name: '\u{1f600}'.repeat(257) }, 'input.name'],
    ['a name with a null character', { name: 'a\0b' }, 'input.name'],
    ['a name with a lone surrogate', { name: '\ud83d' }, 'input.name'],
    ['unknown flags', { flags: 0x4 }, 'input.flags'],
    ['unknown flags beside known ones', { flags: 0x80041 }, 'input.flags'],
    ['negative flags', { flags: -1 }, 'input.flags'],
    ['the least integer as flags', { flags: -MAX - 1 }, 'input.flags'],
    ['both bits of send', { flags: 0x3 }, 'input.flags'],
    ['both bits of recv', { flags: 0x30 }, 'input.flags'],
    ['both bits of pub', { flags: 0x300 }, 'input.flags'],
    ['both bits of sub', { flags: 0x3000 }, 'input.flags'],
    ['both bits of list', { flags: 0x30000 }, 'input.flags'],
    ['both bits, with the level given besides', { flags: 0x3, permissions: { send: 'MEMBERS' } }, 'input.flags'],
    [
      'negative validity',
      { validity: { start: -1, duration: -1, extension: -1 } },
      'input.validity.start',
      'input.validity.duration',
      'input.validity.extension',
    ],
    ['a negative longest call', { callSettings: { maxDuration: -1 } }, 'input.callSettings.maxDuration'],
    [
      'default with all others',
      { callSettings: { default: true, flags: 0, resolution: 'DEFAULT', maxDuration: null } },
      'input.callSettings.flags',
      'input.callSettings.resolution',
      'input.callSettings.maxDuration',
    ],
    ['an empty key', { idempotencyKey: '' }, 'input.idempotencyKey'],
    [
      'several at once',
      { name: tooLong, flags: 4, members: [{ addresses: ['a'] }, { addresses: ['b', ''] }] },
      'input.name',
      'input.flags',
      'input.members.1.addresses.1',
    ],
  ])('%s', async (_, input, ...paths) => {
    expect(issuePaths(await writesNothing(gateway.db, caller.viewer, () => add(input)))).toEqual(paths.sort());
  });

  test.each<[GroupAddInput, ...string[]]>([
    [{ flags: null }, 'input.flags'],
    [{ active: null }, 'input.active'],
    [{ validity: null }, 'input.validity'],
    [{ validity: { start: null, duration: null } }, 'input.validity.start', 'input.validity.duration'],
    [{ permissions: null }, 'input.permissions'],
    [{ permissions: { send: null, list: null } }, 'input.permissions.send', 'input.permissions.list'],
    [{ storesMessages: null }, 'input.storesMessages'],
    [{ loopsBack: null }, 'input.loopsBack'],
    [{ membersMayLeave: null }, 'input.membersMayLeave'],
    [{ callSettings: null }, 'input.callSettings'],
    [{ callSettings: { flags: null, resolution: null } }, 'input.callSettings.flags', 'input.callSettings.resolution'],
    [{ callSettings: { default: null } }, 'input.callSettings.default'],
    [{ members: null }, 'input.members'],
    [{ members: [{ addresses: [], permissions: null, admin: null }] }, 'input.members.0.permissions', 'input.members.0.admin'],
    [{ idempotencyKey: null }, 'input.idempotencyKey'],
  ])('null where it cannot be: %j', async (input, ...paths) => {
    expect(issuePaths(await writesNothing(gateway.db, caller.viewer, () => add(input)))).toEqual(paths.sort());
  });

  test.each([
    [{ flags: 2 ** 31 }, 'input.flags'],
    [{ validity: { start: 2 ** 31 } }, 'input.validity.start'],
    [{ validity: { duration: 1.5 } }, 'input.validity.duration'],
    [{ validity: { extension: '7' } }, 'input.validity.extension'],
    [{ callSettings: { resolution: 'P720' } }, 'input.callSettings.resolution'],
    [{ permissions: { send: 'ROUND_ROBIN' } }, 'input.permissions.send'],
    [{ members: [{ addresses: [null] }] }, 'input.members.0.addresses.0'],
  ])('what GraphQL itself refuses has its path too: %j', async (input, path) => {
    const answer = await writesNothing(gateway.db, caller.viewer, () => caller.send(GroupAddDocument, { input }));
    expect(answer.data).toBeUndefined();
    expect(answer.errors).toHaveLength(1);
    const extensions = answer.errors?.[0]?.extensions as { code: string; issues: { path: string[] }[] };
    expect(extensions.code).toBe('INVALID_INPUT');
    expect(extensions.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
});

test('unauthenticated', async () => {
  await expectUnauthenticated(gateway, caller, GroupAddDocument, { input: { name: 'No' } });
});

test('forbidden without the scope CREATE_GROUPS', async () => {
  await expectScopeNeeded(gateway, caller, 'CREATE_GROUPS', GroupAddDocument, { input: { name: 'No' } });
});

test('the scope comes before the input', async () => {
  await expectScopeNeeded(gateway, caller, 'CREATE_GROUPS', GroupAddDocument, { input: { flags: -1 } });
});

test('another app neither sees the group nor gets a row', async () => {
  const other = await gateway.caller();
  const before = await rowsOf(gateway.db, other.viewer.appId);
  const { gid } = await make({ members: [{ addresses: ['anna'] }] });
  await expect(operationsOf(other).read(gid)).rejects.toThrow('There is no group');
  expect(await rowsOf(gateway.db, other.viewer.appId)).toEqual(before);
});
