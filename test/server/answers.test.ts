import { describe, expect, test } from 'vitest';
import { GroupAddDocument } from '../../src/generated/operations.ts';
import { openTestDatabase, sql } from '../setup/database.ts';
import { type Caller, gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';

type Line = Record<string, unknown> & { level: number };
const ERROR = 50;

/** A gateway on a database that the test may break, and all that it logs. */
async function openWithLog() {
  const lines: Line[] = [];
  const gateway = await openTestGateway({ level: 'trace', onLog: (line) => lines.push(line as Line) });
  const server = await listen(gateway);
  const caller = await gateway.caller();
  return { gateway, server, caller, lines, db: gateway.db, errors: () => lines.filter(({ level }) => level >= ERROR) };
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

describe('an error that nobody expected', () => {
  const MESSAGE = 'Something went wrong inside the gateway';
  const leaks = /relation|does not exist|prisma|pglite|postgres|node_modules|\.ts\b|select|stack|\bat \w/i;

  test('in a query: masked with the id of the request, logged whole and once', async () => {
    const { server, caller, db, errors } = await openWithLog();
    const { token } = caller;
    const gid = await addGroup(caller);
    await sql(db, 'alter table group_types rename to broken_group_types');
    const query = `{ group(gid: "${gid}") { name messageTypes } }`;
    const { status, headers, json, text } = await server.send({ token, body: { query } });
    const requestId = headers['x-request-id'];
    expect({ status, requestId }).toEqual({ status: 200, requestId: expect.stringMatching(UUID) });
    expect(json).toEqual({
      data: { group: null },
      errors: [
        {
          message: MESSAGE,
          locations: [expect.anything()],
          path: ['group', 'messageTypes'],
          extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
        },
      ],
    });
    expect(text).not.toMatch(leaks);
    const [logged, ...more] = errors();
    expect(more).toEqual([]);
    expect(logged).toMatchObject({ requestId, path: ['group', 'messageTypes'], msg: 'unexpected error' });
    expect(logged?.['err']).toMatchObject({
      message: expect.stringContaining('group_types'),
      stack: expect.stringContaining('\n    at '),
    });
  });

  test('in a mutation: nothing is written', async () => {
    const { server, caller, db, errors } = await openWithLog();
    await sql(db, 'alter table changes rename to broken_changes');
    const body = { query: 'mutation { groupAdd(input: { name: "x" }) { __typename } }' };
    const { json, text, headers } = await server.send({ token: caller.token, body });
    expect(json).toMatchObject({ data: null, errors: [{ message: MESSAGE, extensions: { code: 'INTERNAL_SERVER_ERROR' } }] });
    expect(json.errors[0].extensions.requestId).toBe(headers['x-request-id']);
    expect(text).not.toMatch(leaks);
    expect(errors()).toHaveLength(1);
    expect(await sql(db, 'select gid from groups')).toEqual([]);
  });

  test('before there is an operation: HTTP 500 in the same form', async () => {
    const { server, caller, db, errors } = await openWithLog();
    await sql(db, 'alter table tokens rename to broken_tokens');
    const { status, json, text, headers } = await server.send({ token: caller.token, body: { query: '{ __typename }' } });
    const extensions = { code: 'INTERNAL_SERVER_ERROR', requestId: headers['x-request-id'] };
    expect({ status, json }).toEqual({ status: 500, json: { errors: [{ message: MESSAGE, extensions }] } });
    expect(text).not.toMatch(leaks);
    expect(errors()).toHaveLength(1);
    await sql(db, 'alter table broken_tokens rename to tokens');
    expect((await server.send({ token: caller.token, body: { query: '{ __typename }' } })).status).toBe(200);
  });
});

async function addGroup(caller: Caller): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input: { members: [{ addresses: ['alice'] }] } });
  return groupAdd.__typename === 'GroupAddPayload' ? groupAdd.group.gid : expect.fail(JSON.stringify(groupAdd));
}

