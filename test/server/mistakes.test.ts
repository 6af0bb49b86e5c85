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
  ])('%s', async (query) => {
    for (const Accept of ['text/event-stream', 'application/json']) {
      const { status, text } = await server.send({ token, headers: { Accept }, body: { query } });
      expect(status).toBe(400);
      expect(text).toContain('"code":"BAD_REQUEST"');
    }
    expect(await watchOver('websocket', server, token, query).end).toBe('BAD_REQUEST');
    expect(errors()).toEqual([]);
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
