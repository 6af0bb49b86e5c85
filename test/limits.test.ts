import { getIntrospectionQuery } from 'graphql';
import { describe, expect, test } from 'vitest';
import { openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
// 100,000 nodes have more fields than are allowed by default.
const gateway = await openTestGateway({ observe: recorder.observe, config: { maxFields: 10_000_000 } });
const app = await gateway.caller(); // without groups: what passes the limits is cheap

async function expectPassed(query: string, variables?: object): Promise<void> {
  const names = await recorder.during(async () => {
    const { status, errors } = await app.send(query, variables);
    expect([status, errors]).toEqual([200, undefined]);
  });
  expect(names).not.toEqual([]);
}

/** Nothing is read or written for what is refused. */
async function expectRefused(limit: 'MAX_NODES' | 'MAX_DEPTH', query: string, variables?: object): Promise<string> {
  let message = '';
  const names = await recorder.during(async () => {
    const { status, data, errors } = await app.send(query, variables);
    expect(status).toBe(400);
    const { __typename, ...read } = data ?? {};
    expect(Object.values(read).filter((value) => value !== null)).toEqual([]);
    expect(errors?.length).toBeGreaterThan(0);
    for (const error of errors ?? []) {
      const max = limit === 'MAX_NODES' ? 100_000 : 12;
      expect(error.extensions).toEqual({ code: 'LIMIT_EXCEEDED', limit, max, asked: expect.any(Number) });
      message = error.message;
    }
  });
  expect(names).toEqual([]);
  return message;
}

describe('MAX_NODES', () => {
  const T = '__typename';
  const pages = (groups: string, members: string) =>
    `groups(first: ${groups}) { ${T} edges { ${T} node { ${T} members(first: ${members}) {
      ${T} edges { ${T} node { ${T} address } } pageInfo { ${T} hasNextPage } } } } }`;
  // 1,000 groups with 99 members each.
  const MOST = pages('1000', '99');

  test('10⁹ nodes are refused', async () => {
    const query = `{ groups(first: 1000) { edges { node { members(first: 1000) { edges { node {
      group { members(first: 1000) { edges { node { address } } } } } } } } } } }`;
    expect(await expectRefused('MAX_NODES', query)).toContain('1001001000');
  });

  test('100,000 pass, with __typename at every level; one more does not', async () => {
    await expectPassed(`{ ${T} ${MOST} }`);
    expect(await expectRefused('MAX_NODES', `{ ${T} ${MOST} group(gid: "1000") { ${T} gid } }`)).toContain('100001');
    expect(await expectRefused('MAX_NODES', `{ ${MOST} node(id: "x") { id } }`)).toContain('100001');
    expect(await expectRefused('MAX_NODES', `{ viewer { ${MOST} } nodes(ids: ["x"]) { id } }`)).toContain('100001');
    expect(await expectRefused('MAX_NODES', `{ ${MOST} more: groups(last: 1) { edges { cursor } } }`)).toContain('100001');
  });

  test('a page that does not say its size counts 50, one too large at most 1,000', async () => {
    const size = (args: string, nested: string) =>
      `{ groups${args} { edges { node { members${nested} { edges { cursor } } } } } }`;
    await expectPassed(size('(last: 1000)', '(last: 99)'));
    await expectPassed(size('', '(first: 1000)')); // 50 + 50,000
    await expectPassed(size('(first: 1000)', '')); // 1,000 + 50,000
    await expectRefused('MAX_NODES', size('(first: 1000)', '(last: 100)'));
    await expectRefused('MAX_NODES', size('(first: 100)', '(first: 1000)'));
    await expectRefused('MAX_NODES', size('(first: 2147483647)', '(first: 2147483647)'));
  });

  test('aliases add up', async () => {
    const aliases = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: groups(first: 1000) { edges { cursor } }`);
    await expectPassed(`{ ${aliases(99).join(' ')} b: groups(first: 999) { edges { cursor } } c: group(gid: "1") { gid } }`);
    await expectRefused('MAX_NODES', `{ ${aliases(100).join(' ')} c: group(gid: "1") { gid } }`);
    const members = (count: number) => Array.from({ length: count }, (_, i) => `m${i}: member(address: "m${i}") { address }`);
    await expectPassed(`{ groups(first: 1000) { edges { node { ${members(99).join(' ')} } } } }`);
    await expectRefused('MAX_NODES', `{ groups(first: 1000) { edges { node { ${members(100).join(' ')} } } } }`);
  });

  test('fragments count wherever they are used', async () => {
    const fragments = `fragment most on Query { ${MOST} } fragment one on Query { group(gid: "1000") { gid } }`;
    await expectPassed(`{ ...most } fragment most on Query { ${MOST} }`);
    await expectRefused('MAX_NODES', `{ ...most ...one } ${fragments}`);
    await expectRefused('MAX_NODES', `{ ... on Query { ...most } ... { ...one } } ${fragments}`);
    const nested = `fragment g on Group { members(first: 100) { edges { cursor } } }`;
    await expectRefused('MAX_NODES', `{ groups(first: 1000) { edges { node { ...g } } } } ${nested}`);
    const ids = Array(1000).fill('x');
    await expectRefused('MAX_NODES', `query ($ids: [ID!]!) { nodes(ids: $ids) { ...g } } ${nested}`, { ids });
    await expectPassed(`query ($ids: [ID!]!) { nodes(ids: $ids) { ...g } } ${nested}`, { ids: ids.slice(10) }); // 990 · 101
  });

  test('fragments that double themselves are counted without being walked each time', async () => {
    const doubling = Array.from({ length: 60 }, (_, i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`);
    await expectRefused('MAX_NODES', `{ ...f0 } ${doubling.join(' ')} fragment f60 on Query { group(gid: "1000") { gid } }`);
  });

  test('variables and their defaults count as what they are', async () => {
    const query = `query ($groups: Int = 1000, $members: Int!) { ${pages('$groups', '$members')} }`;
    await expectPassed(query, { members: 99 });
    await expectRefused('MAX_NODES', query, { members: 100 });
    await expectPassed(query, { groups: 100, members: 999 });
    await expectRefused('MAX_NODES', query, { groups: 100, members: 1000 });
    const given =
      'query ($first: Int) { groups(first: $first) { edges { node { members(first: 1000) { edges { cursor } } } } } }';
    await expectPassed(given, { first: 99 });
    await expectPassed(given, {}); // 50 + 50,000
    await expectRefused('MAX_NODES', given, { first: 100 });
  });

  test('only the operation that runs counts', async () => {
    const operations = `query small { viewer { address } } query large { ${MOST} again: ${MOST} }`;
    const send = (operationName: string) =>
      gateway.fetch(
        new Request('http://gateway/graphql', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${app.token}` },
          body: JSON.stringify({ query: operations, operationName }),
        }),
      );
    expect((await send('small')).status).toBe(200);
    expect((await send('large')).status).toBe(400);
  });
});

// Each round of member and group is two levels.
const deep = (levels: number): string =>
  levels === 1 ? 'name' : levels === 2 ? 'callSettings { flags }' : `member(address: "a") { group { ${deep(levels - 2)} } }`;

describe('MAX_DEPTH', () => {
  test('12 levels pass, 13 do not', async () => {
    await expectPassed(`{ group(gid: "1000") { ${deep(11)} } }`);
    expect(await expectRefused('MAX_DEPTH', `{ group(gid: "1000") { ${deep(12)} } }`)).toContain('13');
    await expectRefused('MAX_DEPTH', `{ viewer { address } group(gid: "1000") { ${deep(30)} } }`);
  });

  test('fragments add no level and hide none', async () => {
    await expectPassed(
      `{ ... { ...f } } fragment f on Query { group(gid: "1000") { ... on Node { ... on Group { ${deep(11)} } } } }`,
    );
    await expectRefused(
      'MAX_DEPTH',
      `{ ...f } fragment f on Query { group(gid: "1000") { ...g } } fragment g on Group { ${deep(12)} }`,
    );
  });
});

describe('a mutation that a limit refuses', () => {
  const groups = async () => (await app.send('{ groups { edges { cursor } } }')).data?.groups.edges;

  test('writes nothing', async () => {
    const payload = (fields: string) =>
      `mutation { groupAdd(input: { name: "refused" }) { ... on GroupAddPayload { group { ${fields} } } } }`;
    const members = 'members(first: 1000) { edges { node { group { members(first: 1000) { edges { node { address } } } } } } }';
    await expectRefused('MAX_NODES', payload(members));
    await expectRefused('MAX_DEPTH', payload(deep(11)));
    expect(await groups()).toEqual([]);
  });

  test('nor does another beside it', async () => {
    const small = 'groupAdd(input: { name: "refused, too" }) { __typename }';
    const large = `groupAdd(input: {}) { ... on GroupAddPayload { group { members(first: 1000) { edges { node { group {
      members(first: 1000) { edges { cursor } } } } } } } } }`;
    await expectRefused('MAX_NODES', `mutation { a: ${small} b: ${large} }`);
    expect(await groups()).toEqual([]);
  });
});

test('the full introspection query passes', async () => {
  const everything = {
    descriptions: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  };
  const { status, data, errors } = await app.send(getIntrospectionQuery(everything));
  expect([status, errors]).toEqual([200, undefined]);
  expect(data?.__schema.types.map(({ name }: { name: string }) => name)).toContain('GroupEditMembersInput');
});
