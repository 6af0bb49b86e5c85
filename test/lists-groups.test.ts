import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  GroupAddDocument,
  type GroupOrder,
  type GroupOrderField,
  GroupsDocument,
  type GroupsQueryVariables,
  type OrderDirection,
} from '../src/generated/operations.ts';
import { GROUP_ORDER_FIELDS } from '../src/groups/read/groups.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { compareText, forgedCursor, issuePaths, type ModelArgs, modelPage, pageArgs } from './setup/lists.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const app = await gateway.caller();
const other = await gateway.caller();

const DIRECTIONS: OrderDirection[] = ['ASC', 'DESC'];
const NAMES = [null, '', 'a', 'B', 'b', 'é', 'É', '\uff5e', '\u{1f600}', 'ab', 'a', '~', '\ud7ff', '\ue000', '\u{10ffff}'];
/** How many groups each of these is in: lists of these sizes. */
const MEMBERSHIPS: Record<string, number> = { in0: 0, in1: 1, in2: 2, in3: 3, in10: 10, in55: 55 };
const SIZE = 60;

interface Listed {
  gid: string;
  name: string | null;
  memberCount: number;
  createdAt: string;
  updatedAt: string;
  members: string[];
}

const groups = await makeGroups();
const cursors = new Map<GroupOrderField, Map<string, string>>();
for (const field of GROUP_ORDER_FIELDS) cursors.set(field, await cursorsOf(field));

/** Groups with names, sizes and times that repeat. */
async function makeGroups(): Promise<Listed[]> {
  for (let index = 0; index < SIZE; index++) {
    const place = (index * 37) % SIZE; // the memberships lie scattered over the gids
    const addresses = Object.keys(MEMBERSHIPS).filter((address) => place < (MEMBERSHIPS[address] as number));
    const name = NAMES[index % NAMES.length] ?? null;
    await app.call(GroupAddDocument, { input: { ...(name === null ? {} : { name }), members: [{ addresses }] } });
    await other.call(GroupAddDocument, { input: { name: 'of another app', members: [{ addresses }] } });
  }
  await sql(
    gateway.db,
    `update groups set created_at = timestamptz '2026-01-01' + gid % 7 * interval '1 ms', updated_at = timestamptz '2026-01-02' +
      gid % 5 * interval '1 ms' where app_id = $1 and gid % 2 = 0`,
    [app.viewer.appId],
  );
  const { data } = await app.send(`{ groups(first: 100) { edges { node {
    gid name memberCount createdAt updatedAt members { edges { node { address } } } } } } }`);
  return data?.groups.edges.map(({ node }: { node: Listed & { members: { edges: { node: { address: string } }[] } } }) => ({
    ...node,
    members: node.members.edges.map((edge) => edge.node.address),
  }));
}

async function cursorsOf(field: GroupOrderField): Promise<Map<string, string>> {
  const { groups: all } = await app.call(GroupsDocument, { first: 1000, orderBy: { field, direction: 'ASC' } });
  return new Map(all.edges.map(({ cursor, node }) => [node.gid, cursor]));
}

const KEYS: Record<GroupOrderField, (a: Listed, b: Listed) => number> = {
  GID: () => 0,
  NAME: (a, b) => compareText(a.name ?? '', b.name ?? ''),
  CREATED_AT: (a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt),
  UPDATED_AT: (a, b) => Date.parse(a.updatedAt) - Date.parse(b.updatedAt),
  MEMBER_COUNT: (a, b) => a.memberCount - b.memberCount,
};

function ordered({ field, direction }: GroupOrder): Listed[] {
  const compare = (a: Listed, b: Listed) => KEYS[field](a, b) || Number(a.gid) - Number(b.gid);
  return groups.toSorted((a, b) => (direction === 'ASC' ? compare(a, b) : compare(b, a)));
}

/** Asks for a page and compares it with the model's. */
async function check(orderBy: GroupOrder, args: ModelArgs, member?: string): Promise<void> {
  const all = ordered(orderBy);
  const cursorAt = (place: number | undefined) =>
    place === undefined ? undefined : cursors.get(orderBy.field)?.get((all[place] as Listed).gid);
  const variables: GroupsQueryVariables = { ...args, after: cursorAt(args.after), before: cursorAt(args.before), orderBy };
  if (member) variables.filter = { member };
  const { groups: page } = await app.call(GroupsDocument, variables);
  const expected = modelPage(all, ({ members }) => !member || members.includes(member), args);
  expect(page.edges.map(({ node }) => node.gid)).toEqual(expected.items.map(({ gid }) => gid));
  expect(page.edges.map(({ cursor }) => cursor)).toEqual(expected.items.map(({ gid }) => cursors.get(orderBy.field)?.get(gid)));
  expect(page.pageInfo).toEqual({
    hasNextPage: expected.hasNextPage,
    hasPreviousPage: expected.hasPreviousPage,
    startCursor: page.edges[0]?.cursor ?? null,
    endCursor: page.edges.at(-1)?.cursor ?? null,
  });
}

