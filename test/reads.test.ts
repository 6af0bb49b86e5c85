import { describe, expect, test } from 'vitest';
import {
  GroupAddDocument,
  type GroupAddInput,
  GroupByGidDocument,
  GroupDelDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
  GroupsDocument,
  MembersDocument,
} from '../src/generated/operations.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';
import { issuePaths } from './setup/lists.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });

async function addGroup(caller: Caller, input: GroupAddInput = {}) {
  const { groupAdd } = await caller.call(GroupAddDocument, { input });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(groupAdd.__typename);
  return groupAdd.group;
}

async function edit(caller: Caller, input: GroupEditMembersInput): Promise<void> {
  const { groupEditMembers } = await caller.call(GroupEditMembersDocument, { input });
  expect(groupEditMembers.__typename).toBe('GroupEditMembersPayload');
}

const idOf = (...parts: (string | number)[]) => Buffer.from(parts.join(':')).toString('base64');

const NODES = `query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Group { gid name } ... on Member { address group { gid } } } }`;
const NODE = 'query ($id: ID!) { node(id: $id) { __typename id ... on Group { gid } ... on Member { address } } }';

describe('a group and its members', async () => {
  const app = await gateway.caller();
  const members = [{ addresses: ['anna'], admin: { owner: true } }, { addresses: ['b:e:r:t', 'Zoë \u{1f600}'] }];
  const group = await addGroup(app, { name: 'Team', members });
  const { gid } = group;

  test('are the same by every way to them', async () => {
    expect((await app.call(GroupByGidDocument, { gid })).group).toEqual(group);
    const { groupGetMembers } = await app.call(MembersDocument, { gid });
    const nodes = groupGetMembers?.edges.map(({ node }) => node) ?? [];
    expect(nodes.map(({ address }) => address)).toEqual(['Zoë \u{1f600}', 'anna', 'b:e:r:t']);
    const ids = [group.id, ...nodes.map(({ id }) => id), group.id];
    const { data } = await app.send(NODES, { ids });
    const asMembers = nodes.map(({ id, address }) => ({ __typename: 'Member', id, address, group: { gid } }));
    const asGroup = { __typename: 'Group', id: group.id, gid, name: 'Team' };
    expect(data?.nodes).toEqual([asGroup, ...asMembers, asGroup]);
    for (const { id, address } of nodes) {
      expect((await app.send(NODE, { id })).data?.node).toEqual({ __typename: 'Member', id, address });
      const one = await app.send(
        'query ($gid: ID!, $address: String!) { group(gid: $gid) { member(address: $address) { id group { id } } } }',
        { gid, address },
      );
      expect(one.data?.group.member).toEqual({ id, group: { id: group.id } });
    }
  });

  test('may be asked for by a number, too', async () => {
    const { data } = await app.send(`{ group(gid: ${gid}) { gid name } }`);
    expect(data).toEqual({ group: { gid, name: 'Team' } });
  });

  const MEMBER = 'query ($gid: ID!, $address: String!) { group(gid: $gid) { gid member(address: $address) { id } } }';

  test.each(['Anna', '%', "'"])('member(address: %j) is null', async (address) => {
    expect(await app.send(MEMBER, { gid, address })).toEqual({ status: 200, data: { group: { gid, member: null } } });
  });

  test.each(['', ' ', 'anna ', ' anna', 'an,na', 'a\0', 'a\ud800', 'a\nb', 'x'.repeat(257)])(
    'member(address: %j) is no address',
    async (address) => {
      const { data, errors } = await app.send(MEMBER, { gid, address });
      expect(data).toEqual({ group: { gid, member: null } });
      expect(errors?.map(({ extensions }) => extensions)).toEqual([
        { code: 'INVALID_INPUT', issues: [{ path: ['address'], message: expect.any(String) }] },
      ]);
    },
  );

  test('the viewer is who the token says', async () => {
    const query =
      '{ viewer { app { id name } address scopes token { address scopes expiresAt } groups { edges { node { gid } } } } }';
    const ofApp = { id: String(app.viewer.appId), name: app.viewer.appName };
    const scopes = ['READ', 'WRITE', 'CREATE_GROUPS', 'TOKENS'];
    const edges = [{ node: { gid } }];
    const token = { address: null, scopes, expiresAt: null };
    expect((await app.send(query)).data?.viewer).toEqual({ app: ofApp, address: null, scopes, token, groups: { edges } });
    const anna = await app.user('anna', ['READ']);
    const own = { address: 'anna', scopes: ['READ'] };
    const asAnna = { app: ofApp, ...own, token: { ...own, expiresAt: null }, groups: { edges } };
    expect((await anna.send(query)).data?.viewer).toEqual(asAnna);
    const dora = await app.user('dora', ['READ']);
    expect((await dora.send(query)).data?.viewer.groups).toEqual({ edges: [] });
  });
});

