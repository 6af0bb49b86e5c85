/** GraphiQL's page, who may ask for the schema, and what is told of it. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { atEnd } from '../setup/at-end.ts';
import { postgresUrl } from '../setup/database.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { type HttpAnswer, listen, type Sent } from '../setup/listener.ts';
import { startServer } from '../setup/server.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);
const caller = await gateway.caller();
const { token } = caller;
const user = await caller.user('alice');

const HTML: Sent = { method: 'GET', headers: { Accept: 'text/html,*/*;q=0.8' } };
const SCHEMA = '{ __schema { queryType { name } } }';

describe("GraphiQL's page", () => {
  test('is compressed, may be kept for an hour and is not sent again to who has it', async () => {
    const { status, headers } = await server.send(HTML);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/html',
      'content-encoding': 'gzip',
      'cache-control': 'public, max-age=3600',
      vary: 'Accept, Accept-Encoding',
    });
    expect(Number(headers['content-length'])).toBeLessThan(3_000_000);
    const again = await server.send({ ...HTML, headers: { ...HTML.headers, 'If-None-Match': `W/"x", ${headers.etag}` } });
    expect([again.status, again.text, again.headers.etag]).toEqual([304, '', headers.etag]);
    const other = await server.send({ ...HTML, headers: { ...HTML.headers, 'If-None-Match': '"x"' } });
    expect(other.status).toBe(200);
  });

  test('the bytes are the page', async () => {
    const response = await gateway.fetch(new Request('http://gateway/graphql', { headers: { Accept: 'text/html' } }));
    expect(gunzipSync(await response.arrayBuffer()).toString()).toContain('<title>Rollcall</title>');
  });

  test('may not be framed, tells nobody where it is and runs nothing that is not its own', async () => {
    const { headers } = await server.send(HTML);
    expect(headers['referrer-policy']).toBe('no-referrer');
    const policy = headers['content-security-policy'] as string;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy.split('; ').find((line) => line.startsWith('script-src'))).toMatch(/^script-src 'sha256-[\w+/]{43}='$/);
  });

  test('is nowhere when it is switched off', async () => {
    const off = await listen(gatewayOn(gateway.db, { config: { graphiql: false } }));
    expect((await off.send(HTML)).headers['content-type']).not.toContain('html');
  });

  test('100 connections that read nothing of it share its bytes', async () => {
    await server.send(HTML);
    const sockets: Socket[] = [];
    atEnd(() => sockets.forEach((socket) => void socket.destroy()));
    const before = process.memoryUsage();
    for (let n = 0; n < 100; n++) {
      const socket = connect(server.port, '127.0.0.1').pause();
      sockets.push(socket);
      await once(socket, 'connect');
      socket.write('GET /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n');
      await once(socket, 'readable');
    }
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    // Of their own they would be 240 MB.
    expect(arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(60_000_000);
  });
});

test.each(['/graphql/', '/x/graphql', '/graphqlx', '/GraphQL', '/', '//graphql'])('%s is not found', async (path) => {
  for (const sent of [HTML, { token, body: { query: '{ __typename }' } }]) {
    expect((await server.send({ ...sent, path })).status).toBe(404);
  }
});

test('no answer is to be taken for anything but its type', async () => {
  const all: Sent[] = [
    HTML,
    { token, body: { query: '{ __typename }' } },
    { body: 'x' },
    { method: 'OPTIONS' },
    { path: '/nowhere' },
    { method: 'GET', path: '/healthz' },
    { path: '/backend', body: { op: 'appstats', token } },
  ];
  for (const sent of all) expect((await server.send(sent)).headers['x-content-type-options']).toBe('nosniff');
  const response = await gateway.fetch(new Request('http://gateway/healthz'));
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
});

describe('who may ask for the schema', () => {
  const code = ({ json }: HttpAnswer) => json.errors?.[0].extensions.code ?? 'told';
  test.each([
    ['on', ['told', 'told', 'told']],
    ['app', ['told', 'NOT_ALLOWED', 'UNAUTHENTICATED']],
    ['off', ['NOT_ALLOWED', 'NOT_ALLOWED', 'NOT_ALLOWED']],
  ] as const)('%s', async (introspection, expected) => {
    const limited = await listen(gatewayOn(gateway.db, { config: { introspection } }));
    const queries = [
      SCHEMA,
      '{ t: __type(name: "Group") { name } }',
      'query { ...F } fragment F on Query { ... @include(if: true) { s: __schema { queryType { name } } } }',
    ];
    for (const query of queries) {
      const answers = [token, user.token, undefined].map((each) => limited.send({ token: each, body: { query } }));
      expect((await Promise.all(answers)).map(code)).toEqual(expected);
    }
    expect(code(await limited.send({ token: user.token, body: { query: '{ __typename }' } }))).toBe('told');
  });
});

describe('messages of GraphQL', () => {
  const WRONG: [string, object?][] = [
    ['{ viewr { address } }'],
    ['{ groups(frst: 1) { edges { cursor } } }'],
    ['query ($o: GroupOrder) { groups(orderBy: $o) { edges { cursor } } }', { o: { field: 'CREATED', direction: 'DESC' } }],
    ['mutation ($i: GroupAddInput!) { groupAdd(input: $i) { __typename } }', { i: { nam: 'x' } }],
  ];
  test.each(WRONG)('suggest names, but not in production: %s', async (query, variables) => {
    const production = gatewayOn(gateway.db, { config: { production: true } });
    const ask = async (of: typeof gateway) => {
      const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
      const body = JSON.stringify({ query, variables });
      return (await of.fetch(new Request('http://gateway/graphql', { method: 'POST', headers, body }))).text();
    };
    expect(await ask(gateway)).toContain('Did you mean');
    const told = await ask(production);
    expect(JSON.parse(told).errors).toHaveLength(1);
    expect(told).not.toContain('Did you mean');
  });

  test('do not repeat a long name or value', async () => {
    const long = 'x'.repeat(1_000_000);
    for (const [query, variables] of [
      [`{ ${long} }`],
      [`{ viewer { address } } ${long}`],
      ['query ($o: OrderDirection) { groups(orderBy: { field: CREATED_AT, direction: $o }) { edges { cursor } } }', { o: long }],
    ] as const) {
      const { text, json } = await server.send({ token, body: { query, variables } });
      expect(json.errors.length).toBeGreaterThan(0);
      expect(text.length).toBeLessThan(10_000);
    }
  });
});

test('a gateway in production has all this by itself', async () => {
  const production = await startServer({ NODE_ENV: 'production', DATABASE_URL: await postgresUrl() });
  const first = await production.firstToken();
  const page = await fetch(production.url, { headers: { Accept: 'text/html' } });
  expect([page.status, page.headers.get('content-type')]).toEqual([401, 'application/json; charset=utf-8']);
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${first}` };
  const ask = async (query: string) =>
    (await fetch(production.url, { method: 'POST', headers, body: JSON.stringify({ query }) })).text();
  expect(await ask(SCHEMA)).toContain('"queryType"');
  expect(await ask('{ viewr { address } }')).toMatch(/Cannot query field \\"viewr\\" on type \\"Query\\"\."/);
  await production.stop();
});