test('the groups of the fixture repeat and scatter', () => {
  expect(groups).toHaveLength(SIZE);
  for (const field of ['name', 'memberCount', 'createdAt', 'updatedAt'] as const) {
    const values = new Set(groups.map((group) => group[field]));
    expect(values.size).toBeGreaterThan(3);
    expect(values.size).toBeLessThan(SIZE);
  }
  for (const [address, count] of Object.entries(MEMBERSHIPS)) {
    expect(groups.filter(({ members }) => members.includes(address))).toHaveLength(count);
  }
});

test.each(GROUP_ORDER_FIELDS)('%s: whole lists in both directions, walked forward and backward', async (field) => {
  for (const direction of DIRECTIONS) {
    const orderBy = { field, direction };
    await check(orderBy, { first: 1000 });
    await check(orderBy, { last: 1000 });
    for (let place = 0; place < SIZE; place += 7) {
      await check(orderBy, { first: 7, after: place - 1 < 0 ? undefined : place - 1 });
      await check(orderBy, { last: 7, before: SIZE - place === SIZE ? undefined : SIZE - place });
    }
  }
});

test('by name, an absent name counts as "" and code points decide', async () => {
  const { groups: page } = await app.call(GroupsDocument, { first: 1000, orderBy: { field: 'NAME', direction: 'ASC' } });
  const names = [...new Set(page.edges.map(({ node }) => node.name ?? ''))];
  expect(names).toEqual(['', 'B', 'a', 'ab', 'b', '~', 'É', 'é', '\ud7ff', '\ue000', '\uff5e', '\u{1f600}', '\u{10ffff}']);
  const unnamed = page.edges.map(({ node }) => node).filter(({ name }) => !name);
  expect(new Set(unnamed.map(({ name }) => name))).toEqual(new Set([null, '']));
  expect(unnamed.map(({ gid }) => gid)).toEqual(groups.filter(({ name }) => !name).map(({ gid }) => gid));
});

const SEED = 20_260_117;
test(`any order, page and filter answers as the model (seed ${SEED})`, async () => {
  const order = fc.record({ field: fc.constantFrom(...GROUP_ORDER_FIELDS), direction: fc.constantFrom(...DIRECTIONS) });
  const member = fc.constantFrom(undefined, ...Object.keys(MEMBERSHIPS));
  await fc.assert(fc.asyncProperty(order, pageArgs(SIZE), member, check), { seed: SEED, numRuns: 300 });
});

