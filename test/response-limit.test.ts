/** RESPONSE_LIMIT: answers and events that are too large are refused, and what may be large is the same JSON. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GroupAddDocument } from '../src/generated/operations.ts';
import { jsonWithin } from '../src/http/json-within.ts';
import { gatewayOn, openTestGateway } from './setup/gateway.ts';
import { listen, TRANSPORTS, watchOver } from './setup/watch.ts';

const LARGE = 64 * 1024 * 1024;
const gateway = await openTestGateway({ config: { responseLimit: LARGE, maxFields: 1_000_000 } });
const app = await gateway.caller();
const NAME = 'é\u0001"\u{1f600}x'.repeat(40);
const MEMBERS = Array.from({ length: 1_000 }, (_, n) => `member-${n}`);
const input = { name: NAME, members: [{ addresses: MEMBERS }] };
const { groupAdd } = await app.call(GroupAddDocument, { input });
const gid = groupAdd.__typename === 'GroupAddPayload' ? groupAdd.group.gid : expect.fail('no group');

async function post(to: { fetch: (request: Request) => Promise<Response> }, query: string, headers: Record<string, string> = {}) {
  const response = await to.fetch(
    new Request('http://gateway/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${app.token}`, ...headers },
      body: JSON.stringify({ query }),
    }),
  );
  const text = await response.text();
  return { status: response.status, text, ...JSON.parse(text) };
}

/** A gateway on the same database. */
const limitedTo = (responseLimit: number) => gatewayOn(gateway.db, { config: { responseLimit, maxFields: 1_000_000 } });
const aliases = (count: number, field: string) => Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ');
const LIMIT = (max: number) => ({ code: 'LIMIT_EXCEEDED', limit: 'RESPONSE_LIMIT', max });

describe('an answer', () => {
  test.each([
    ['a group', `{ group(gid: "${gid}") { ${aliases(10, 'name')} } }`],
    [
      'all members',
      `{ groupGetMembers(gid: "${gid}", first: 1000) { edges { node { ${aliases(20, 'address')} admin { owner } } } pageInfo { hasNextPage endCursor } } }`,
    ],
    [
      'nothing found',
      `{ group(gid: "1") { ${aliases(10, 'name')} } groups(first: 1, filter: { member: "nobody" }) { edges { cursor node { name messageTypes } } } }`,
    ],
    ['the schema', '{ __schema { types { name description fields { name description } } } }'],
  ])('may have exactly as many bytes: %s', async (_, query) => {
    const whole = await post(gateway, query);
    expect(whole.errors).toBeUndefined();
    const bytes = Buffer.byteLength(JSON.stringify(whole.data));
    const most = await post(limitedTo(bytes), query);
    expect(most.text).toBe(whole.text);
    const { status, errors, data } = await post(limitedTo(bytes - 1), query);
    expect([status, data, errors]).toEqual([
      400,
      undefined,
      [{ message: `The answer would have more than ${bytes - 1} bytes`, extensions: LIMIT(bytes - 1) }],
    ]);
  });

  test('with errors and extensions beside its data', async () => {
    const query = `{ group(gid: "${gid}") { ${aliases(10, 'name')} } nobody: group(gid: "${gid}") { member(address: "") { address } } }`;
    const headers = { 'X-Rollcall-Cost': '1' };
    const [small, large] = [await post(limitedTo(20_000), query, headers), await post(gateway, query, headers)];
    expect(small.errors).toHaveLength(1);
    expect(small.extensions.cost).toBeDefined();
    expect({ ...small, text: '' }).toEqual({ ...large, text: '' });
    expect((await post(limitedTo(100), query, headers)).extensions).toEqual(small.extensions);
  });

  test('what one sends oneself does not come back whole', async () => {
    const usual = gatewayOn(gateway.db);
    const long = 'x'.repeat(1024 * 1024);
    const query = (count: number) =>
      `mutation { groupDel(input: { gid: "${long}" }) { ... on GroupNotFound { ${aliases(count, 'gid')} } } }`;
    const { data } = await post(usual, query(1_000));
    expect(data.groupDel.a999).toMatch(/^x{99,100}…?$/);
  });

  test('of a mutation: it was carried out, and its error says so', async () => {
    const query = `mutation { groupEditMembers(input: { gid: "${gid}", remove: ["member-999"] }) {
      ... on GroupEditMembersPayload { removed group { ${aliases(100, 'name')} } } } }`;
    const { status, data, errors } = await post(limitedTo(10_000), query);
    expect([status, data]).toEqual([200, null]);
    expect(errors).toEqual([
      { message: 'The answer would have more than 10000 bytes; what the mutation did stands', extensions: LIMIT(10_000) },
    ]);
    expect((await post(gateway, `{ group(gid: "${gid}") { memberCount } }`)).data.group.memberCount).toBe(999);
  });
});

describe.each(TRANSPORTS)('an event over %s', (transport) => {
  const query = `subscription { groupChanges(gid: "${gid}", snapshot: true) { __typename ... on GroupSnapshot { ${aliases(20, 'settings { name }')} } } }`;

  test('that is too large ends the stream', async () => {
    const server = await listen(limitedTo(4_000));
    const watch = watchOver(transport, server, app.token, query);
    expect(await watch.end).toBe('LIMIT_EXCEEDED');
    expect(watch.events).toEqual([]);
  });

  test('that may be large but is not is delivered', async () => {
    const server = await listen(limitedTo(40_000));
    const watch = watchOver(transport, server, app.token, query);
    await watch.until(() => watch.events.some(({ __typename }) => __typename === 'Ready'));
    await watch.stop();
  });
});

describe('JSON in pieces', () => {
  test('is the same, and never longer than its limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), fc.nat(), async (value, less) => {
        const json = JSON.stringify(value);
        const bytes = Buffer.byteLength(json);
        expect(await jsonWithin(value, bytes)).toBe(json);
        expect(await jsonWithin(value, bytes - 1 - (less % bytes))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  test('others have their turn meanwhile', async () => {
    const large = Array.from({ length: 300_000 }, (_, n) => ({ node: { address: `member-${n}`, list: [n] } }));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const json = await jsonWithin(large, LARGE);
    clearInterval(timer);
    expect(json).toBe(JSON.stringify(large));
    expect(turns).toBeGreaterThan(5);
  });
});
