/** A variable's name is the caller's own: what is wrong with its value is told by the argument's. */
import { expect, test } from 'vitest';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();

const paths = async (query: string, variables: object) =>
  (await app.send(query, variables)).errors?.map(({ extensions }) => {
    const issues = extensions?.['issues'] as { path: string[]; message: string }[] | undefined;
    return [extensions?.['code'], ...(issues ?? []).map(({ path }) => path.join('.'))];
  });

test.each<[what: string, query: string, variables: object, path: string]>([
  ['the argument', 'mutation ($x: GroupAddInput!) { groupAdd(input: $x) { __typename } }', { x: 1 }, 'input'],
  ['a field of it', 'mutation ($x: GroupAddInput!) { groupAdd(input: $x) { __typename } }', { x: { flags: 'a' } }, 'input.flags'],
  [
    'deep in it',
    'mutation ($x: GroupAddInput!) { groupAdd(input: $x) { __typename } }',
    { x: { members: [{ addresses: ['a', 7] }] } },
    'input.members.0.addresses.1',
  ],
  ['no value', 'mutation ($x: GroupAddInput!) { groupAdd(input: $x) { __typename } }', {}, 'input'],
  [
    'a field that is a variable',
    'mutation ($n: Int) { groupAdd(input: { flags: $n }) { __typename } }',
    { n: 'a' },
    'input.flags',
  ],
  [
    'an item that is a variable',
    'mutation ($m: MembersInput!) { groupAdd(input: { members: [{ addresses: ["a"] }, $m] }) { __typename } }',
    { m: { addresses: [1] } },
    'input.members.1.addresses.0',
  ],
  ['the argument of a query', 'query ($first: Int) { groups(first: $first) { edges { cursor } } }', { first: 1.5 }, 'first'],
  ['in a fragment', 'query ($n: ID!) { ...f } fragment f on Query { group(gid: $n) { gid } }', { n: {} }, 'gid'],
  [
    'used nowhere that counts first',
    'query ($i: Boolean!, $g: ID!) { group(gid: $g) @include(if: $i) { gid } }',
    { i: true, g: [] },
    'gid',
  ],
])('%s', async (_, query, variables, path) => {
  expect(await paths(query, variables)).toEqual([['INVALID_INPUT', path]]);
});

test('more than fifty: the last says that there are more', async () => {
  const found = await paths('mutation ($x: GroupAddInput!) { groupAdd(input: $x) { __typename } }', {
    x: { members: [{ addresses: Array(60).fill(7) }] },
  });
  expect(found).toHaveLength(51);
  expect(found?.[0]).toEqual(['INVALID_INPUT', 'input.members.0.addresses.0']);
  expect(found?.at(-1)).toEqual(['INVALID_INPUT']);
});
