import { describe, expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
  type MembersInput,
} from '../src/generated/operations.ts';
import { sql } from './setup/database.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
// Records may have 1,000 members each: 50 of them with so many fields are more than is allowed by default.
const gateway = await openTestGateway({ observe: recorder.observe, config: { maxFields: 1_000_000 } });
const { db } = gateway;
const app = await gateway.caller();
const [anna, bert] = [await app.user('anna'), await app.user('bert')];

const HISTORY = `query ($gid: ID!, $first: Int, $after: String, $last: Int, $before: String, $kinds: [GroupChangeKind!]) {
  group(gid: $gid) { changes(first: $first, after: $after, last: $last, before: $before, kinds: $kinds) {
    edges { cursor node { __typename version cursor at actor gid ...data } } pageInfo { hasNextPage hasPreviousPage } } } }
  fragment data on GroupChange {
    ... on GroupAdded { settings { name } group { gid } }
    ... on GroupUpdated { settings { name } changed }
    ... on MembersAdded { who: members { address admin { owner } } memberCount }
    ... on MembersUpdated { members { address messageType } }
    ... on MembersRemoved { addresses memberCount } }`;

interface Change {
  __typename: string;
  version: number;
  actor: string | null;
  [field: string]: unknown;
}
interface History {
  edges: { cursor: string; node: Change }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean };
}

async function historyOf(caller: Caller, gid: string, args: object = {}): Promise<History | undefined> {
  const { data, errors } = await caller.send(HISTORY, { gid, ...args });
  expect(errors).toBeUndefined();
  return data?.group?.changes;
}
const versions = async (caller: Caller, gid: string, args: object = {}) =>
  (await historyOf(caller, gid, args))?.edges.map(({ node }) => node.version);

async function addGroup(caller: Caller, members: MembersInput[] = [], name = 'first'): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input: { name, members } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return groupAdd.group.gid;
}
const edit = async (caller: Caller, input: GroupEditMembersInput) =>
  (await caller.call(GroupEditMembersDocument, { input })).groupEditMembers;
const rename = (caller: Caller, gid: string, name: string) => caller.call(GroupSetDocument, { input: { gid, name } });

test('says who did what, when', async () => {
  const gid = await addGroup(anna, [{ addresses: ['bert', 'bob'] }]);
  await rename(app, gid, 'second');
  await edit(anna, { gid, update: [{ addresses: ['bert'], admin: { removeUser: true } }] });
  const before = Date.now();
  await edit(bert, { gid, remove: ['bob'] });
  const history = await historyOf(app, gid);
  expect(history?.edges.map(({ node: { cursor, at, version, gid: _, ...node } }) => node)).toEqual([
    { __typename: 'GroupAdded', actor: 'anna', settings: { name: 'first' }, group: { gid } },
    {
      __typename: 'MembersAdded',
      actor: 'anna',
      who: ['anna', 'bert', 'bob'].map((address) => ({ address, admin: { owner: address === 'anna' } })),
      memberCount: 3,
    },
    { __typename: 'GroupUpdated', actor: null, settings: { name: 'second' }, changed: ['name'] },
    { __typename: 'MembersUpdated', actor: 'anna', members: [{ address: 'bert', messageType: 0 }] },
    { __typename: 'MembersRemoved', actor: 'bert', addresses: ['bob'], memberCount: 2 },
  ]);
  expect(history?.edges.map(({ node }) => [node.version, node['gid']])).toEqual([1, 2, 3, 4, 5].map((version) => [version, gid]));
  expect(history?.pageInfo).toEqual({ hasNextPage: false, hasPreviousPage: false });

  const [removal] = (await historyOf(app, gid, { kinds: ['MEMBERS_REMOVED'], last: 1 }))?.edges ?? [];
  expect(removal?.node).toMatchObject({ actor: 'bert', addresses: ['bob'] });
  expect(Math.abs(Date.parse(removal?.node['at'] as string) - before)).toBeLessThan(60_000);
  // The cursor of a record is one of the group's stream.
  const { data } = await app.send('query ($gid: ID!) { group(gid: $gid) { cursor } }', { gid });
  expect(removal?.node['cursor']).toBe(data?.group.cursor);
});