describe('message types', async () => {
  const app = await gateway.caller();
  const { gid } = await addGroup(app, {
    permissions: { send: 'SELECTED', pub: 'ANYONE' },
    members: [{ addresses: ['a', 'b', 'c'] }],
  });
  for (const messageType of [2 ** 31 - 1, 7, 9]) {
    await app.call(GroupSetDocument, { input: { gid, messageType, permissions: { send: 'SELECTED' } } });
  }
  await app.call(GroupSetDocument, { input: { gid, messageType: 9, permissions: { recv: 'ROUND_ROBIN' } } });
  await edit(app, { gid, update: [{ addresses: ['a'], permissions: { pub: false } }] });
  await edit(app, { gid, messageType: 7, add: [{ addresses: ['a'], permissions: { recv: false } }, { addresses: ['b'] }] });

  const LEVELS = 'send recv pub sub list';
  const permissions = async (messageType: unknown) =>
    app.send(
      `query ($gid: ID!, $messageType: Int) { group(gid: $gid) { messageTypes permissions(messageType: $messageType) { ${LEVELS} }
      members { edges { node { address permissions(messageType: $messageType) { ${LEVELS} } } } } } }`,
      { gid, messageType },
    );

  const own = { send: 'SELECTED', recv: 'MEMBERS', pub: 'ANYONE', sub: 'MEMBERS', list: 'MEMBERS' };
  const open = { pub: 'ANYONE', sub: 'ANYONE', list: 'ANYONE' };
  const all = { send: true, recv: true, pub: true, sub: true, list: true };
  const none = { ...all, send: false, recv: false };
  const withoutEntry = { a: { ...none, pub: false }, b: none, c: none };

  test.each<[messageType: number | null | undefined, levels: object | null, members: Record<string, object>]>([
    [undefined, own, { a: { ...all, pub: false }, b: all, c: all }],
    [null, own, { a: { ...all, pub: false }, b: all, c: all }],
    [0, own, { a: { ...all, pub: false }, b: all, c: all }],
    [7, { ...open, send: 'SELECTED', recv: 'MEMBERS' }, { a: { ...all, recv: false, pub: false }, b: all, c: none }],
    [9, { ...open, send: 'SELECTED', recv: 'ROUND_ROBIN' }, withoutEntry],
    [2 ** 31 - 1, { ...open, send: 'SELECTED', recv: 'MEMBERS' }, withoutEntry],
    [8, null, withoutEntry],
  ])('permissions(messageType: %s)', async (messageType, levels, members) => {
    const { data, errors } = await permissions(messageType);
    expect(errors).toBeUndefined();
    expect(data?.group.messageTypes).toEqual([7, 9, 2 ** 31 - 1]);
    expect(data?.group.permissions).toEqual(levels);
    const edges = Object.entries(members).map(([address, given]) => ({ node: { address, permissions: given } }));
    expect(data?.group.members.edges).toEqual(edges);
  });

  test('several message types at once keep apart', async () => {
    const { data } = await app.send(
      `query ($gid: ID!) { group(gid: $gid) { members(first: 2) { edges { node {
        t0: permissions { recv } t7: permissions(messageType: 7) { recv } t9: permissions(messageType: 9) { recv } } } } } }`,
      { gid },
    );
    const nodes = data?.group.members.edges.map(({ node }: { node: object }) => node);
    expect(nodes).toEqual([
      { t0: { recv: true }, t7: { recv: false }, t9: { recv: false } },
      { t0: { recv: true }, t7: { recv: true }, t9: { recv: false } },
    ]);
  });

  test('a message type below 0 is INVALID_INPUT', async () => {
    const group = await app.send('query ($gid: ID!) { group(gid: $gid) { permissions(messageType: -1) { send } } }', { gid });
    expect(issuePaths(group)).toEqual(['messageType']);
    const member = await app.send(
      'query ($gid: ID!) { group(gid: $gid) { member(address: "a") { permissions(messageType: -1) { send } } } }',
      { gid },
    );
    expect(issuePaths(member)).toEqual(['messageType']);
  });

  test('a set that is dropped, and a member that leaves, take theirs with them', async () => {
    await app.call(GroupSetDocument, { input: { gid, messageType: 9, permissions: null } });
    expect((await permissions(9)).data?.group).toMatchObject({ messageTypes: [7, 2 ** 31 - 1], permissions: null });
    await edit(app, { gid, remove: ['b'] });
    await edit(app, { gid, add: [{ addresses: ['b'] }] });
    const members = (await permissions(7)).data?.group.members.edges;
    expect(members[1]).toEqual({ node: { address: 'b', permissions: none } });
  });
});