test('a page has 50 groups unless asked otherwise; null asks for nothing', async () => {
  const { groups: page } = await app.call(GroupsDocument, {});
  expect(page.edges.map(({ node }) => node.gid)).toEqual(groups.slice(0, 50).map(({ gid }) => gid));
  expect(page.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  const nulls = { first: null, after: null, last: null, before: null, filter: null, orderBy: null };
  expect((await app.call(GroupsDocument, nulls)).groups).toEqual(page);
});

test('a user lists the groups that it is in, by either field', async () => {
  const user = await app.user('in10');
  const expected = groups.filter(({ members }) => members.includes('in10')).map(({ gid }) => ({ node: { gid } }));
  const query = `query ($first: Int, $after: String) {
    groups(first: $first, after: $after) { edges { node { gid } } pageInfo { endCursor hasNextPage hasPreviousPage } }
    viewer { groups(first: $first, after: $after) { edges { node { gid } } pageInfo { endCursor hasNextPage hasPreviousPage } } }
  }`;
  const { data } = await user.send(query, { first: 4 });
  expect(data?.groups.edges).toEqual(expected.slice(0, 4));
  expect(data?.groups.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  expect(data?.viewer.groups).toEqual(data?.groups);
  const rest = await user.send(query, { after: data?.groups.pageInfo.endCursor });
  expect(rest.data?.groups.edges).toEqual(expected.slice(4));
  expect(rest.data?.groups.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  expect(rest.data?.viewer.groups).toEqual(rest.data?.groups);
});

const byGid = [...(cursors.get('GID') as Map<string, string>).values()];
const byName = [...(cursors.get('NAME') as Map<string, string>).values()];
const gid = Number(groups[0]?.gid);
const HUGE = [2 ** 53, 1e300, -1, -0.5, 1.5, '5', null, true, [5], { n: 5 }];
const END_OF_TIME = Date.UTC(10_000, 0);
const FORGED: Record<GroupOrderField, string[]> = {
  GID: [...HUGE.map((n) => forgedCursor('groups:GID', n)), forgedCursor('groups:GID'), forgedCursor('groups:GID', gid, gid)],
  NAME: ['\0', 'a\ud800', 5, null].map((name) => forgedCursor('groups:NAME', name, gid)),
  CREATED_AT: [...HUGE, 8.64e15, END_OF_TIME].map((time) => forgedCursor('groups:CREATED_AT', time, gid)),
  UPDATED_AT: [...HUGE, 8.64e15, END_OF_TIME].map((time) => forgedCursor('groups:UPDATED_AT', time, gid)),
  MEMBER_COUNT: [...HUGE, 2 ** 31].map((count) => forgedCursor('groups:MEMBER_COUNT', count, gid)),
};
const GARBLED = [
  '',
  ' ',
  'x',
  '!!!!',
  '\0',
  `${byGid[0]}=`,
  `${byGid[0]}A`,
  byGid[0]?.slice(1) as string,
  forgedCursor(),
  'bnVsbA',
];

test.each<[string, object, string[]]>([
  ['first 0', { first: 0 }, ['first']],
  ['first 1,001', { first: 1001 }, ['first']],
  ['first -1', { first: -1 }, ['first']],
  ['first 2³¹', { first: 2 ** 31 }, ['first']],
  ['last 0', { last: 0 }, ['last']],
  ['last 1,001', { last: 1001 }, ['last']],
  ['last -2³¹', { last: -(2 ** 31) }, ['last']],
  ['first with last', { first: 1, last: 1 }, ['last']],
  ['a cursor of another order', { after: byName[0] }, ['after']],
  ['a cursor of another order', { before: byGid[0], orderBy: { field: 'NAME', direction: 'ASC' } }, ['before']],
  ['an unknown order', { orderBy: { field: 'SIZE', direction: 'ASC' } }, ['orderBy.field']],
  ['an order of null', { orderBy: { field: null, direction: 'ASC' } }, ['orderBy.field']],
])('%s is INVALID_INPUT', async (_, variables, paths) => {
  expect(issuePaths(await app.send(GroupsDocument, variables))).toEqual(paths);
});

test('a cursor that is garbled, of a list of members or forged is INVALID_INPUT and reads nothing', async () => {
  const { data } = await app.send('query ($gid: ID!) { groupGetMembers(gid: $gid) { pageInfo { endCursor } } }', {
    gid: groups.find(({ members }) => members.length > 0)?.gid,
  });
  const bad = [...GARBLED, data?.groupGetMembers.pageInfo.endCursor].map((cursor) => ({ field: 'GID', cursor }));
  for (const field of GROUP_ORDER_FIELDS) bad.push(...FORGED[field].map((cursor) => ({ field, cursor })));
  const names = await recorder.during(async () => {
    for (const { field, cursor } of bad) {
      const orderBy = { field, direction: 'DESC' };
      expect(issuePaths(await app.send(GroupsDocument, { after: cursor, orderBy })), cursor).toEqual(['after']);
      expect(issuePaths(await app.send(GroupsDocument, { last: 1, before: cursor, orderBy })), cursor).toEqual(['before']);
    }
  });
  expect(names).toEqual([]);
});

test('a forged cursor at the ends of what a key can be is a place like any other', async () => {
  const ends: [GroupOrderField, ...unknown[]][] = [
    ['GID', 2 ** 53 - 1],
    ['NAME', '\u{10ffff}'.repeat(300), 2 ** 53 - 1],
    ['CREATED_AT', END_OF_TIME - 1, 0],
    ['UPDATED_AT', END_OF_TIME - 1, 2 ** 53 - 1],
    ['MEMBER_COUNT', 2 ** 31 - 1, 0],
  ];
  for (const [field, ...key] of ends) {
    const orderBy: GroupOrder = { field, direction: 'ASC' };
    const { groups: behind } = await app.call(GroupsDocument, { after: forgedCursor(`groups:${field}`, ...key), orderBy });
    expect(behind.edges).toEqual([]);
    expect(behind.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const zero = key.map((part) => (typeof part === 'string' ? '' : 0));
    const { groups: all } = await app.call(GroupsDocument, { after: forgedCursor(`groups:${field}`, ...zero), orderBy });
    expect(all.edges).toHaveLength(50);
    expect(all.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  }
});
