import { getIntrospectionQuery } from 'graphql';
import { describe, expect, test } from 'vitest';
import type { Scope } from '../src/access/viewer.ts';
import { GroupAddDocument, GroupDelDocument, GroupsDocument } from '../src/generated/operations.ts';
import { type Caller, gatewayOn, openTestGateway, type TestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });

async function addGroup(caller: Caller, addresses: string[]): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input: { members: [{ addresses }] } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(groupAdd.__typename);
  return groupAdd.group.gid;
}

const idOf = (...parts: (string | number)[]) => Buffer.from(parts.join(':')).toString('base64');

describe('what is not to be seen', async () => {
  const app = await gateway.caller();
  const anna = await app.user('anna');
  await addGroup(app, ['anna']);
  const notHers = await addGroup(app, ['bert']);
  const foreign = await addGroup(await gateway.caller(), ['anna']);
  const deleted = await addGroup(app, ['anna']);
  await app.call(GroupDelDocument, { input: { gid: deleted } });

  const MALFORMED = [
    '',
    '0',
    '-1',
    '+1',
    '1.5',
    '1e3',
    '01000',
    ' 1000',
    '0x3e8',
    'abc',
    '٣٤٥٦',
    '9007199254740992',
    '9'.repeat(50),
  ];
  const GIDS = ['999', '999999999', '9007199254740991', foreign, deleted, ...MALFORMED];
  const QUERIES: Record<string, string> = {
    group:
      'query ($gid: ID!) { group(gid: $gid) { gid messageTypes members { edges { cursor } } member(address: "anna") { id } } }',
    groupGetMembers: 'query ($gid: ID!) { groupGetMembers(gid: $gid) { edges { node { address } } pageInfo { hasNextPage } } }',
    node: 'query ($id: ID!) { node(id: $id) { id ... on Group { members { edges { cursor } } } ... on Member { group { gid } } } }',
    nodes: 'query ($id: ID!) { nodes(ids: [$id]) { id } }',
  };
  const hidden = (field: string) => (field === 'nodes' ? { nodes: [null] } : { [field]: null });

  describe.each([
    ['an application', app, GIDS],
    ['a user', anna, [...GIDS, notHers]],
  ])('to %s', (_, caller, gids) => {
    test.each(['group', 'groupGetMembers'])('%s answers null, the same for every gid', async (field) => {
      for (const gid of gids) {
        const names = await recorder.during(async () => {
          expect(await caller.send(QUERIES[field] as string, { gid }), gid).toEqual({ status: 200, data: hidden(field) });
        });
        expect(names, gid).toEqual([caller === app ? 'groups_find_one' : 'groups_find_user_one']);
      }
    });

    const IDS = [
      ...gids.flatMap((gid) => [idOf('Group', gid), idOf('Member', gid, 'anna'), idOf('Member', gid, 'bert')]),
      ...['', 'x', '=', '%', '\0', idOf('Group'), idOf('Member', foreign), idOf('App', app.viewer.appId), idOf('group', foreign)],
      ...[idOf('Group', '1000 or 1=1'), idOf('Token', '0'), `${idOf('Group', 1)}\n`],
    ];
    test.each(['node', 'nodes'])('%s answers null, the same for every id', async (field) => {
      for (const id of IDS) {
        const names = await recorder.during(async () => {
          expect(await caller.send(QUERIES[field] as string, { id }), id).toEqual({ status: 200, data: hidden(field) });
        });
        expect(names, id).toEqual([caller === app ? 'groups_find_one' : 'groups_find_user_one']);
      }
    });
  });

  test('a member of a group that is seen is null when the address is none', async () => {
    const gid = await addGroup(app, ['anna', 'a:b']);
    const ids = ['anna', 'a:b', 'a', 'bert', '', 'an,na', ' anna', 'anna '].map((address) => idOf('Member', gid, address));
    const ofGroup = [idOf('Group', `${gid}:anna`), idOf('Member', gid)];
    const { data } = await anna.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [...ids, ...ofGroup] });
    expect(data?.nodes.map((node: { id: string } | null) => node?.id ?? null)).toEqual([ids[0], ids[1], ...Array(8).fill(null)]);
  });

  test('who leaves sees the group no more', async () => {
    const gid = await addGroup(app, ['carl', 'dora']);
    const carl = await app.user('carl');
    const query = 'query ($gid: ID!) { group(gid: $gid) { gid } groupGetMembers(gid: $gid) { edges { node { address } } } }';
    const edges = ['carl', 'dora'].map((address) => ({ node: { address } }));
    expect((await carl.send(query, { gid })).data).toEqual({ group: { gid }, groupGetMembers: { edges } });
    await app.send(`mutation ($gid: ID!) { groupEditMembers(input: { gid: $gid, remove: ["carl"] }) { __typename } }`, { gid });
    expect((await carl.send(query, { gid })).data).toEqual({ group: null, groupGetMembers: null });
    expect((await carl.call(GroupsDocument, {})).groups.edges).toEqual([]);
  });
});

