import { expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupByGidDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  type MemberOrderField,
} from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { compareText } from './setup/lists.ts';

const PAGE = 1_000;

const gateway = await openTestGateway();
const app = await gateway.caller();

/** Scattered over the order of joining, so that the two orders have nothing to do with each other. */
const scattered = (count: number) =>
  Array.from({ length: count }, (_, index) => `m${String((index * 61_379) % count).padStart(5, '0')}`);

interface Listing {
  gid: string;
  /** In the order of joining. */
  addresses: string[];
}
const all = await groupOf(scattered(100_000));
const tenth = await groupOf(scattered(10_000));

async function groupOf(addresses: string[]): Promise<Listing> {
  const { groupAdd } = await app.call(GroupAddDocument, { input: { members: [{ addresses }] } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return { gid: groupAdd.group.gid, addresses };
}

async function edit(input: GroupEditMembersInput) {
  const { groupEditMembers } = await app.call(GroupEditMembersDocument, { input });
  if (groupEditMembers.__typename !== 'GroupEditMembersPayload') throw new Error(JSON.stringify(groupEditMembers));
  return groupEditMembers;
}

interface Page {
  edges: { node: { address: string } }[];
  pageInfo: Record<'hasNextPage' | 'hasPreviousPage', boolean> & Record<'startCursor' | 'endCursor', string | null>;
}
type Direction = 'forward' | 'backward';

/** Meets every member of the list, page by page; `between` runs before each page but the first. */
async function walk(
  gid: string,
  field: MemberOrderField,
  direction: Direction,
  between: (page: number) => Promise<void>,
): Promise<string[]> {
  const [size, place, more, end] =
    direction === 'forward'
      ? (['first', 'after', 'hasNextPage', 'endCursor'] as const)
      : (['last', 'before', 'hasPreviousPage', 'startCursor'] as const);
  const query = `query ($gid: ID!, $cursor: String) {
    groupGetMembers(gid: $gid, ${size}: ${PAGE}, ${place}: $cursor, orderBy: { field: ${field}, direction: ASC }) {
      edges { node { address } } pageInfo { ${more} ${end} } } }`;
  const read = async (cursor: string | null): Promise<Page> => {
    const { data, errors } = await app.send<{ groupGetMembers: Page }>(query, { gid, cursor });
    if (errors || !data) throw new Error(JSON.stringify(errors));
    return data.groupGetMembers;
  };
  const met: string[][] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages === 0 || cursor !== null; pages++) {
    if (pages > 0) await between(pages);
    const { edges, pageInfo } = await read(cursor);
    met.push(edges.map(({ node }) => node.address));
    cursor = pageInfo[more] ? pageInfo[end] : null;
  }
  return (direction === 'forward' ? met : met.toReversed()).flat();
}

test('100,000 addresses in one request are members at once, in 100 records', async () => {
  const { group } = await app.call(GroupByGidDocument, { gid: all.gid });
  expect([group?.memberCount, group?.version]).toEqual([100_000, 101]);
  expect(new Set(all.addresses).size).toBe(100_000);
});

test('one more is refused', async () => {
  const input = { gid: tenth.gid, add: [{ addresses: ['one more', ...all.addresses] }] };
  const { groupEditMembers } = await app.call(GroupEditMembersDocument, { input });
  expect(groupEditMembers).toMatchObject({ __typename: 'InvalidInput', issues: [{ path: ['input'] }] });
});

/** Some come between pages, all over the list; those who came the time before go again. */
function comings({ gid, addresses }: Listing, round: string) {
  const stride = addresses.length / 20;
  const comers = (time: number) => Array.from({ length: 20 }, (_, part) => `${addresses[part * stride + time]}.${round}`);
  let time = 0;
  return async (page: number) => {
    if (page % (addresses.length / 10_000) !== 0) return;
    time++;
    const counts = await edit({ gid, add: [{ addresses: comers(time) }], remove: comers(time - 1) });
    expect([counts.added, counts.removed]).toEqual([20, time > 1 ? 20 : 0]);
  };
}

test.each<[MemberOrderField, Direction, Listing]>([
  ['ADDRESS', 'forward', all],
  ['JOINED_AT', 'backward', all],
  ['ADDRESS', 'backward', tenth],
  ['JOINED_AT', 'forward', tenth],
])('%s %s meets who stays exactly once, in order, while others come and go', async (field, direction, list) => {
  const round = `${field}.${direction}`;
  const met = await walk(list.gid, field, direction, comings(list, round));
  const staying = new Set(list.addresses);
  const expected = field === 'ADDRESS' ? list.addresses.toSorted(compareText) : list.addresses;
  expect(met.filter((address) => staying.has(address))).toEqual(expected);
  expect(new Set(met).size).toBe(met.length);
  // Who comes meanwhile comes last by joining: a reader that goes backward is past that.
  const comers = met.filter((address) => address.endsWith(round));
  if (field === 'JOINED_AT' && direction === 'backward') expect(comers).toEqual([]);
  else expect(comers).not.toEqual([]);
});
