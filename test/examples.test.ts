import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  GroupByGidDocument,
  type GroupFieldsFragment,
  MakeBroadcastGroupDocument,
  MakeHuntGroupDocument,
  MakeNormalGroupDocument,
  MakePublicRoomDocument,
  MakeRestrictedGroupDocument,
  type MemberFieldsFragment,
  MembersDocument,
} from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const caller = await gateway.caller();

const ALL_MEMBERS = { send: 'MEMBERS', recv: 'MEMBERS', pub: 'MEMBERS', sub: 'MEMBERS', list: 'MEMBERS' };
const ALL_TRUE = { send: true, recv: true, pub: true, sub: true, list: true };
/** What all of the examples leave as it is. */
const DEFAULTS = {
  active: true,
  state: 'ACTIVE',
  messageTypes: [],
  storesMessages: true,
  loopsBack: false,
  membersMayLeave: true,
  callSettings: { flags: 0, resolution: 'DEFAULT', maxDuration: null },
};

/** The group and its members, by address, as the gateway tells them to another request. */
async function read({ groupAdd }: { groupAdd: object }) {
  const { group: made } = groupAdd as { group: { gid: string } };
  const { group } = await caller.call(GroupByGidDocument, { gid: made.gid });
  const { groupGetMembers } = await caller.call(MembersDocument, { gid: made.gid });
  const members = new Map(groupGetMembers?.edges.map(({ node }): [string, MemberFieldsFragment] => [node.address, node]));
  expect(group).toMatchObject({ ...DEFAULTS, memberCount: members.size });
  return { group: group as GroupFieldsFragment, members };
}

const permissionsOf = (members: ReadonlyMap<string, MemberFieldsFragment>) =>
  Object.fromEntries([...members].map(([address, { permissions }]) => [address, permissions]));
const withRights = (members: ReadonlyMap<string, MemberFieldsFragment>) =>
  [...members.values()].filter(({ admin }) => Object.values(admin).includes(true)).map(({ address }) => address);

describe('the kinds of group', () => {
  test('normal: everything is for all members', async () => {
    const { group, members } = await read(await caller.call(MakeNormalGroupDocument, {}));
    expect(group).toMatchObject({ name: 'Design team', flags: 0, permissions: ALL_MEMBERS });
    expect(permissionsOf(members)).toEqual({ alice: ALL_TRUE, bob: ALL_TRUE, carol: ALL_TRUE });
    expect(withRights(members)).toEqual(['alice']);
    expect(members.get('alice')?.admin).toMatchObject({
      ...{ owner: false, admin: true, remove: false, removeOwner: false },
      ...{ modify: true, addUser: true, removeUser: true, addAdmin: true, removeAdmin: true },
    });
  });

  test('restricted: senders and receivers are disjoint', async () => {
    const { group, members } = await read(await caller.call(MakeRestrictedGroupDocument, {}));
    expect(group).toMatchObject({
      name: 'Cold store reports',
      flags: 0x11,
      permissions: { ...ALL_MEMBERS, send: 'SELECTED', recv: 'SELECTED' },
    });
    const sender = { ...ALL_TRUE, recv: false };
    const receiver = { ...ALL_TRUE, send: false };
    expect(permissionsOf(members)).toEqual({
      ...{ 'sensor-1': sender, 'sensor-2': sender, 'sensor-3': sender },
      ...{ dora: receiver, emil: receiver },
    });
    expect(withRights(members)).toEqual([]);
  });

  test('broadcast: only the admin is selected to send', async () => {
    const { group, members } = await read(await caller.call(MakeBroadcastGroupDocument, {}));
    expect(group).toMatchObject({
      name: 'Company news',
      flags: 0x1,
      permissions: { ...ALL_MEMBERS, send: 'SELECTED' },
    });
    const listener = { ...ALL_TRUE, send: false };
    expect(permissionsOf(members)).toEqual({
      grace: ALL_TRUE,
      ...{ henry: listener, ines: listener, jonas: listener, karla: listener },
    });
    expect(withRights(members)).toEqual(['grace']);
    expect(members.get('grace')?.admin.admin).toBe(true);
  });

  test('public room: anyone may send', async () => {
    const { group, members } = await read(await caller.call(MakePublicRoomDocument, {}));
    expect(group).toMatchObject({ name: 'Ask the library', flags: 0x2, permissions: { ...ALL_MEMBERS, send: 'ANYONE' } });
    expect(permissionsOf(members)).toEqual({ lena: ALL_TRUE, marek: ALL_TRUE, nina: ALL_TRUE });
    expect(withRights(members)).toEqual([]);
  });

  test('hunt: one receiver in turn, in the order of joining', async () => {
    const made = await caller.call(MakeHuntGroupDocument, {});
    const { group, members } = await read(made);
    expect(group).toMatchObject({
      name: 'Hotline',
      flags: 0x22,
      permissions: { ...ALL_MEMBERS, send: 'ANYONE', recv: 'ROUND_ROBIN' },
    });
    expect(permissionsOf(members)).toEqual({ otto: ALL_TRUE, paula: ALL_TRUE, quentin: ALL_TRUE });
    const inTurn = await caller.call(MembersDocument, { gid: group.gid, orderBy: { field: 'JOINED_AT', direction: 'ASC' } });
    expect(inTurn.groupGetMembers?.edges.map(({ node }) => node.address)).toEqual(['quentin', 'otto', 'paula']);
  });

  test('there is no example without a test', async () => {
    const files = await readdir(new URL('../examples/groups/', import.meta.url));
    expect(files.sort()).toEqual([
      'broadcast.graphql',
      'hunt.graphql',
      'normal.graphql',
      'public-room.graphql',
      'restricted.graphql',
    ]);
  });
});

