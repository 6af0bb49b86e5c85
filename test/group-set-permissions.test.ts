import { describe, expect, test } from 'vitest';
import type { GroupSetInput, PermissionsInput } from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { operationsOf } from './setup/operations.ts';
import { changesOf, entriesOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, change, edit, read } = operationsOf(caller);

const MAX = 2 ** 31 - 1;
const MEMBERS = { send: 'MEMBERS', recv: 'MEMBERS', pub: 'MEMBERS', sub: 'MEMBERS', list: 'MEMBERS' } as const;

const TYPE = /* GraphQL */ `
  query ($gid: ID!, $messageType: Int) {
    group(gid: $gid) {
      messageTypes
      permissions(messageType: $messageType) {
        send
        recv
        pub
        sub
        list
      }
    }
  }
`;

async function setOf(gid: string, messageType: number): Promise<Required<PermissionsInput> | null> {
  const { data } = await caller.send(TYPE, { gid, messageType });
  return data?.['group'].permissions;
}

async function lastChanged(gid: string): Promise<string[]> {
  return (await changesOf(db, gid)).at(-1)?.data.changed;
}

describe('flags and permissions are two views of one thing', () => {
  test.each<[PermissionsInput, number]>([
    [{ send: 'SELECTED' }, 0x1],
    [{ send: 'ANYONE' }, 0x2],
    [{ recv: 'SELECTED' }, 0x10],
    [{ recv: 'ROUND_ROBIN' }, 0x20],
    [{ pub: 'SELECTED' }, 0x100],
    [{ pub: 'ANYONE' }, 0x200],
    [{ sub: 'SELECTED' }, 0x1000],
    [{ sub: 'ANYONE' }, 0x2000],
    [{ list: 'SELECTED' }, 0x10000],
    [{ list: 'ANYONE' }, 0x20000],
    [{ send: 'ANYONE', recv: 'ROUND_ROBIN', pub: 'ANYONE', sub: 'ANYONE', list: 'ANYONE' }, 0x22222],
  ])('%j is flags %i, and back', async (permissions, flags) => {
    const [one, two] = [await make(), await make()];
    const byPermissions = await change({ gid: one.gid, permissions });
    const byFlags = await change({ gid: two.gid, flags });
    expect(byPermissions.flags).toBe(flags);
    expect(byFlags.permissions).toEqual({ ...MEMBERS, ...permissions });
    expect(byPermissions.permissions).toEqual(byFlags.permissions);
    const back = await change({ gid: one.gid, permissions: MEMBERS });
    expect(back).toMatchObject({ flags: 0, permissions: MEMBERS });
  });

  test.each<[Omit<GroupSetInput, 'gid'>, number, string[]]>([
    [{ storesMessages: false }, 0x40, ['flags', 'storesMessages']],
    [{ loopsBack: true }, 0x80, ['flags', 'loopsBack']],
    [{ membersMayLeave: false }, 0x40000, ['flags', 'membersMayLeave']],
    [{ flags: 0x8 }, 0x8, ['flags']],
    [{ flags: 0x400c0 }, 0x400c0, ['flags', 'storesMessages', 'loopsBack', 'membersMayLeave']],
    [{ flags: 0x12 }, 0x12, ['flags', 'permissions.send', 'permissions.recv']],
    [{ flags: 0x12, permissions: { send: 'MEMBERS', pub: 'SELECTED' } }, 0x110, ['flags', 'permissions.recv', 'permissions.pub']],
    [{ flags: 0xc0, storesMessages: true }, 0x80, ['flags', 'loopsBack']],
  ])('%j gives flags %i', async (fields, flags, changed) => {
    const { gid } = await make();
    const group = await change({ gid, ...fields });
    expect(group).toMatchObject({
      flags,
      storesMessages: !(flags & 0x40),
      loopsBack: Boolean(flags & 0x80),
      membersMayLeave: !(flags & 0x40000),
    });
    expect(await lastChanged(gid)).toEqual(changed);
    await change({ gid, flags: 0 });
    expect(await lastChanged(gid)).toEqual(changed);
  });

  test('flags replace all that was there, permissions only what they name', async () => {
    const { gid } = await make({ flags: 0x111d9 });
    expect(await change({ gid, permissions: { recv: 'ROUND_ROBIN', list: 'MEMBERS' } })).toMatchObject({ flags: 0x11e9 });
    expect(await change({ gid, flags: 0x2 })).toMatchObject({ flags: 0x2, loopsBack: false, storesMessages: true });
  });
});

