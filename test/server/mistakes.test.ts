/** What clients do wrong, and what is logged of it and of what goes wrong here. */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';
import { watchOver } from '../setup/watch.ts';
import { addGroup } from '../watching/setup.ts';

type Line = Record<string, unknown> & { level: number };
const ERROR = 50;

const lines: Line[] = [];
const gateway = await openTestGateway({ level: 'info', onLog: (line) => lines.push(line as Line) });
const server = await listen(gateway);
const caller = await gateway.caller();
const { token } = caller;
beforeEach(() => void lines.splice(0));
const errors = () => lines.filter(({ level }) => level >= ERROR);

describe('a subscription whose root field is skipped is refused', () => {
  const FIELD = 'appChanges';
  test.each([
    [`subscription { ${FIELD} @skip(if: true) { __typename } }`],
    [`subscription { ${FIELD} @include(if: false) { __typename } }`],
    [`subscription { ... @skip(if: true) { ${FIELD} { __typename } } }`],
    [`subscription { ...F } fragment F on Subscription { ${FIELD} @skip(if: true) { __typename } }`],
  ])('%s', (query) => refused(query));

  test.each([
    [`subscription ($s: Boolean!) { ${FIELD} @skip(if: $s) { __typename } }`],
    [`subscription ($s: Boolean = true) { ${FIELD} @include(if: $s) { __typename } }`],
    [`subscription ($s: Boolean!) { ... @skip(if: $s) { ${FIELD} { __typename } } }`],
    [`subscription ($s: Boolean!) { ...F } fragment F on Subscription { ${FIELD} @skip(if: $s) { __typename } }`],
  ])('by a variable, whatever that is: %s', async (query) => {
    for (const s of [true, false]) await refused(query, { s });
  });

  async function refused(query: string, variables = {}) {
    for (const Accept of ['text/event-stream', 'application/json', 'application/graphql-response+json']) {
      const { status, text } = await server.send({ token, headers: { Accept }, body: { query, variables } });
      expect(status).toBe(400);
      expect(text).toContain('"code":"BAD_REQUEST"');
    }
    expect(await watchOver('websocket', server, token, query, variables).end).toBe('BAD_REQUEST');
    expect(errors()).toEqual([]);
  }

  test('below it variables may decide', async () => {
    const query = `subscription ($s: Boolean!) { ${FIELD} { __typename cursor @skip(if: $s) } }`;
    const watch = watchOver('websocket', server, token, query, { s: true });
    await watch.ready();
    await watch.stop();
  });

  test('one that is included goes on', async () => {
    const query = `subscription { ${FIELD} @skip(if: false) @include(if: true) { __typename } }`;
    const watch = watchOver('sse', server, token, query);
    await watch.ready();
    await watch.stop();
  });
});

test('who leaves a group and asks what others may do there gets its answer, as of anyone', async () => {
  const { gid } = await addGroup(caller, { members: [{ addresses: ['ann', 'bob'] }] });
  const ann = await caller.user('ann');
  const query = `mutation ($gid: ID!) { groupEditMembers(input: { gid: $gid, remove: ["ann"] }) {
    ... on GroupEditMembersPayload { removed group { gid
      own: permission(address: "ann", action: SEND) { allowed reason }
      other: permission(address: "bob", action: SEND) { allowed } } } } }`;
  const { data, errors: wrong } = await ann.send(query, { gid });
  expect(wrong).toBeUndefined();
  expect(data).toEqual({
    groupEditMembers: {
      removed: 1,
      group: { gid, own: { allowed: false, reason: expect.any(String) }, other: { allowed: false } },
    },
  });
});

describe('an error of the database is logged without what callers sent', () => {
  const SECRET = 'hush-hush';
  test('by op and by GraphQL', async () => {
    const check = `check (address <> '${SECRET}') not valid`;
    await sql(gateway.db, `alter table members add constraint no_such_member ${check}`);
    const op = await server.send({ path: `/backend?op=groupadd&token=${token}&m=${SECRET}` });
    expect(op.json).toMatchObject({ op: 'groupadd', result: false, error: 'SERVERERROR' });
    const query = `mutation { groupAdd(input: { members: [{ addresses: ["${SECRET}"] }] }) { __typename } }`;
    expect((await server.send({ token, body: { query } })).json.errors[0].extensions.code).toBe('INTERNAL_SERVER_ERROR');
    await sql(gateway.db, 'alter table members drop constraint no_such_member');
    expect(errors()).toHaveLength(2);
    for (const { err } of errors()) {
      expect(err).toMatchObject({ code: '23514', constraint: 'no_such_member', stack: expect.any(String) });
    }
    expect(JSON.stringify(lines)).not.toContain(SECRET);
  });
});

