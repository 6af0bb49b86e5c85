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
  ['a subscription', 'subscription ($n: ID!) { groupChanges(gid: $n) { __typename } }', { n: [] }, 'gid'],
  [
    'what is no text and cannot become one, in the place of a number',
    'query ($n: Int) { groups(first: $n) { edges { cursor } } }',
    { n: { toString: 1 } },
    'first',
  ],
  ['the same in the place of a name', 'query ($n: String!) { __type(name: $n) { name } }', { n: { toString: 1 } }, 'name'],
  ['null', 'query ($n: ID!) { group(gid: $n) { gid } }', { n: null }, 'gid'],
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

test("a key of the input's that is not there, and what is said of each value", async () => {
  const query =
    'mutation ($x: GroupAddInput!, $y: ID!, $z: ID!) { groupAdd(input: $x) { __typename } a: groupDel(input: { gid: $y }) { __typename } b: groupDel(input: { gid: $z }) { __typename } }';
  const { status, errors } = await app.send(query, { x: { a: { b: 1 } }, z: null });
  expect(status).toBe(400);
  expect(errors?.map(({ message, extensions }) => [message, extensions])).toEqual([
    [
      'Variable "$x" got invalid value { a: { b: 1 } }; Field "a" is not defined by type "GroupAddInput".',
      { code: 'INVALID_INPUT', issues: [{ path: ['input'], message: 'Field "a" is not defined by type "GroupAddInput".' }] },
    ],
    [
      'Variable "$y" of required type "ID!" was not provided.',
      { code: 'INVALID_INPUT', issues: [{ path: ['input', 'gid'], message: 'required type "ID!" was not provided.' }] },
    ],
    [
      'Variable "$z" of non-null type "ID!" must not be null.',
      { code: 'INVALID_INPUT', issues: [{ path: ['input', 'gid'], message: 'non-null type "ID!" must not be null.' }] },
    ],
  ]);
});

test('more than fifty: the last error has the others, a hundred at most', async () => {
  const wrong = async (count: number) =>
    (await paths('mutation ($x: GroupAddInput!) { groupAdd(input: $x) { __typename } }', {
      x: { members: [{ addresses: Array(count).fill(7) }] },
    })) ?? [];
  const path = (n: number) => `input.members.0.addresses.${n}`;
  const each = Array.from({ length: 50 }, (_, n) => ['INVALID_INPUT', path(n)]);
  const rest = (to: number) => ['INVALID_INPUT', ...Array.from({ length: to - 50 }, (_, n) => path(50 + n))];
  expect(await wrong(50)).toEqual(each);
  expect(await wrong(60)).toEqual([...each, rest(60)]);
  expect(await wrong(100_000)).toEqual([...each, rest(100)]);
});

test('a hundred wrong variables of a long document', async () => {
  const names = Array.from({ length: 100 }, (_, n) => `v${n}`);
  const long = Array.from({ length: 5_000 }, (_, n) => `"${n}"`);
  const query = `query (${names.map((name) => `$${name}: ID!`).join(' ')}) { nodes(ids: [${long}]) { id } ${names
    .map((name) => `${name}: group(gid: $${name}) { gid }`)
    .join(' ')} }`;
  const variables = Object.fromEntries(names.map((name) => [name, []]));
  expect((await paths(query, variables))?.flat().filter((path) => path === 'gid')).toHaveLength(100);
});
