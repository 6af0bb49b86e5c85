/** What an operation may cost, whoever asks and by whatever transport: known and refused before anything of it runs. */
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, test } from 'vitest';
import { GroupAddDocument } from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';
import { listen, TRANSPORTS, watchOver } from './setup/watch.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const app = await gateway.caller();
const { groupAdd } = await app.call(GroupAddDocument, { input: { name: 'three', members: [{ addresses: ['a', 'b', 'c'] }] } });
const gid = groupAdd.__typename === 'GroupAddPayload' ? groupAdd.group.gid : expect.fail('no group');

interface Answer {
  status: number;
  data?: Record<string, unknown> | null;
  errors?: { message: string; extensions?: Record<string, unknown> }[];
  extensions?: { cost?: Record<string, number> };
}

async function post(
  query: string,
  { token = app.token as string | null, headers = {}, variables = {}, to = gateway } = {},
): Promise<Answer> {
  const sent = { 'Content-Type': 'application/json', ...headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const body = JSON.stringify({ query, variables });
  const response = await to.fetch(new Request('http://gateway/graphql', { method: 'POST', headers: sent, body }));
  return { status: response.status, ...((await response.json()) as object) };
}

const aliases = (count: number, field: string) => Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ');
const members = (first: number, fields: string) =>
  `groupGetMembers(gid: "${gid}", first: ${first}) { edges { node { ${fields} } } }`;

describe('what took a gateway down', () => {
  const TEN = `fragment ten on __Type { name kind description isOneOf specifiedByURL
    fields { name } inputFields { name } enumValues { name } interfaces { name } possibleTypes { name } }`;
  const TYPES = `{ __schema { ${aliases(1_000, 'types { ...ten }')} } } ${TEN}`;
  const EIGHTEEN =
    'address joinedAt updatedAt id permissions { send recv pub sub list } admin { owner admin modify remove addUser removeUser addAdmin }';
  test.each<[what: string, query: string, without: boolean]>([
    ['1,000 times all types of the schema', TYPES, true],
    ['the same, by name', `{ ${aliases(3_000, '__type(name: "Group") { ...ten }')} } ${TEN}`, true],
    ['1,000 times the permissions of 1,000 members', `{ ${members(1_000, aliases(1_000, 'permissions { send }'))} }`, false],
    [
      '100 lists of 1,000 members with 18 fields',
      `{ ${Array.from({ length: 100 }, (_, n) => `l${n}: ${members(1_000, EIGHTEEN)}`).join(' ')} }`,
      false,
    ],
    ['200 searches of names', `{ ${aliases(200, 'groups(filter: { nameContains: "nothing" }) { edges { cursor } }')} }`, false],
    [
      '200 decisions for each of 1,000 groups',
      `{ groups(first: 1000) { edges { node { ${aliases(90, 'permission(address: "a", action: SEND) { allowed }')} } } } }`,
      false,
    ],
  ])('%s', async (_, query, without) => {
    for (const token of without ? [app.token, null] : [app.token]) {
      const begun = performance.now();
      const names = await recorder.during(async () => {
        const { status, data, errors } = await post(query, { token });
        expect([status, data, errors?.length]).toEqual([400, undefined, 1]);
        const asked = errors?.[0]?.extensions?.['asked'];
        expect(errors?.[0]?.extensions).toEqual({ code: 'LIMIT_EXCEEDED', limit: 'MAX_FIELDS', max: 100_000, asked });
        expect(asked).toBeGreaterThan(100_000);
        expect(errors?.[0]?.message).toBe(`The operation asks for up to ${asked} fields; at most 100000 are allowed`);
      });
      expect(names).toEqual([]);
      expect(performance.now() - begun).toBeLessThan(5_000);
    }
  });

  test('a stream of events that may have too many fields', async () => {
    const server = await listen(gateway);
    const fields = (count: number) => aliases(count, 'address');
    const query = (count: number) =>
      `subscription ($gid: ID!) { groupChanges(gid: $gid, snapshot: true) { __typename ... on GroupSnapshot { members { ${fields(count)} } } } }`;
    for (const transport of TRANSPORTS) {
      const names = await recorder.during(async () => {
        const refused = watchOver(transport, server, app.token, query(100), { gid });
        expect(await refused.end).toContain('LIMIT_EXCEEDED');
      });
      expect(names).toEqual([]);
      const allowed = watchOver(transport, server, app.token, query(99), { gid });
      await allowed.until(() => allowed.events.some(({ __typename }) => __typename === 'Ready'));
      await allowed.stop();
    }
    const many = watchOver('websocket', server, app.token, TYPES);
    expect(await many.end).toContain('LIMIT_EXCEEDED');
  });
});

describe('MAX_FIELDS', () => {
  // A page of 1,000 with 97 fields beside its node, and what stands around it.
  const most = members(1_000, aliases(98, 'address'));

  test('a page of 1,000 members with 98 fields passes, with more it does not', async () => {
    expect((await post(`{ ${most} }`)).errors).toBeUndefined();
    expect((await post(`{ ${most} ${aliases(1_000, 'viewer { address }')} }`)).errors?.[0]?.extensions).toMatchObject({
      limit: 'MAX_FIELDS',
    });
    expect((await post(`{ ${members(1_000, aliases(100, 'address'))} }`)).errors?.[0]?.extensions).toMatchObject({
      limit: 'MAX_FIELDS',
    });
  });

  test('it is a setting, as the others are', async () => {
    const small = { maxFields: 1_000, maxNodes: 20, maxDepth: 5, maxLists: 2 };
    const other = await openTestGateway({ config: small });
    const { token } = await other.caller();
    const limitOf = async (query: string) => (await post(query, { token, to: other })).errors?.[0]?.extensions;
    const groups = (first: number, fields = 'cursor') => `groups(first: ${first}) { edges { ${fields} } }`;
    expect(await limitOf(`{ ${groups(20)} }`)).toBeUndefined();
    expect(await limitOf(`{ ${groups(21)} }`)).toMatchObject({ limit: 'MAX_NODES', max: 20, asked: 21 });
    expect(await limitOf(`{ ${groups(2, 'node { callSettings { flags } }')} }`)).toBeUndefined();
    expect(await limitOf(`{ ${groups(2, 'node { member(address: "a") { admin { owner } } }')} }`)).toMatchObject({
      limit: 'MAX_DEPTH',
      max: 5,
      asked: 6,
    });
    expect(await limitOf(`{ ${groups(2)} a: ${groups(2)} }`)).toBeUndefined();
    expect(await limitOf(`{ ${groups(2)} a: ${groups(2)} b: ${groups(2)} }`)).toMatchObject({
      limit: 'MAX_LISTS',
      max: 2,
      asked: 3,
    });
    expect(await limitOf(`{ ${aliases(1_000, '__typename')} }`)).toBeUndefined();
    expect(await limitOf(`{ ${aliases(1_001, '__typename')} }`)).toMatchObject({ limit: 'MAX_FIELDS', max: 1_000, asked: 1_001 });
  });

  test('the schema may be asked for, without a token too', async () => {
    for (const token of [app.token, null]) expect((await post(getIntrospectionQuery(), { token })).errors).toBeUndefined();
  });

  test('pages of records with their members count as if each had 1,000', async () => {
    const history = (first: number, fields: string) =>
      `{ group(gid: "${gid}") { changes(first: ${first}) { edges { node { ${fields} } } } } }`;
    const all =
      '... on MembersAdded { members { address } } ... on MembersUpdated { members { address } } ... on MembersRemoved { addresses }';
    expect((await post(history(50, all))).errors).toBeUndefined();
    expect((await post(history(100, all))).errors?.[0]?.extensions).toMatchObject({ limit: 'MAX_NODES' });
    expect(
      (await post(history(50, '... on MembersAdded { members { address permissions { send } } }'))).errors?.[0]?.extensions,
    ).toMatchObject({ limit: 'MAX_FIELDS' });
  });
});

describe('X-Rollcall-Cost', () => {
  const headers = { 'X-Rollcall-Cost': '1' };
  const small = `{ ${members(3, 'address')} }`;

  test('tells the price, which is what a full page has', async () => {
    expect(await post(small, { headers })).toMatchObject({
      status: 200,
      extensions: { cost: { fields: 150 + 30 + 2 + 3 * 2, nodes: 3, lists: 1, points: 2 } },
    });
    expect((await post(small)).extensions).toBeUndefined();
    expect((await post(small, { headers: { 'X-Rollcall-Cost': '0' } })).extensions).toBeUndefined();
  });

  test('of what is refused, too', async () => {
    const { status, extensions } = await post(`{ ${members(1_000, aliases(100, 'address'))} }`, { headers });
    expect([status, extensions?.cost]).toEqual([
      400,
      { fields: 150 + 30 + 2 + 1_000 * 101, nodes: 1_000, lists: 1, points: 1 + 1_011 },
    ]);
  });

  test('of writes and of those who are written', async () => {
    const query = `mutation ($add: [String!]!) { groupEditMembers(input: { gid: "1", add: [{ addresses: $add }] }) { __typename } }`;
    const variables = { add: Array.from({ length: 250 }, (_, n) => `m${n}`) };
    expect((await post(query, { headers, variables })).extensions?.cost).toEqual({
      fields: 2,
      nodes: 0,
      lists: 1,
      points: 1 + 5 + 2,
    });
  });

  test('of the events of a stream', async () => {
    const query = `subscription { groupChanges(gid: "${gid}", snapshot: true) { __typename } }`;
    const response = await gateway.fetch(
      new Request('http://gateway/graphql', {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          Accept: 'text/event-stream',
          Authorization: `Bearer ${app.token}`,
          ...headers,
        },
        body: JSON.stringify({ query }),
      }),
    );
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    while (!text.includes('data: {')) text += Buffer.from((await reader.read()).value ?? []).toString();
    await reader.cancel();
    expect(text).toContain('"cost":{"fields":2,"nodes":0,"lists":0,"points":1}');
  });
});
