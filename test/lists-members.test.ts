import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupEditMembersDocument,
  type MemberFilter,
  type MemberOrder,
  type MemberOrderField,
  MembersDocument,
  type MembersInput,
  type MembersQueryVariables,
  type OrderDirection,
} from '../src/generated/operations.ts';
import { MEMBER_ORDER_FIELDS } from '../src/groups/read/members.ts';
import { openTestGateway } from './setup/gateway.ts';
import { compareText, forgedCursor, issuePaths, type ModelArgs, modelPage, pageArgs } from './setup/lists.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const app = await gateway.caller();
const DIRECTIONS: OrderDirection[] = ['ASC', 'DESC'];

interface Listed {
  address: string;
  admin: boolean;
}

/** A group and its members in the order of joining, with their cursors. */
interface Listing {
  gid: string;
  members: Listed[];
  cursors: Record<MemberOrderField, Map<string, string>>;
}

async function addGroup(members: MembersInput[]): Promise<string> {
  const { groupAdd } = await app.call(GroupAddDocument, { input: { members } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(groupAdd.__typename);
  return groupAdd.group.gid;
}

async function edit(gid: string, input: { add?: MembersInput[]; update?: MembersInput[]; remove?: string[] }): Promise<void> {
  const { groupEditMembers } = await app.call(GroupEditMembersDocument, { input: { gid, ...input } });
  expect(groupEditMembers.__typename).toBe('GroupEditMembersPayload');
}

async function listing(members: Listed[]): Promise<Listing> {
  const gid = await addGroup([]);
  for (let from = 0; from < members.length; from += 7) {
    const add = members.slice(from, from + 7).map(({ address, admin }) => ({
      addresses: [address],
      ...(admin ? { admin: { modify: true } } : {}),
    }));
    await edit(gid, { add });
  }
  const cursorsOf = async (field: MemberOrderField) => {
    const { groupGetMembers: all } = await app.call(MembersDocument, { gid, first: 1000, orderBy: { field, direction: 'ASC' } });
    return new Map(all?.edges.map(({ cursor, node }) => [node.address, cursor]));
  };
  return { gid, members, cursors: { ADDRESS: await cursorsOf('ADDRESS'), JOINED_AT: await cursorsOf('JOINED_AT') } };
}

function ordered({ members }: Listing, { field, direction }: MemberOrder): Listed[] {
  const all = field === 'ADDRESS' ? members.toSorted((a, b) => compareText(a.address, b.address)) : members;
  return direction === 'ASC' ? all : all.toReversed();
}

function matches({ addressStartsWith, addresses, admin }: MemberFilter): (member: Listed) => boolean {
  return (member) =>
    member.address.startsWith(addressStartsWith ?? '') &&
    (!addresses || addresses.includes(member.address)) &&
    (admin === undefined || member.admin === admin);
}

/** Asks for a page and compares it with the model's. */
async function check(list: Listing, orderBy: MemberOrder, args: ModelArgs, filter?: MemberFilter): Promise<void> {
  const all = ordered(list, orderBy);
  const cursors = list.cursors[orderBy.field];
  const cursorAt = (place: number | undefined) => (place === undefined ? undefined : cursors.get((all[place] as Listed).address));
  const variables: MembersQueryVariables = {
    ...args,
    gid: list.gid,
    after: cursorAt(args.after),
    before: cursorAt(args.before),
    orderBy,
    ...(filter ? { filter } : {}),
  };
  const { groupGetMembers: page } = await app.call(MembersDocument, variables);
  const expected = modelPage(all, matches(filter ?? {}), args);
  expect(page?.edges.map(({ node }) => node.address)).toEqual(expected.items.map(({ address }) => address));
  expect(page?.edges.map(({ cursor }) => cursor)).toEqual(expected.items.map(({ address }) => cursors.get(address)));
  expect(page?.pageInfo).toEqual({
    hasNextPage: expected.hasNextPage,
    hasPreviousPage: expected.hasPreviousPage,
    startCursor: page?.edges[0]?.cursor ?? null,
    endCursor: page?.edges.at(-1)?.cursor ?? null,
  });
}

/** Addresses of characters at the ends of what there is, so that they share beginnings and sort apart in UTF-16. */
const CHARACTERS = ['a', 'B', 'é', '%', '_', '\\', '\ud7ff', '\ue000', '\uff5e', '\u{1f600}', '\u{10fffe}', '\u{10ffff}'];
const ADDRESSES = [...CHARACTERS, ...CHARACTERS.flatMap((one) => CHARACTERS.map((two) => one + two))];
const scattered = ADDRESSES.map((address, index) => ({ address, place: (index * 61) % ADDRESSES.length }))
  .toSorted((a, b) => a.place - b.place)
  .map(({ address }, index) => ({ address, admin: index % 5 === 0 }));
const lists: Listing[] = [];
for (const size of [0, 1, 2, 3, 20, scattered.length]) lists.push(await listing(scattered.slice(0, size)));
const whole = lists.at(-1) as Listing;
const orders = MEMBER_ORDER_FIELDS.flatMap((field) => DIRECTIONS.map((direction) => ({ field, direction })));

test.each(orders)('$field $direction: the whole list, walked forward and backward', async (orderBy) => {
  const size = whole.members.length;
  await check(whole, orderBy, { first: 1000 });
  await check(whole, orderBy, { last: 1000 });
  for (let place = -1; place < size; place += 13) {
    await check(whole, orderBy, { first: 13, after: place < 0 ? undefined : place });
    await check(whole, orderBy, { last: 13, before: place < 0 ? undefined : size - 1 - place });
  }
});

test('by address, code points decide', async () => {
  const { groupGetMembers } = await app.call(MembersDocument, { gid: whole.gid, filter: { addresses: CHARACTERS } });
  expect(groupGetMembers?.edges.map(({ node }) => node.address)).toEqual([
    '%',
    'B',
    '\\',
    '_',
    'a',
    'é',
    '\ud7ff',
    '\ue000',
    '\uff5e',
    '\u{1f600}',
    '\u{10fffe}',
    '\u{10ffff}',
  ]);
});

const SEED = 20_260_118;
test(`any list, order, page and filter answers as the model (seed ${SEED})`, async () => {
  const filter: fc.Arbitrary<MemberFilter> = fc.record(
    {
      addressStartsWith: fc.constantFrom('', 'x', ...ADDRESSES),
      addresses: fc.subarray([...ADDRESSES, 'nobody']),
      admin: fc.boolean(),
    },
    { requiredKeys: [] },
  );
  const asked = fc
    .constantFrom(...lists)
    .chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.constantFrom(...orders),
        pageArgs(list.members.length),
        fc.option(filter, { nil: undefined }),
      ),
    );
  await fc.assert(
    fc.asyncProperty(asked, ([list, orderBy, args, given]) => check(list, orderBy, args, given)),
    { seed: SEED, numRuns: 300 },
  );
});