describe('the id of a request', () => {
  test("is the caller's when it has a decent form, else a new one; answer and log have it", async () => {
    const { server, caller, lines } = await openWithLog();
    const id = async (given?: string) => {
      const headers: Record<string, string> = given === undefined ? {} : { 'X-Request-Id': given };
      const answer = await server.send({ token: caller.token, headers, body: { query: '{ __typename }' } });
      expect(lines.at(-1)).toMatchObject({ requestId: answer.headers['x-request-id'], msg: 'request' });
      return answer.headers['x-request-id'];
    };
    for (const given of ['x', 'trace-1.2:3_4', 'A'.repeat(100)]) expect(await id(given)).toBe(given);
    const made = [];
    for (const given of [undefined, '', 'a b', 'a,b', 'ä', '{"x":1}', 'A'.repeat(101)]) made.push(await id(given));
    for (const each of made) expect(each).toMatch(UUID);
    expect(new Set(made).size).toBe(made.length);
  });

  test('is in every answer', async () => {
    const { server } = await openWithLog();
    for (const sent of [
      { path: '/nothing' },
      { method: 'DELETE' },
      { body: 'x' },
      { method: 'GET', headers: { Accept: 'text/html' } },
    ]) {
      const { headers } = await server.send({ ...sent, headers: { ...sent.headers, 'X-Request-Id': 'mine' } });
      expect(headers['x-request-id']).toBe('mine');
    }
  });
});

test('the log has a line for each request, and never a token, a query or a variable', async () => {
  const { gateway, server, caller, db, lines } = await openWithLog();
  const { token } = caller;
  const query = 'query Hush($gid: ID!) { group(gid: $gid) { name } }';
  const variables = { gid: '123454321' };
  await server.send({ token, body: { query, variables } });
  await server.send({
    token,
    method: 'GET',
    path: `/graphql?query=${encodeURIComponent(query)}&variables=${encodeURIComponent(JSON.stringify(variables))}`,
  });
  await server.send({ token, method: 'GET', path: `/graphql?access_token=${token}` });
  await server.send({ token, body: `${JSON.stringify({ query })}Hush` });
  await server.send({ token: `${token}x`, path: `/Hush?${token}`, body: { query: '{ Hush }' } });
  await sql(db, 'alter table groups rename to broken_groups');
  await server.send({ token, body: { query, variables } });
  const written = JSON.stringify(lines);
  expect(written).not.toContain(token);
  expect(written).not.toContain('123454321');
  expect(written.replaceAll('/Hush', '')).not.toContain('Hush');
  const requests = lines.filter(({ msg }) => msg === 'request');
  expect(requests.map(({ method, path, status, app }) => [method, path, status, app])).toEqual([
    ['POST', '/graphql', 200, caller.viewer.appName],
    ['GET', '/graphql', 200, caller.viewer.appName],
    ['GET', '/graphql', 400, caller.viewer.appName],
    ['POST', '/graphql', 400, caller.viewer.appName],
    ['POST', '/Hush', 404, undefined],
    ['POST', '/graphql', 200, caller.viewer.appName],
  ]);
  expect(gateway.config.production).toBe(false);
});

describe('health', () => {
  const GET = (path: string) => ({ method: 'GET', path });

  test('a gateway with its database is well and ready, which needs no token', async () => {
    const { server } = await openWithLog();
    for (const [path, text] of [
      ['/healthz', 'ok\n'],
      ['/readyz', 'ready\n'],
      ['/readyz?x', 'ready\n'],
    ] as const) {
      const answer = await server.send(GET(path));
      expect(answer).toMatchObject({ status: 200, text });
      expect(answer.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
    }
  });

  test('without its database it is well and not ready, and answers requests with an error', async () => {
    const { server, caller, db, errors } = await openWithLog();
    await db.close();
    expect(await server.send(GET('/healthz'))).toMatchObject({ status: 200 });
    expect(await server.send(GET('/readyz'))).toMatchObject({ status: 503, text: 'not ready\n' });
    expect(errors()).toEqual([]);
    const { status, json } = await server.send({ token: caller.token, body: { query: '{ viewer { address } }' } });
    expect({ status, code: json.errors[0].extensions.code }).toEqual({ status: 500, code: 'INTERNAL_SERVER_ERROR' });
  });

  test('with migrations that are not applied it is not ready', async () => {
    const db = await openTestDatabase({ empty: true });
    const server = await listen(gatewayOn(db));
    expect(await server.send(GET('/readyz'))).toMatchObject({ status: 503 });
    await db.migrate();
    expect(await server.send(GET('/readyz'))).toMatchObject({ status: 200 });
    await sql(db, 'delete from _prisma_migrations where migration_name = (select max(migration_name) from _prisma_migrations)');
    expect(await server.send(GET('/readyz'))).toMatchObject({ status: 503 });
  });
});