describe('as a list', async () => {
  const gid = await addGroup(app);
  for (let version = 2; version <= 12; version++) {
    if (version % 3 === 0) await edit(app, { gid, add: [{ addresses: [`m${version}`] }] });
    else await rename(app, gid, `name ${version}`);
  }
  const ALL = Array.from({ length: 12 }, (_, index) => index + 1);
  const JOINS = [3, 6, 9, 12];

  test.each<[object, number[], boolean, boolean]>([
    [{}, ALL, false, false],
    [{ first: 5 }, ALL.slice(0, 5), false, true],
    [{ last: 5 }, ALL.slice(-5), true, false],
    [{ kinds: ['MEMBERS_ADDED'] }, JOINS, false, false],
    [{ kinds: ['MEMBERS_ADDED'], first: 2 }, [3, 6], false, true],
    [{ kinds: ['MEMBERS_ADDED', 'GROUP_ADDED'], last: 2 }, [9, 12], true, false],
    [{ kinds: [] }, [], false, false],
    [{ kinds: ['GROUP_EXPIRED'] }, [], false, false],
    [{ kinds: null, first: null }, ALL, false, false],
  ])('%j', async (args, expected, hasPreviousPage, hasNextPage) => {
    const history = await historyOf(app, gid, args);
    expect(history?.edges.map(({ node }) => node.version)).toEqual(expected);
    expect(history?.pageInfo).toEqual({ hasPreviousPage, hasNextPage });
  });

  test('is paged in both directions, each record once', async () => {
    for (const kinds of [undefined, ['MEMBERS_ADDED']]) {
      for (const forward of [true, false]) {
        const seen: number[] = [];
        for (let cursor: string | undefined; ; ) {
          const page = await historyOf(
            app,
            gid,
            forward ? { first: 3, after: cursor, kinds } : { last: 3, before: cursor, kinds },
          );
          const edges = forward ? (page?.edges ?? []) : (page?.edges ?? []).toReversed();
          seen.push(...edges.map(({ node }) => node.version));
          if (!(forward ? page?.pageInfo.hasNextPage : page?.pageInfo.hasPreviousPage)) break;
          cursor = edges.at(-1)?.cursor;
        }
        expect(forward ? seen : seen.reverse()).toEqual(kinds ? JOINS : ALL);
      }
    }
  });

  test('refuses wrong arguments', async () => {
    const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
    const other = await addGroup(app);
    for (const args of [
      ...[{ first: 0 }, { first: 1001 }, { last: 0 }, { first: 1, last: 1 }, { after: 'x' }, { before: '' }],
      ...[
        { after: forged(`changes:${other}`, 1) },
        { after: forged(`changes:${gid}`, 2 ** 31) },
        { after: forged(`changes:${gid}`, 'a') },
      ],
    ]) {
      const { errors } = await app.send(
        `query ($gid: ID!, $first: Int, $after: String, $last: Int, $before: String) { group(gid: $gid) {
          changes(first: $first, after: $after, last: $last, before: $before) { edges { cursor } } } }`,
        { gid, ...args },
      );
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'INVALID_INPUT' });
    }
  });

  test('holds what is still kept', async () => {
    const kept = await addGroup(app);
    for (const name of ['b', 'c', 'd']) await rename(app, kept, name);
    await sql(db, 'delete from changes where gid = $1 and version <= 2', [Number(kept)]);
    expect(await versions(app, kept)).toEqual([3, 4]);
  });
});

