import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createUser, sql } from '../setup/database.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { answerOf, type HttpAnswer, listen, type Sent } from '../setup/listener.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const development = await listen(gateway);
const production = await listen(gatewayOn(db, { config: { production: true } }));
const { viewer, token } = await gateway.caller();

const VIEWER = { query: '{ viewer { app { name } } }' };
const ADD = { query: 'mutation { groupAdd(input: {}) { __typename } }' };
const SCHEMA = { query: '{ __schema { queryType { name } } }' };

function expectRefused({ status, headers, json }: HttpAnswer): void {
  expect({ status, challenge: headers['www-authenticate'], type: headers['content-type'] }).toEqual({
    status: 401,
    challenge: 'Bearer',
    type: 'application/json; charset=utf-8',
  });
  const message = 'A valid token is needed: send the header "Authorization: Bearer …"';
  expect(json).toEqual({ errors: [{ message, extensions: { code: 'UNAUTHENTICATED' } }] });
}

describe.each([
  ['in development', development],
  ['in production', production],
])('%s', (_, server) => {
  const refused: [string, Record<string, string>][] = [
    ['no header', {}],
    ['an empty header', { Authorization: '' }],
    ['another token', { Authorization: `Bearer rollcall_${'x'.repeat(43)}` }],
    ['a token without its end', { Authorization: `Bearer ${token.slice(0, -1)}` }],
    ['a token and more', { Authorization: `Bearer ${token}x` }],
    ['a token in other letters', { Authorization: `Bearer ${token.toUpperCase()}` }],
    ['a token in quotes', { Authorization: `Bearer "${token}"` }],
    ['two tokens', { Authorization: `Bearer ${token} ${token}` }],
    ['no scheme', { Authorization: token }],
    ['another scheme', { Authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` }],
    ['a scheme alone', { Authorization: 'Bearer' }],
    ['10,000 characters', { Authorization: `Bearer ${'x'.repeat(10_000)}` }],
    ['no ASCII', { Authorization: 'Bearer \u00e9\u00ff' }],
    ['the hash of a token', { Authorization: `Bearer ${createHash('sha256').update(token).digest('base64url')}` }],
  ];

  test.each(refused)('%s is refused', async (_name, headers) => {
    const before = await sql(db, 'select count(*) from groups');
    expectRefused(await server.send({ headers, body: VIEWER }));
    expectRefused(await server.send({ headers, body: ADD }));
    const path = `/graphql?query=${encodeURIComponent(VIEWER.query)}`;
    expectRefused(await server.send({ method: 'GET', path, headers }));
    expect(await sql(db, 'select count(*) from groups')).toEqual(before);
  });

  test('a header too large for any server does no harm', async () => {
    const { status } = await server.send({ headers: { Authorization: `Bearer ${'x'.repeat(100_000)}` }, body: VIEWER });
    expect(status).toBe(431);
  });

  test.each(['Bearer', 'bearer', 'BEARER '])('a token is taken behind "%s "', async (scheme) => {
    const { status, json } = await server.send({ headers: { Authorization: `${scheme} ${token}` }, body: VIEWER });
    expect({ status, json }).toEqual({ status: 200, json: { data: { viewer: { app: { name: viewer.appName } } } } });
  });

  test('a token that expired or was revoked is refused', async () => {
    for (const [address, change] of [
      ['late', "expires_at = clock_timestamp() - interval '1 second'"],
      ['gone', 'revoked_at = clock_timestamp()'],
    ]) {
      const user = await createUser(db, viewer, address as string);
      await sql(db, `update tokens set ${change} where app_id = $1 and id = $2`, [viewer.appId, user.viewer.token.id]);
      expectRefused(await server.send({ token: user.token, body: VIEWER }));
    }
  });

  test('only the hash of a token is stored', async () => {
    const rows = await sql<{ row: string }>(db, 'select t::text as row from tokens t where app_id = $1', [viewer.appId]);
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain(token.slice('rollcall_'.length));
  });

  test('GraphiQL is shown to everybody', async () => {
    const { status, headers } = await server.send({ method: 'GET', headers: { Accept: 'text/html' } });
    expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type: 'text/html' });
  });
});

describe('in development, an operation that asks only for the schema needs no token', () => {
  const headerSets: Record<string, string>[] = [{}, { Authorization: 'Bearer wrong' }];
  test.each<[string, string?]>([
    ['{ __schema { queryType { name } } }'],
    ['{ __typename }'],
    ['{ mine: __type(name: "Group") { name } }'],
    ['query { ...F } fragment F on Query { ... { __schema { queryType { name } } } }'],
    ['mutation M { groupAdd(input: {}) { __typename } } query Q { __typename }', 'Q'],
  ])('%s', async (query, operationName) => {
    for (const headers of headerSets) {
      const { status, json } = await development.send({ headers, body: { query, operationName } });
      expect({ status, errors: json.errors }).toEqual({ status: 200, errors: undefined });
    }
  });

  test.each<[string, string?]>([
    ['{ __typename viewer { address } }'],
    ['{ __schema: viewer { address } }'],
    ['{ ... { viewer { address } } }'],
    ['{ ... on Query @include(if: true) { viewer { address } } }'],
    ['query { ...F } fragment F on Query { __typename ...G } fragment G on Query { viewer { address } }'],
    ['query Q { __typename } query R { viewer { address } }', 'R'],
    ['mutation { __typename }'],
    ['{ node(id: "R3JvdXA6MQ==") { __typename } }'],
  ])('but %s does', async (query, operationName) => {
    expectRefused(await development.send({ body: { query, operationName } }));
  });
});

describe('in production, a request without a valid token is refused before its body is read', () => {
  test.each<[string, Sent]>([
    ['no token', {}],
    ['a wrong token', { token: 'wrong' }],
  ])('%s', async (_, sent) => {
    const opened = production.open({ ...sent, headers: { 'Content-Type': 'application/json', 'Content-Length': '30000000' } });
    expectRefused(await answerOf(opened));
    opened.destroy();
    const chunked = production.open({ ...sent, headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' } });
    chunked.write('{"query":');
    expectRefused(await answerOf(chunked));
    chunked.destroy();
    expectRefused(await production.send({ ...sent, body: SCHEMA }));
    expectRefused(await production.send({ ...sent, body: 'no JSON', headers: { 'Content-Type': 'text/x' } }));
  });

  test('with a token, the schema can be asked for', async () => {
    expect((await production.send({ token, body: SCHEMA })).json).toEqual({
      data: { __schema: { queryType: { name: 'Query' } } },
    });
  });
});
