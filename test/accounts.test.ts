/** Users over GraphQL: userDel, users, user, and what is below them. */
import { describe, expect, test } from 'vitest';
import { keepUser } from '../src/access/users.ts';
import { SCOPES, type Scope } from '../src/access/viewer.ts';
import { deleteUser } from '../src/groups/write/delete-user.ts';
import { sql } from './setup/database.ts';
import { type Answer, type Caller, callerOf, openTestGateway } from './setup/gateway.ts';
import { groupState } from './setup/group-state.ts';
import { operationsOf } from './setup/operations.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const { db } = gateway;

const ERROR = '__typename ... on Error { code } ... on NotAllowed { right } ... on InvalidInput { issues { path } }';
const DEL = `mutation ($input: UserDelInput!) { userDel(input: $input) { ${ERROR} ... on UserDelPayload { address revoked left remaining } } }`;
const USER = '{ id uid address createdAt active }';
const ONE = `query ($address: String!) { user(address: $address) ${USER} }`;
const LIST = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: UserFilter) {
  users(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    edges { cursor node ${USER} } pageInfo { hasNextPage hasPreviousPage } } }`;
const NODES = `query ($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on User ${USER} } }`;
const ADD_TOKEN =
  'mutation ($input: TokenAddInput!) { tokenAdd(input: $input) { ... on TokenAddPayload { secret token { id } } } }';

const idOf = (address: string) => Buffer.from(`User:${address}`).toString('base64');

interface User {
  id: string;
  uid: string;
  address: string;
  createdAt: string;
  active: boolean;
}

async function token(caller: Caller, input: object): Promise<Caller> {
  const { data } = await caller.send(ADD_TOKEN, { input });
  return callerOf(gateway, db, { viewer: caller.viewer, token: data?.tokenAdd.secret });
}
const userOf = async (caller: Caller, address: string): Promise<User | null> =>
  (await caller.send(ONE, { address })).data?.user ?? null;
async function list(caller: Caller, args: object = {}): Promise<string[]> {
  const { data } = await caller.send(LIST, args);
  return data?.users.edges.map(({ node }: { node: User }) => node.address);
}
const refusal = ({ data, errors }: Answer) => {
  expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([]);
  return errors?.map(({ extensions }) => extensions);
};
const issues = (answer: Answer) => {
  const [extensions = {}] = refusal(answer) ?? [];
  expect(extensions).toMatchObject({ code: 'INVALID_INPUT' });
  return (extensions['issues'] as { path: string[] }[]).map(({ path }) => path.join('.'));
};
const written = (caller: Caller) =>
  sql(
    db,
    `select (select count(*) from tokens where app_id = $1 and revoked_at is null) as tokens,
      (select count(*) from members where app_id = $1) as members, (select count(*) from changes where app_id = $1) as changes`,
    [caller.viewer.appId],
  );
const withoutTokens: Scope[] = ['READ', 'WRITE', 'CREATE_GROUPS'];

describe('who is a user', () => {
  test('an address with a token; one that is a member only is none', async () => {
    const app = await gateway.caller();
    await operationsOf(app).make({ members: [{ addresses: ['anna', 'bert'] }] });
    expect(await userOf(app, 'anna')).toBeNull();
    await token(app, { address: 'anna' });
    const anna = await userOf(app, 'anna');
    expect(anna).toEqual({
      ...{ id: idOf('anna'), uid: expect.stringMatching(/^[1-9]\d*$/), address: 'anna', active: true },
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    await token(app, { address: 'anna' });
    expect(await userOf(app, 'anna')).toEqual(anna);
    await token(app, {});
    expect(await list(app)).toEqual(['anna']);
  });

  test('one that had a token still is; active says whether one holds', async () => {
    const app = await gateway.caller();
    await token(app, { address: 'anna' });
    await app.send('mutation { tokenRevokeAll(address: "anna") { __typename } }');
    expect(await userOf(app, 'anna')).toMatchObject({ active: false });
    await token(app, { address: 'anna', expiresIn: 3600 });
    expect(await userOf(app, 'anna')).toMatchObject({ active: true });
    await sql(db, "update tokens set expires_at = created_at where app_id = $1 and address = 'anna'", [app.viewer.appId]);
    expect(await userOf(app, 'anna')).toMatchObject({ active: false });
  });

  test('the same address in two apps is two users', async () => {
    const [app, other] = [await gateway.caller(), await gateway.caller()];
    await token(other, { address: 'anna' });
    expect(await userOf(app, 'anna')).toBeNull();
    await token(app, { address: 'anna' });
    expect((await userOf(app, 'anna'))?.uid).not.toBe((await userOf(other, 'anna'))?.uid);
  });

  test('ten tokens at once give an address one uid; a second one takes no number', async () => {
    const app = await gateway.caller();
    await Promise.all(Array.from({ length: 10 }, () => token(app, { address: 'anna' })));
    expect(await list(app)).toEqual(['anna']);
    const uid = Number((await userOf(app, 'anna'))?.uid);
    expect(await db.recordsTransaction((tx) => keepUser(tx, app.viewer.appId, 'anna'))).toBe(uid);
    const last = async () => (await sql<{ last: number }>(db, 'select last_value as last from users_uid_seq'))[0]?.last;
    const before = await last();
    await token(app, { address: 'anna' });
    expect(await last()).toBe(before);
  });

  test('what a token that is refused would have made', async () => {
    const app = await gateway.caller();
    const narrow = await token(app, { scopes: ['TOKENS'] });
    await narrow.send(ADD_TOKEN, { input: { address: 'anna', scopes: ['READ'] } });
    await app.send(ADD_TOKEN, { input: { address: 'anna', expiresIn: 0 } });
    expect(await list(app)).toEqual([]);
  });
});

describe('who may see users, and delete them', async () => {
  const app = await gateway.caller();
  await operationsOf(app).make({ members: [{ addresses: ['anna'] }] });
  await token(app, { address: 'anna' });
  const refused: [string, Caller, string][] = [
    ['an application without TOKENS', await token(app, { scopes: withoutTokens }), 'TOKENS'],
    ['a user', await app.user('anna', withoutTokens), 'TOKENS'],
    // No such token is made over GraphQL; should there be one, it has nothing from it.
    ['a user with TOKENS', await app.user('anna', SCOPES), 'application'],
  ];

  test.each(refused)('%s: neither', async (_, caller, right) => {
    const before = await written(app);
    expect(refusal(await caller.send(LIST))).toEqual([{ code: 'NOT_ALLOWED', right }]);
    expect(refusal(await caller.send(ONE, { address: 'anna' }))).toEqual([{ code: 'NOT_ALLOWED', right }]);
    expect((await caller.send(NODES, { ids: [idOf('anna')] })).data?.nodes).toEqual([null]);
    expect((await caller.send(DEL, { input: { address: 'anna' } })).data?.userDel).toEqual({
      ...{ __typename: 'NotAllowed', code: 'NOT_ALLOWED', right },
    });
    expect(await written(app)).toEqual(before);
  });

  test('an application with TOKENS alone sees them, but not their groups, and deletes none', async () => {
    const caller = await token(app, { scopes: ['TOKENS'] });
    expect(await list(caller)).toEqual(['anna']);
    expect(await userOf(caller, 'anna')).toMatchObject({ address: 'anna' });
    expect(refusal(await caller.send('{ user(address: "anna") { groups { edges { node { gid } } } } }'))).toEqual([
      { code: 'NOT_ALLOWED', right: 'READ' },
    ]);
    const before = await written(app);
    expect((await caller.send(DEL, { input: { address: 'anna' } })).data?.userDel).toMatchObject({ right: 'WRITE' });
    expect(await written(app)).toEqual(before);
  });

  test('nobody without a token', async () => {
    const stranger = callerOf(gateway, db, { viewer: app.viewer, token: 'x' });
    for (const answer of [await stranger.send(LIST), await stranger.send(DEL, { input: { address: 'anna' } })]) {
      expect([answer.status, answer.errors?.[0]?.extensions?.['code']]).toEqual([401, 'UNAUTHENTICATED']);
    }
  });

  test('another app sees none and takes none out', async () => {
    const other = await gateway.caller();
    const before = await written(app);
    expect(await list(other)).toEqual([]);
    expect((await other.send(NODES, { ids: [idOf('anna')] })).data?.nodes).toEqual([null]);
    expect((await other.send(DEL, { input: { address: 'anna' } })).data?.userDel).toMatchObject({ revoked: 0, left: 0 });
    expect(await written(app)).toEqual(before);
  });
});

describe('users', async () => {
  const app = await gateway.caller();
  const addresses = ['12', 'Anna', 'a%', 'a*b', 'a_', 'anna', 'annb', 'zoë', '\u{10ffff}x'];
  for (const address of addresses.toReversed()) await token(app, { address });
  await token(await gateway.caller(), { address: 'foreign' });

  test('are listed by address', async () => {
    expect(await list(app)).toEqual(addresses);
  });

  test.each<[string, string[]]>([
    ['', addresses],
    ['a', ['a%', 'a*b', 'a_', 'anna', 'annb']],
    ['ann', ['anna', 'annb']],
    ['anna', ['anna']],
    ['a%', ['a%']],
    ['a*', ['a*b']],
    ['\u{10ffff}', ['\u{10ffff}x']],
    ['nobody', []],
  ])('that begin with %j', async (addressStartsWith, found) => {
    expect(await list(app, { filter: { addressStartsWith } })).toEqual(found);
  });

  test('are paged in both directions, each once', async () => {
    for (const forward of [true, false]) {
      const seen: string[] = [];
      for (let cursor: string | undefined; ; ) {
        const { data } = await app.send(LIST, forward ? { first: 4, after: cursor } : { last: 4, before: cursor });
        const { edges, pageInfo } = data?.users ?? {};
        seen.push(...(forward ? edges : edges.toReversed()).map(({ node }: { node: User }) => node.address));
        expect(forward ? pageInfo.hasPreviousPage : pageInfo.hasNextPage).toBe(cursor !== undefined);
        if (!(forward ? pageInfo.hasNextPage : pageInfo.hasPreviousPage)) break;
        cursor = edges.at(forward ? -1 : 0).cursor;
      }
      expect(forward ? seen : seen.reverse()).toEqual(addresses);
    }
  });

  const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  test.each([
    [{ first: 0 }, 'first'],
    [{ first: 1001 }, 'first'],
    [{ first: 1, last: 1 }, 'last'],
    [{ after: 'x' }, 'after'],
    [{ before: forged('users', 7) }, 'before'],
    [{ after: forged('groups:GID', 1000) }, 'after'],
    [{ filter: { addressStartsWith: null } }, 'filter.addressStartsWith'],
    [{ filter: { addressStartsWith: 'x\0' } }, 'filter.addressStartsWith'],
    [{ filter: { addressStartsWith: 'x'.repeat(257) } }, 'filter.addressStartsWith'],
  ])('refuse %j', async (args, path) => {
    expect(issues(await app.send(LIST, args))).toEqual([path]);
  });

  test.each(['', 'a,b', ' a', '\0'])('user(address: %j) is INVALID_INPUT', async (address) => {
    expect(issues(await app.send(ONE, { address }))).toEqual(['address']);
  });
});

describe('nodes', async () => {
  const app = await gateway.caller();
  for (const address of ['anna', 'a:b', 'Zoë']) await token(app, { address });

  test('users are read by their ids in one statement, what is none is null', async () => {
    const ids = ['anna', 'nobody', 'a:b', 'x'.repeat(257), 'a,b', '\0', 'Zoë', ' anna', '\ud800'].map(idOf);
    const names = await recorder.during(async () => {
      const { data } = await app.send(NODES, { ids });
      const found = data?.nodes.map((node: User | null) => node?.address ?? null);
      expect(found).toEqual(['anna', null, 'a:b', null, null, null, 'Zoë', null, null]);
    });
    expect(names).toEqual(['users_find']);
    const { data } = await app.send(`query ($id: ID!) { node(id: $id) { id ... on User { address } } }`, { id: idOf('a:b') });
    expect(data?.node).toEqual({ id: idOf('a:b'), address: 'a:b' });
  });

  test('a missing and a malformed id cost the same', async () => {
    for (const address of ['nobody', '', 'a,b', 'x'.repeat(300), '\0']) {
      const names = await recorder.during(async () => {
        expect((await app.send(NODES, { ids: [idOf(address)] })).data?.nodes).toEqual([null]);
      });
      // Without anything behind the type's name it is no id at all, which is as one of no group.
      expect(names).toEqual([address === '' ? 'groups_find_one' : 'users_find']);
    }
  });
});

describe('what is below a user', async () => {
  const app = await gateway.caller();
  const { make } = operationsOf(app);
  const people = Array.from({ length: 6 }, (_, index) => `user-${index}`);
  const callers = new Map<string, Caller>();
  for (const address of people) callers.set(address, await token(app, { address, label: address }));
  await token(app, { address: 'user-0', label: 'second' });
  const gone = await token(app, { address: 'user-0', label: 'revoked' });
  await gone.send('mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', {
    id: (await gone.send('{ viewer { token { id } } }')).data?.viewer.token.id,
  });
  const gids: string[] = [];
  // user-n is in the groups n and later.
  for (let index = 0; index < 6; index++) {
    gids.push((await make({ name: `group ${index}`, members: [{ addresses: people.slice(0, index + 1) }] })).gid);
  }
  await make({ name: 'of nobody' });
  const foreigner = await gateway.caller();
  await operationsOf(foreigner).make({ members: [{ addresses: people }] });
  await token(foreigner, { address: 'user-0', label: 'foreign' });

  const BELOW = `query ($first: Int, $groups: Int, $filter: GroupFilter, $orderBy: GroupOrder) { users(first: $first) {
    edges { node { address tokens(first: 2) { edges { node { label } } pageInfo { hasNextPage hasPreviousPage } }
      groups(first: $groups, filter: $filter, orderBy: $orderBy) { edges { node { gid memberCount members(first: 1) { edges { node { address } } } } }
        pageInfo { hasNextPage hasPreviousPage } } } } } }`;
  interface Below {
    users: {
      edges: {
        node: {
          tokens: { edges: { node: { label: string } }[]; pageInfo: object };
          groups: { edges: { node: { gid: string } }[]; pageInfo: object };
        };
      }[];
    };
  }
  const below = async (args: object) => {
    const { data, errors } = await app.send<Below>(BELOW, args);
    expect(errors).toBeUndefined();
    return (data as Below).users.edges.map(({ node }) => node);
  };
  const groupsOf = async (args: object) =>
    (await below(args)).map(({ groups }) => groups.edges.map(({ node }) => gids.indexOf(node.gid)));

  test('its groups and tokens, in as many statements for any page', async () => {
    for (const first of [2, 6]) {
      const names = await recorder.during(async () => {
        const users = await below({ first, groups: 5 });
        expect(users.map(({ groups }) => groups.edges.length)).toEqual([5, 5, 4, 3, 2, 1].slice(0, first));
        expect(users.map(({ tokens }) => tokens.edges.map(({ node }) => node.label))).toEqual(
          [['user-0', 'second'], ['user-1'], ['user-2'], ['user-3'], ['user-4'], ['user-5']].slice(0, first),
        );
        const no = { hasNextPage: false, hasPreviousPage: false };
        expect(users.map(({ groups }) => groups.pageInfo)).toEqual(
          [{ ...no, hasNextPage: true }, no, no, no, no, no].slice(0, first),
        );
      });
      expect(names.toSorted()).toEqual([
        'groups_gid_asc_of_many',
        'members_page_address_asc_many',
        'tokens_page_many',
        'users_page',
      ]);
    }
  });

  test('of one user alone', async () => {
    const names = await recorder.during(async () => {
      const { data } = await app.send(
        '{ user(address: "user-4") { groups { edges { node { gid } } } tokens { edges { node { label } } } } }',
      );
      expect(data?.user).toEqual({
        groups: { edges: gids.slice(4).map((gid) => ({ node: { gid } })) },
        tokens: { edges: [{ node: { label: 'user-4' } }] },
      });
    });
    expect(names.toSorted()).toEqual(['groups_gid_asc_of', 'tokens_page_address', 'users_find']);
  });

  test('with a filter, and an order', async () => {
    expect(await groupsOf({ first: 3, filter: { member: 'user-4' } })).toEqual([
      [4, 5],
      [4, 5],
      [4, 5],
    ]);
    expect(await groupsOf({ first: 2, filter: { nameContains: 'group 3', state: 'ACTIVE', member: 'user-1' } })).toEqual([
      [3],
      [3],
    ]);
    expect(await groupsOf({ first: 2, filter: { member: 'nobody' } })).toEqual([[], []]);
    expect(await groupsOf({ first: 2, groups: 2, orderBy: { field: 'NAME', direction: 'DESC' } })).toEqual([
      [5, 4],
      [5, 4],
    ]);
    expect(await groupsOf({ first: 2, groups: 2, orderBy: { field: 'MEMBER_COUNT', direction: 'ASC' } })).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  test('one user with two members that both have to be in, and in pages', async () => {
    const page = async (args: string) =>
      (
        await app.send(
          `{ user(address: "user-1") { groups(${args}) { edges { cursor node { gid } } pageInfo { hasNextPage hasPreviousPage } } } }`,
        )
      ).data?.user.groups;
    const both = await page('filter: { member: "user-3" }');
    expect(both.edges.map(({ node }: { node: { gid: string } }) => node.gid)).toEqual(gids.slice(3));
    const first = await page('first: 2');
    expect(first.pageInfo).toEqual({ hasNextPage: true, hasPreviousPage: false });
    const second = await page(`first: 2, after: "${first.edges[1].cursor}"`);
    expect(second.edges.map(({ node }: { node: { gid: string } }) => node.gid)).toEqual(gids.slice(3, 5));
    expect(second.pageInfo).toEqual({ hasNextPage: true, hasPreviousPage: true });
    const last = await page(`last: 2, before: "${first.edges[1].cursor}"`);
    expect(last.edges.map(({ node }: { node: { gid: string } }) => node.gid)).toEqual(gids.slice(1, 2));
    expect(last.pageInfo).toEqual({ hasNextPage: true, hasPreviousPage: false });
  });

  test('the last of several users, with cursors', async () => {
    const after = Buffer.from(JSON.stringify(['groups:GID', Number(gids[2])])).toString('base64url');
    const { data } = await app.send(
      `query ($after: String) { users(first: 2) { edges { node { groups(last: 2, after: $after) { edges { node { gid } } pageInfo { hasNextPage hasPreviousPage } } } } } }`,
      { after },
    );
    const groups = {
      edges: gids.slice(4).map((gid) => ({ node: { gid } })),
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
    };
    expect(data?.users.edges).toEqual([{ node: { groups } }, { node: { groups } }]);
  });

  test.each([
    ['groups(first: 0)', 'first'],
    ['groups(filter: { member: "a,b" })', 'filter.member'],
    ['tokens(after: "x")', 'after'],
  ])('%s is refused', async (field, path) => {
    expect(issues(await app.send(`{ users(first: 2) { edges { node { ${field} { edges { cursor } } } } } }`))[0]).toBe(path);
  });

  test('is limited: nodes are multiplied', async () => {
    const { errors } = await app.send('{ users(first: 1000) { edges { node { groups(first: 100) { edges { cursor } } } } } }');
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', limit: 'MAX_NODES' });
  });
});

describe('userDel', () => {
  const del = async (caller: Caller, address: string) => (await caller.send(DEL, { input: { address } })).data?.userDel;
  const done = (revoked: number, left: number) => ({
    __typename: 'UserDelPayload',
    address: 'anna',
    revoked,
    left,
    remaining: 0,
  });

  test('revokes the tokens and leaves the groups, each with its record, and may be repeated', async () => {
    const app = await gateway.caller();
    const { make } = operationsOf(app);
    const anna = await token(app, { address: 'anna' });
    await token(app, { address: 'anna', scopes: ['READ'] });
    const gids: string[] = [];
    for (const addresses of [['anna', 'bert'], ['bert'], ['anna']]) gids.push((await make({ members: [{ addresses }] })).gid);
    const others = await groupState(db, gids[1] ?? '');
    expect(await del(app, 'anna')).toEqual(done(2, 2));
    expect((await anna.send('{ viewer { address } }')).status).toBe(401);
    const removals = await sql(
      db,
      `select gid, version, actor, data->'addresses' as addresses from changes where app_id = $1 and kind = 8 order by id`,
      [app.viewer.appId],
    );
    const removal = (gid = '') => ({ gid: Number(gid), version: 3, actor: null, addresses: ['anna'] });
    expect(removals).toEqual([removal(gids[0]), removal(gids[2])]);
    expect(await groupState(db, gids[1] ?? '')).toEqual(others);
    expect(await del(app, 'anna')).toEqual(done(0, 0));
    // It had tokens, and keeps its number.
    expect(await userOf(app, 'anna')).toMatchObject({ address: 'anna', active: false });
  });

  test('an address that nobody has, or that is a member only', async () => {
    const app = await gateway.caller();
    expect(await del(app, 'anna')).toEqual(done(0, 0));
    await operationsOf(app).make({ members: [{ addresses: ['anna'] }] });
    expect(await del(app, 'anna')).toEqual(done(0, 1));
    expect(await list(app)).toEqual([]);
  });

  test.each(['', 'a,b', ' a', 'a\0', 'x'.repeat(257)])('%j is InvalidInput', async (address) => {
    const app = await gateway.caller();
    const before = await written(app);
    expect(await del(app, address)).toEqual({
      ...{ __typename: 'InvalidInput', code: 'INVALID_INPUT', issues: [{ path: ['input', 'address'] }] },
    });
    expect(await written(app)).toEqual(before);
  });

  test('at most so many groups a call; what remains is said, and left by the next', async () => {
    const app = await gateway.caller();
    const { make } = operationsOf(app);
    const gids: string[] = [];
    for (let index = 0; index < 5; index++) gids.push((await make({ members: [{ addresses: ['anna'] }] })).gid);
    const deleted = (await make({ members: [{ addresses: ['anna'] }] })).gid;
    await operationsOf(app).del({ gid: deleted });
    const anna = { address: 'anna' };
    expect(await deleteUser(db, app.viewer, anna, 2)).toEqual({ ...anna, revoked: 0, left: 2, remaining: 3 });
    const counts = async () =>
      (
        await sql<{ count: number }>(db, 'select member_count as count from groups where app_id = $1 order by gid', [
          app.viewer.appId,
        ])
      ).map(({ count }) => count);
    expect((await counts()).slice(0, 5)).toEqual([0, 0, 1, 1, 1]);
    expect(await deleteUser(db, app.viewer, anna, 2)).toEqual({ ...anna, revoked: 0, left: 2, remaining: 1 });
    expect(await deleteUser(db, app.viewer, anna, 2)).toEqual({ ...anna, revoked: 0, left: 1, remaining: 0 });
    expect((await counts()).slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
  });
});