describe('to a user', () => {
  test('begins with the record that added it', async () => {
    const gid = await addGroup(app, [{ addresses: ['bob'] }]);
    await rename(app, gid, 'before anna');
    await edit(app, { gid, add: [{ addresses: ['anna'] }] });
    await rename(app, gid, 'with anna');
    expect(await versions(anna, gid)).toEqual([4, 5]);
    expect(await versions(anna, gid, { last: 10 })).toEqual([4, 5]);
    expect(await versions(anna, gid, { kinds: ['GROUP_UPDATED'] })).toEqual([5]);
    // Nor by a cursor of the application's, nor in what lies around the page.
    const cursor = (await historyOf(app, gid, { first: 1 }))?.edges[0]?.cursor;
    const page = await historyOf(anna, gid, { after: cursor });
    expect(page?.edges.map(({ node }) => node.version)).toEqual([4, 5]);
    expect(page?.pageInfo.hasPreviousPage).toBe(false);
    expect(await versions(app, gid)).toEqual([1, 2, 3, 4, 5]);
  });

  test('is of its present membership only', async () => {
    const gid = await addGroup(app, [{ addresses: ['anna', 'bob'] }]);
    await edit(app, { gid, remove: ['anna'] });
    expect(await historyOf(anna, gid)).toBeUndefined();
    await rename(app, gid, 'without anna');
    await edit(app, { gid, add: [{ addresses: ['anna'] }] });
    await edit(app, { gid, update: [{ addresses: ['anna'], permissions: { send: false } }] });
    expect(await versions(anna, gid)).toEqual([5, 6]);
  });

  test('who makes a group sees it from its own joining on', async () => {
    expect(await versions(anna, await addGroup(anna))).toEqual([2]);
  });

  test('who leaves gets none with its payload', async () => {
    const gid = await addGroup(app, [{ addresses: ['anna'] }]);
    const { data } = await anna.send(
      `mutation ($gid: ID!) { groupEditMembers(input: { gid: $gid, remove: ["anna"] }) { ... on GroupEditMembersPayload {
        group { changes { edges { node { version } } } } } } }`,
      { gid },
    );
    expect(data?.groupEditMembers.group.changes.edges).toEqual([]);
  });
});

describe('what it costs', () => {
  const LIST = `query ($first: Int, $last: Int, $kinds: [GroupChangeKind!]) { groups(last: 20) { edges { node { gid
    changes(first: $first, last: $last, kinds: $kinds) { edges { node { version } } pageInfo { hasNextPage hasPreviousPage } } } } } }`;

  test('the histories of 20 groups come with one statement', async () => {
    const other = await gateway.caller();
    const user = await other.user('anna');
    const gids: string[] = [];
    for (let i = 0; i < 20; i++) gids.push(await addGroup(other, [{ addresses: ['x'] }, { addresses: ['anna'] }]));
    for (const gid of gids) await rename(other, gid, 'new');
    for (const [caller, from] of [
      [other, 1],
      [user, 2],
    ] as const) {
      for (const [args, expected, more] of [
        [{ first: 2 }, [from, from + 1], [false, from === 1]],
        [{ last: 2 }, [2, 3], [from === 1, false]],
        [{ kinds: ['GROUP_UPDATED'] }, [3], [false, false]],
      ] as const) {
        const statements = await recorder.during(async () => {
          const { data } = await caller.send(LIST, args);
          const nodes = data?.groups.edges.map(({ node }: { node: { changes: History } }) => node.changes);
          const [hasPreviousPage, hasNextPage] = more;
          const edges = expected.map((version) => ({ node: { version } }));
          expect(nodes).toEqual(gids.map(() => ({ edges, pageInfo: { hasPreviousPage, hasNextPage } })));
        });
        expect(statements).toHaveLength(2);
      }
    }
  });

  test('members are read only when they are asked for, and count as nodes', async () => {
    const gid = await addGroup(app, [{ addresses: Array.from({ length: 2_500 }, (_, index) => `m${index}`) }]);
    const ask = (selection: string) =>
      app.send(`query ($gid: ID!) { group(gid: $gid) { changes { edges { node { ${selection} } } } } }`, { gid });
    const sizes = await ask('version ... on MembersAdded { memberCount members { address } }');
    expect(sizes.data?.group.changes.edges.map(({ node }: { node: { members?: unknown[] } }) => node.members?.length)).toEqual([
      undefined,
      1_000,
      1_000,
      500,
    ]);
    const from = recorder.statements.length;
    await ask('version actor ... on MembersAdded { memberCount }');
    await ask('... on GroupAdded { settings { name } }');
    const [heads, settings] = recorder.statements.slice(from).filter(({ name }) => name.startsWith('history'));
    expect(heads?.text).not.toContain('c.data');
    expect(settings?.text).toContain('when c.kind in (1,2) then c.data');
    const whole = (size: number) =>
      app.send(
        `query ($gid: ID!) { group(gid: $gid) { changes(first: ${size}) { edges { node { ... on MembersAdded { members { address } } } } } } }`,
        { gid },
      );
    expect((await whole(99)).errors).toBeUndefined();
    expect((await whole(100)).errors?.[0]?.extensions).toMatchObject({ code: 'LIMIT_EXCEEDED', limit: 'MAX_NODES' });
  });
});