test('a page has 50 members by address unless asked otherwise; null asks for nothing', async () => {
  const { groupGetMembers: page } = await app.call(MembersDocument, { gid: whole.gid });
  const expected = ordered(whole, { field: 'ADDRESS', direction: 'ASC' }).slice(0, 50);
  expect(page?.edges.map(({ node }) => node.address)).toEqual(expected.map(({ address }) => address));
  expect(page?.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  const nulls = { first: null, after: null, last: null, before: null, filter: null, orderBy: null };
  expect((await app.call(MembersDocument, { gid: whole.gid, ...nulls })).groupGetMembers).toEqual(page);
});

test('Group.members answers as groupGetMembers, for one group and for several at once', async () => {
  const query = `query ($first: Int, $last: Int, $filter: MemberFilter, $orderBy: MemberOrder) { groups { edges { node { gid
    members(first: $first, last: $last, filter: $filter, orderBy: $orderBy) {
      edges { cursor node { address } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } } } } }`;
  for (const orderBy of orders) {
    for (const size of [{}, { first: 3 }, { last: 3 }]) {
      for (const filter of [{}, { admin: false, addressStartsWith: 'a' }]) {
        const { data } = await app.send(query, { ...size, filter, orderBy });
        const nodes: { gid: string; members: unknown }[] = data?.groups.edges.map(({ node }: { node: unknown }) => node);
        expect(nodes.length).toBeGreaterThanOrEqual(lists.length);
        for (const { gid, members } of nodes) {
          const { groupGetMembers: alone } = await app.call(MembersDocument, { gid, ...size, filter, orderBy });
          const edges = alone?.edges.map(({ cursor, node: { address } }) => ({ cursor, node: { address } }));
          expect(members).toEqual({ edges, pageInfo: alone?.pageInfo });
        }
      }
    }
  }
});

describe('the order of joining', async () => {
  const gid = await addGroup([{ addresses: ['d', 'b'] }, { addresses: ['a'] }]);
  const joined = async () => {
    const orderBy = { field: 'JOINED_AT', direction: 'ASC' } as const;
    const { groupGetMembers } = await app.call(MembersDocument, { gid, orderBy });
    return groupGetMembers?.edges.map(({ node }) => node.address);
  };

  test('goes by place in the request, then by request', async () => {
    await edit(gid, { add: [{ addresses: ['c'] }, { addresses: ['e', '0'] }] });
    expect(await joined()).toEqual(['d', 'b', 'a', 'c', 'e', '0']);
  });

  test('is not moved by a change; who comes back comes last', async () => {
    await edit(gid, { update: [{ addresses: ['d'], permissions: { send: false } }], remove: ['b'] });
    await edit(gid, { add: [{ addresses: ['a'], admin: { admin: true } }, { addresses: ['b'] }] });
    expect(await joined()).toEqual(['d', 'a', 'c', 'e', '0', 'b']);
  });

  test('a cursor stays a place when its member has gone', async () => {
    const { groupGetMembers: before } = await app.call(MembersDocument, { gid, first: 2 });
    expect(before?.edges.map(({ node }) => node.address)).toEqual(['0', 'a']);
    const after = before?.pageInfo.endCursor;
    await edit(gid, { remove: ['a', '0'] });
    const { groupGetMembers: rest } = await app.call(MembersDocument, { gid, after });
    expect(rest?.edges.map(({ node }) => node.address)).toEqual(['b', 'c', 'd', 'e']);
    expect(rest?.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
  });
});

describe('bad input', async () => {
  const gid = await addGroup([{ addresses: ['a', 'b'] }]);
  const cursorOf = (list: Listing, field: MemberOrderField) => [...list.cursors[field].values()][0];
  const own = (field: MemberOrderField) => `members:${gid}:${field}`;
  const HUGE = [2 ** 53, 1e300, -1, 0.5, '1', null, true, [1]];

  test.each<[string, object, string[]]>([
    ['first 0', { first: 0 }, ['first']],
    ['first 1,001', { first: 1001 }, ['first']],
    ['first -1', { first: -1 }, ['first']],
    ['last 0', { last: 0 }, ['last']],
    ['last 1,001', { last: 1001 }, ['last']],
    ['first with last', { first: 5, last: 5 }, ['last']],
    ['a cursor of another group', { after: cursorOf(whole, 'ADDRESS') }, ['after']],
    ['a cursor of another group', { before: cursorOf(whole, 'ADDRESS') }, ['before']],
    ['nulls', { filter: { addressStartsWith: null } }, ['filter.addressStartsWith']],
    ['nulls', { filter: { addresses: null, admin: null } }, ['filter.addresses', 'filter.admin']],
    ['an address of null', { filter: { addresses: ['a', null] } }, ['filter.addresses.1']],
    ['addressStartsWith of 257', { filter: { addressStartsWith: 'x'.repeat(257) } }, ['filter.addressStartsWith']],
    ['a null character', { filter: { addressStartsWith: 'a\0' } }, ['filter.addressStartsWith']],
    ['a lone surrogate', { filter: { addressStartsWith: 'a\ud800' } }, ['filter.addressStartsWith']],
    ['bad addresses', { filter: { addresses: ['a', '', 'a,b', 'b'] } }, ['filter.addresses.1', 'filter.addresses.2']],
    ['1,001 addresses', { filter: { addresses: Array.from({ length: 1001 }, (_, i) => `a${i}`) } }, ['filter.addresses']],
    ['an unknown order', { orderBy: { field: 'AGE', direction: 'ASC' } }, ['orderBy.field']],
  ])('%s is INVALID_INPUT', async (_, args, paths) => {
    expect(issuePaths(await app.send(MembersDocument, { gid, ...args }))).toEqual(paths);
    const nested = `query ($gid: ID!, $first: Int, $after: String, $last: Int, $before: String, $filter: MemberFilter,
      $orderBy: MemberOrder) { group(gid: $gid) { members(first: $first, after: $after, last: $last, before: $before,
      filter: $filter, orderBy: $orderBy) { edges { cursor } } } }`;
    expect(issuePaths(await app.send(nested, { gid, ...args }))).toEqual(paths);
  });

  test('a cursor that is garbled, of another order or forged is INVALID_INPUT, and no member is read', async () => {
    const { groupGetMembers: page } = await app.call(MembersDocument, { gid });
    const [cursor = ''] = page?.edges.map((edge) => edge.cursor) ?? [];
    const bad: [MemberOrderField, string][] = [
      ...['', 'x', `${cursor}=`, cursor.slice(1), forgedCursor('groups:GID', 1000)].map((text) => ['ADDRESS', text] as const),
      ['JOINED_AT', cursor] as const,
      ...['a\0', 'a\ud800', 5, null].map((address) => ['ADDRESS', forgedCursor(own('ADDRESS'), address)] as const),
      ...HUGE.map((number) => ['JOINED_AT', forgedCursor(own('JOINED_AT'), number)] as const),
    ].map(([field, text]) => [field, text]);
    const names = await recorder.during(async () => {
      for (const [field, text] of bad) {
        const orderBy = { field, direction: 'ASC' };
        expect(issuePaths(await app.send(MembersDocument, { gid, after: text, orderBy })), text).toEqual(['after']);
        expect(issuePaths(await app.send(MembersDocument, { gid, last: 1, before: text, orderBy })), text).toEqual(['before']);
      }
    });
    expect(new Set(names)).toEqual(new Set(['groups_find_one']));
    for (const [field, last] of [
      ['ADDRESS', '\u{10ffff}'.repeat(300)],
      ['JOINED_AT', 2 ** 53 - 1],
    ] as const) {
      const after = forgedCursor(own(field), last);
      const { groupGetMembers: behind } = await app.call(MembersDocument, { gid, after, orderBy: { field, direction: 'ASC' } });
      expect(behind?.edges).toEqual([]);
      expect(behind?.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    }
  });

  test('1,000 addresses are none too many, whoever they are', async () => {
    const addresses = ['b', ...Array.from({ length: 999 }, (_, i) => `x${i}`)];
    const { groupGetMembers } = await app.call(MembersDocument, { gid, filter: { addresses } });
    expect(groupGetMembers?.edges.map(({ node }) => node.address)).toEqual(['b']);
  });
});