test('of those without a valid token a second has one line, and one with the number of the others', async () => {
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  lines.splice(0);
  const sent = [];
  for (let n = 0; n < 150; n++) {
    sent.push(server.send({ token: 'wrong', body: { query: '{ viewer { address } }' } }));
    sent.push(server.send({ path: '/backend', body: { op: 'appstats', token: 'wrong' } }));
    sent.push(server.send({ path: '/nowhere' }));
  }
  await Promise.all(sent);
  const counted = () => lines.reduce((sum, { msg, count }) => sum + (msg === 'request' || msg === 'op' ? 1 : Number(count)), 0);
  await vi.waitFor(() => expect(counted()).toBe(450), { timeout: 10_000 });
  const told = lines.filter(({ status }) => status === 401);
  const windows = lines.filter(({ count }) => count !== undefined).length;
  expect(windows).toBeGreaterThan(0);
  expect(told.length).toBeLessThanOrEqual(windows + 1);
  expect(lines.length).toBeLessThanOrEqual(102 * (windows + 1));
  await server.send({ token, body: { query: '{ viewer { address } }' } });
  expect(lines.at(-1)).toMatchObject({ msg: 'request', status: 200 });
});

test('a long gid is not sent back whole', async () => {
  const query = 'mutation ($gid: ID!) { groupDel(input: { gid: $gid }) { ... on GroupNotFound { gid } } }';
  const gid = '7'.repeat(1_000_000);
  const { text, json } = await server.send({ token, body: { query, variables: { gid } } });
  expect(json.data.groupDel).toEqual({ gid: '7'.repeat(100) });
  expect(text.length).toBeLessThan(1_000);
});

describe('a variable that is null or missing where a value is needed', () => {
  test.each<[what: string, query: string, name: string]>([
    ['an argument', 'query ($v: ID = "1") { group(gid: $v) { gid } }', 'gid'],
    ['a directive', 'query ($v: Boolean = true) { viewer { address @skip(if: $v) } }', 'if'],
    ['a directive at the root', 'query ($v: Boolean = true) { viewer @include(if: $v) { address } }', 'if'],
  ])('%s: INVALID_INPUT with its path', async (_, query, name) => {
    const { json } = await server.send({ token, body: { query, variables: { v: null } } });
    const issues = [{ path: [name], message: expect.stringContaining(`"${name}"`) }];
    expect(json.errors).toEqual([expect.objectContaining({ extensions: { code: 'INVALID_INPUT', issues } })]);
    expect(errors()).toEqual([]);
  });
});

test('a subscription that is refused is no 2xx to who takes results alone', async () => {
  const body = { query: 'subscription { membershipChanges { cursor } }' }; // an application has to say of whom
  for (const [Accept, expected] of [
    ['application/graphql-response+json', 400],
    ['application/json', 200],
  ] as const) {
    const { status, json } = await server.send({ token, headers: { Accept }, body });
    expect([status, json.errors[0].extensions.code]).toEqual([expected, 'INVALID_INPUT']);
  }
});

test('an answer in parts leaves the connection as the client wants it, and closes it after a 401', async () => {
  const query = '{ viewer { address } }';
  const asked = (headers: Record<string, string>, given?: string) =>
    server.send({ token: given, headers: { Accept: 'multipart/mixed', ...headers }, body: { query } });
  expect((await asked({ Connection: 'close' }, token)).headers.connection).toBe('close');
  expect((await asked({ Connection: 'keep-alive' }, token)).headers.connection).toBe('keep-alive');
  const { status, headers } = await asked({ Connection: 'keep-alive' });
  expect([status, headers.connection]).toEqual([401, 'close']);
});

describe('fragments of which each is spread twice by the one before', () => {
  const chain = (root: string, last: string, directive = '') => {
    const spread = (n: number) => `...F${n + 1} ${directive} ...F${n + 1} ${directive}`;
    const fragments = Array.from({ length: 400 }, (_, n) => `fragment F${n} on ${root} { ${spread(n)} }`);
    return [...fragments, `fragment F400 on ${root} { ${last} }`].join(' ');
  };

  // Each ends, which 2⁴⁰⁰ steps would not.
  test('a query, without a token too', async () => {
    const query = `{ ...F0 } ${chain('Query', '__typename')}`;
    for (const given of [token, undefined]) {
      const { status, json } = await server.send({ token: given, body: { query } });
      expect([status, json.errors[0].extensions.limit]).toEqual([400, 'MAX_FIELDS']);
    }
  });

  test('a subscription whose field is skipped, or might be', async () => {
    for (const [directive, variables] of [
      ['@skip(if: true)', ''],
      ['@skip(if: $s)', '($s: Boolean!)'],
    ]) {
      const query = `subscription ${variables} { ...F0 } ${chain('Subscription', `appChanges ${directive} { __typename }`)}`;
      const { status } = await server.send({ token, body: { query } });
      expect(status).toBe(400);
    }
    expect(errors()).toEqual([]);
  });
});