describe('the runner', () => {
  const server = gateway.createServer();
  let url: string;
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  function run(args: string[], env: Record<string, string>) {
    const script = fileURLToPath(new URL('../examples/run.ts', import.meta.url));
    return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [script, ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error ? (error.code as number) : 0, stdout, stderr });
      });
    });
  }

  test('sends an example and prints the answer', async () => {
    const { code, stdout, stderr } = await run(['hunt'], { ROLLCALL_URL: url, ROLLCALL_TOKEN: caller.token });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain("name: 'Hotline'");
    const gid = /gid: '(\d+)'/.exec(stdout)?.[1] ?? '';
    const { group } = await caller.call(GroupByGidDocument, { gid });
    expect(group).toMatchObject({ name: 'Hotline', memberCount: 3 });
  });

  test('sends any file, and ends with 1 on a typed error', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-example-'));
    try {
      const file = join(folder, 'wrong.graphql');
      await writeFile(
        file,
        'mutation { groupAdd(input: { flags: 3 }) { ... on InvalidInput { code issues { path message } } } }',
      );
      const { code, stdout, stderr } = await run([file], { ROLLCALL_URL: url, ROLLCALL_TOKEN: caller.token });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('INVALID_INPUT');
      expect(stderr).toContain("path: [ 'input', 'flags' ]");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    ['without a token', ['normal'], {}, 'Set ROLLCALL_TOKEN'],
    ['with a wrong token', ['normal'], { ROLLCALL_TOKEN: 'wrong' }, 'UNAUTHENTICATED'],
    ['of an unknown example', ['special'], { ROLLCALL_TOKEN: 'any' }, 'one of: broadcast, hunt, normal, public-room, restricted'],
    ['without an example', [], { ROLLCALL_TOKEN: 'any' }, 'Usage: npm run example'],
    [
      'to where no gateway is',
      ['normal'],
      { ROLLCALL_TOKEN: 'any', ROLLCALL_URL: 'http://127.0.0.1:1/graphql' },
      'No gateway answers',
    ],
  ])('says what is wrong with a run %s', async (_, args, env, message) => {
    const { code, stdout, stderr } = await run(args, { ROLLCALL_URL: url, ...env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });
});