describe("a message type's own set", () => {
  test('there is none at first; a level that is not given narrows nothing', async () => {
    const { gid } = await make({ flags: 0x111 });
    expect(await setOf(gid, 7)).toBeNull();
    const group = await change({ gid, messageType: 7, permissions: { recv: 'SELECTED' } });
    expect(group).toMatchObject({ flags: 0x111, messageTypes: [7] });
    expect(await setOf(gid, 7)).toEqual({ send: 'ANYONE', recv: 'SELECTED', pub: 'ANYONE', sub: 'ANYONE', list: 'ANYONE' });
    expect(await lastChanged(gid)).toEqual(['messageTypes', 'permissions(7).send', 'permissions(7).recv']);
    await change({ gid, messageType: 8, permissions: { send: 'MEMBERS' } });
    expect(await setOf(gid, 8)).toMatchObject({ send: 'MEMBERS', recv: 'MEMBERS' });
    expect(await setOf(gid, 9)).toBeNull();
    expect((await changesOf(db, gid)).at(-1)?.data.settings.types).toEqual([
      [7, 2, 1],
      [8, 0, 0],
    ]);
  });

  test('a partial change keeps the other level', async () => {
    const { gid } = await make();
    await change({ gid, messageType: 7, permissions: { send: 'SELECTED', recv: 'ROUND_ROBIN' } });
    await change({ gid, messageType: 7, permissions: { send: 'MEMBERS' } });
    expect(await setOf(gid, 7)).toMatchObject({ send: 'MEMBERS', recv: 'ROUND_ROBIN' });
    expect(await lastChanged(gid)).toEqual(['permissions(7).send']);
  });

  test('message types are listed in ascending order, the greatest too', async () => {
    const { gid } = await make();
    for (const messageType of [10, MAX, 9]) await change({ gid, messageType, permissions: { send: 'SELECTED' } });
    expect((await read(gid)).messageTypes).toEqual([9, 10, MAX]);
  });

  test('null drops it, and it alone', async () => {
    const { gid } = await make({ permissions: { send: 'SELECTED' }, members: [{ addresses: ['anna'] }] });
    for (const messageType of [7, 8]) await change({ gid, messageType, permissions: { send: 'SELECTED' } });
    await edit({ gid, messageType: 7, add: [{ addresses: ['anna'] }] });
    const group = await change({ gid, messageType: 7, permissions: null });
    expect(group).toMatchObject({ messageTypes: [8], flags: 0x1 });
    expect(await setOf(gid, 7)).toBeNull();
    expect(await setOf(gid, 8)).toMatchObject({ send: 'SELECTED' });
    expect(await lastChanged(gid)).toEqual(['messageTypes', 'permissions(7)']);
    expect(await entriesOf(db, gid)).toEqual([{ address: 'anna', messageType: 7, permissions: 3 }]);
    await writesNothing(db, caller.viewer, () => change({ gid, messageType: 7, permissions: null }));
  });

  test('with the other settings in one record; messageType 0 and null are the group itself', async () => {
    const { gid } = await make();
    await change({ gid, name: 'New', loopsBack: true, messageType: 7, permissions: { send: 'SELECTED' } });
    expect((await changesOf(db, gid, 1)).map(({ data }) => data.changed)).toEqual([
      ['name', 'flags', 'loopsBack', 'messageTypes', 'permissions(7).send', 'permissions(7).recv'],
    ]);
    await change({ gid, messageType: 0, permissions: { send: 'ANYONE' } });
    await change({ gid, messageType: null, permissions: { pub: 'ANYONE' } });
    expect(await read(gid)).toMatchObject({ flags: 0x282, messageTypes: [7] });
    expect(await setOf(gid, 7)).toMatchObject({ send: 'SELECTED', recv: 'MEMBERS' });
  });
});

describe('call settings', () => {
  const SET = { flags: 5, resolution: 'FHD', maxDuration: 90 } as const;
  const DEFAULTS = { flags: 0, resolution: 'DEFAULT', maxDuration: null } as const;

  test('default: true puts all three back', async () => {
    const { gid } = await make({ callSettings: SET });
    expect((await change({ gid, callSettings: { default: true } })).callSettings).toEqual(DEFAULTS);
    expect(await lastChanged(gid)).toEqual(['callSettings.flags', 'callSettings.resolution', 'callSettings.maxDuration']);
    await writesNothing(db, caller.viewer, () => change({ gid, callSettings: { default: true } }));
  });

  test('default: false is like leaving it out', async () => {
    const { gid } = await make({ callSettings: SET });
    const group = await change({ gid, callSettings: { default: false, flags: 6 } });
    expect(group.callSettings).toEqual({ ...SET, flags: 6 });
  });

  test.each([null, 0])('maxDuration: %s is unlimited', async (maxDuration) => {
    const { gid } = await make({ callSettings: SET });
    expect((await change({ gid, callSettings: { maxDuration } })).callSettings).toEqual({ ...SET, maxDuration: null });
    expect(await lastChanged(gid)).toEqual(['callSettings.maxDuration']);
  });

  test.each(['DEFAULT', 'QVGA', 'VGA', 'HD', 'FHD', 'UHD_4K', 'QQVGA', 'P180', 'NHD'] as const)('resolution %s', async (name) => {
    const { gid } = await make({ callSettings: { resolution: name } });
    expect((await read(gid)).callSettings.resolution).toBe(name);
  });

  test.each([-MAX - 1, -1, MAX])('flags are kept as given: %i', async (flags) => {
    const { gid } = await make();
    await change({ gid, callSettings: { flags, maxDuration: MAX } });
    expect((await read(gid)).callSettings).toEqual({ flags, resolution: 'DEFAULT', maxDuration: MAX });
  });
});