describe('a token without READ', async () => {
  const app = await gateway.caller();
  const gid = await addGroup(app, ['anna']);
  const others: Scope[] = ['WRITE', 'CREATE_GROUPS'];
  const writer = await app.user('anna', others);

  test.each([
    `group(gid: "${gid}") { gid }`,
    'group(gid: "1") { gid }',
    'groups { edges { cursor } }',
    'groups(first: 0) { edges { cursor } }',
    `groupGetMembers(gid: "${gid}") { edges { cursor } }`,
    'viewer { address }',
    `node(id: "${idOf('Group', gid)}") { id }`,
    `nodes(ids: ["${idOf('Group', gid)}"]) { id }`,
  ])('gets NOT_ALLOWED for %s', async (field) => {
    const names = await recorder.during(async () => {
      const { status, data, errors } = await writer.send(`{ ${field} }`);
      expect(status).toBe(200);
      expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([]);
      expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'NOT_ALLOWED', right: 'READ' }]);
    });
    expect(names).toEqual([]);
  });

  test('reads the fields of its payloads', async () => {
    const { data, errors } = await writer.send(`mutation { groupAdd(input: { name: "new" }) {
      ... on GroupAddPayload { group { name messageTypes members { edges { node { address group { name } } } } } } } }`);
    expect(errors).toBeUndefined();
    const members = data?.groupAdd.group.members.edges.map(({ node }: { node: object }) => node);
    expect(data?.groupAdd.group).toMatchObject({ name: 'new', messageTypes: [] });
    for (const member of members) expect(member).toEqual({ address: 'anna', group: { name: 'new' } });
  });
});

describe('without a token', async () => {
  const app = await gateway.caller();

  async function ask(query: string, authorization?: string, on: TestGateway = gateway) {
    const response = await on.fetch(
      new Request('http://gateway/graphql', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(authorization ? { Authorization: authorization } : {}) },
        body: JSON.stringify({ query }),
      }),
    );
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  test.each([
    '{ __typename }',
    getIntrospectionQuery(),
    '{ t: __type(name: "Group") { name } ...f } fragment f on Query { __typename }',
  ])('the schema can be asked for (%#)', async (query) => {
    const { status, body } = await ask(query);
    expect([status, body.errors]).toEqual([200, undefined]);
    expect(body.data).toBeTruthy();
  });

  const QUERIES = [
    '{ viewer { address } }',
    '{ groups { edges { cursor } } }',
    '{ group(gid: "1000") { gid } }',
    '{ node(id: "x") { id } }',
    '{ __typename viewer { address } }',
    '{ __schema: viewer { address } }',
    '{ ...f } fragment f on Query { __typename ... { groups { edges { cursor } } } }',
    'mutation { groupAdd(input: { name: "without a token" }) { __typename } }',
    'mutation { __typename }',
  ];
  const WRONG = ['', 'Bearer', 'Bearer x', `Bearer ${app.token}x`, `Basic ${app.token}`, app.token, `Bearer ${app.token} x`];

  test.each(QUERIES)('%s is UNAUTHENTICATED', async (query) => {
    for (const authorization of [undefined, ...WRONG]) {
      const names = await recorder.during(async () => {
        const { status, headers, body } = await ask(query, authorization);
        expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
        expect(body.data ?? null).toBeNull();
        expect(body.errors.map(({ extensions }: { extensions: object }) => extensions)).toEqual([{ code: 'UNAUTHENTICATED' }]);
      });
      expect(names).toEqual([]);
    }
  });

  test('in production the schema cannot be asked for either, but with a token it can', async () => {
    const production = gatewayOn(gateway.db, { config: { production: true } });
    const { status, body } = await ask('{ __typename }', undefined, production);
    expect([status, body.errors[0].extensions]).toEqual([401, { code: 'UNAUTHENTICATED' }]);
    expect((await ask('{ __typename }', `Bearer ${app.token}`, production)).body).toEqual({ data: { __typename: 'Query' } });
  });
});

test('the second mutation of an operation, and what it answers, see the first', async () => {
  const app = await gateway.caller();
  const gid = await addGroup(app, ['anna']);
  const { data, errors } = await app.send(
    `mutation ($gid: ID!) {
      one: groupEditMembers(input: { gid: $gid, add: [{ addresses: ["bert"] }] }) { ...payload }
      two: groupSet(input: { gid: $gid, messageType: 7, permissions: { send: ANYONE } }) { ...set }
      three: groupEditMembers(input: { gid: $gid, messageType: 7, add: [{ addresses: ["bert"], permissions: { recv: false } }] }) { ...payload }
      four: groupSet(input: { gid: $gid, name: "four" }) { ...set }
      five: groupEditMembers(input: { gid: $gid, remove: ["bert"] }) { ...payload }
    }
    fragment payload on GroupEditMembersPayload { group { ...group } }
    fragment set on GroupSetPayload { group { ...group } }
    fragment group on Group { name memberCount version messageTypes permissions(messageType: 7) { send }
      bert: member(address: "bert") { permissions(messageType: 7) { send recv } group { version name } }
      members { edges { node { address group { version } } } pageInfo { hasNextPage } } }`,
    { gid },
  );
  expect(errors).toBeUndefined();
  const state = (version: number, name: string | null, messageTypes: number[], bert: object | null) => ({
    group: {
      name,
      memberCount: bert ? 2 : 1,
      version,
      messageTypes,
      permissions: messageTypes.length > 0 ? { send: 'ANYONE' } : null,
      bert: bert && { permissions: bert, group: { version, name } },
      members: {
        edges: ['anna', ...(bert ? ['bert'] : [])].map((address) => ({ node: { address, group: { version } } })),
        pageInfo: { hasNextPage: false },
      },
    },
  });
  const no = { send: false, recv: false };
  expect(data).toEqual({
    one: state(3, null, [], no),
    two: state(4, null, [7], no),
    three: state(5, null, [7], { send: true, recv: false }),
    four: state(6, 'four', [7], { send: true, recv: false }),
    five: state(7, 'four', [7], null),
  });
});