describe('nodes', async () => {
  test('one that is asked for several times in an operation is there each time', async () => {
    const { gid } = await addGroup(app, { members: [{ addresses: ['a'] }] });
    await app.send('mutation { tokenAdd(input: { address: "a" }) { __typename } }');
    for (const name of [`Group:${gid}`, `Member:${gid}:a`, 'User:a']) {
      const id = Buffer.from(name).toString('base64');
      const query = `query ($id: ID!) { a: node(id: $id) { id } b: node(id: $id) { id } c: nodes(ids: [$id, $id]) { id } }`;
      const { data, errors } = await app.send(query, { id });
      expect([data, errors]).toEqual([{ a: { id }, b: { id }, c: [{ id }, { id }] }, undefined]);
    }
  });

  const app = await gateway.caller();
  const groups = [await addGroup(app), await addGroup(app), await addGroup(app)];

  test('1,000 ids are answered in their order by one statement, 1,001 are refused', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => (i % 2 ? groups[i % 3]?.id : idOf('Group', 9_000_000 + i)) as string);
    const names = await recorder.during(async () => {
      const { data } = await app.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
      expect(data?.nodes).toEqual(ids.map((id, i) => (i % 2 ? { id } : null)));
    });
    expect(names).toEqual(['groups_find_many']);
    const refused = await recorder.during(async () => {
      const answer = await app.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [...ids, ids[0]] });
      expect(issuePaths(answer)).toEqual(['ids']);
    });
    expect(refused).toEqual([]);
  });

  test('none are no nodes', async () => {
    expect(await app.send('{ nodes(ids: []) { id } }')).toEqual({ status: 200, data: { nodes: [] } });
  });
});

/** The first of the two groups gets a set and an entry for message type 7; what is read of both keeps apart. */
async function checkTypes(caller: Caller, gid: string): Promise<void> {
  await caller.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
  await edit(caller, { gid, messageType: 7, add: [{ addresses: ['anna'] }] });
  const { data } = await caller.send(`{ groups { edges { node { gid messageTypes
    members { edges { node { permissions(messageType: 7) { send } } } } } } } }`);
  const [one, two] = data?.groups.edges ?? [];
  const sending = (...send: boolean[]) => ({ edges: send.map((value) => ({ node: { permissions: { send: value } } })) });
  expect(one).toEqual({ node: { gid, messageTypes: [7], members: sending(true, false) } });
  expect(two).toMatchObject({ node: { messageTypes: [], members: sending(false, false) } });
}

test('two apps with the same names and addresses see only their own', async () => {
  const input: GroupAddInput = { name: 'the same name', members: [{ addresses: ['anna', 'bert'] }] };
  const callers = [await gateway.caller(), await gateway.caller()];
  const own = new Map<Caller, string[]>();
  for (const caller of callers) own.set(caller, [(await addGroup(caller, input)).gid]);
  for (const caller of callers) own.get(caller)?.push((await addGroup(caller, input)).gid); // the gids take turns
  for (const [caller, gids] of own) {
    const [gid = ''] = gids;
    await checkTypes(caller, gid);
    for (const reader of [caller, await caller.user('anna')]) {
      for (const filter of [{}, { member: 'anna' }, { nameContains: 'same' }, { state: 'ACTIVE' as const }]) {
        const { groups } = await reader.call(GroupsDocument, { filter });
        expect(groups.edges.map(({ node }) => node.gid)).toEqual(gids);
      }
      const everything = [...own.values()].flat();
      const ids = everything.flatMap((number) => [idOf('Group', number), idOf('Member', number, 'bert')]);
      const { data } = await reader.send(NODES, { ids });
      expect(
        data?.nodes.map((node: { gid?: string; group?: { gid: string } } | null) => node?.gid ?? node?.group?.gid ?? null),
      ).toEqual(everything.flatMap((number) => (gids.includes(number) ? [number, number] : [null, null])));
    }
  }
});

test('a deleted group vanishes from every read', async () => {
  const app = await gateway.caller();
  const anna = await app.user('anna');
  const { gid, id } = await addGroup(app, { name: 'to be gone', members: [{ addresses: ['anna'] }] });
  const { gid: other } = await addGroup(app, { name: 'to be gone?', members: [{ addresses: ['anna'] }] });
  await app.call(GroupDelDocument, { input: { gid } });
  for (const caller of [app, anna]) {
    expect((await caller.call(GroupByGidDocument, { gid })).group).toBeNull();
    expect((await caller.call(MembersDocument, { gid })).groupGetMembers).toBeNull();
    const { data } = await caller.send(NODES, { ids: [id, idOf('Member', gid, 'anna')] });
    expect(data?.nodes).toEqual([null, null]);
    for (const filter of [{}, { member: 'anna' }, { nameContains: 'to be gone' }, { state: 'ACTIVE' as const }]) {
      for (const field of ['GID', 'NAME', 'CREATED_AT', 'UPDATED_AT', 'MEMBER_COUNT'] as const) {
        const { groups } = await caller.call(GroupsDocument, { filter, orderBy: { field, direction: 'ASC' } });
        expect(groups.edges.map(({ node }) => node.gid)).toEqual([other]);
        expect(groups.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
      }
    }
    const viewer = await caller.send('{ viewer { groups { edges { node { gid } } } } }');
    expect(viewer.data?.viewer.groups.edges).toEqual([{ node: { gid: other } }]);
  }
});
