/** How many operations of a token run at a time, and whose turn it is. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Sql } from '../../src/db/sql.ts';
import { atEnd } from '../setup/at-end.ts';
import { type Caller, callerOf, gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { altered } from '../setup/interrupted.ts';
import { listen as listenTo } from '../setup/listener.ts';
import { writesNothing } from '../setup/rows.ts';
import { listen, until } from '../setup/watch.ts';

const plain = await openTestGateway();
const { db } = plain;
const app = await plain.caller();
const { viewer, token } = await app.user('alice');
const GROUPS = '{ groups(first: 1) { edges { cursor } } }';
const off = Number.POSITIVE_INFINITY;

/** A gateway whose lists of groups get no answer of the database until they are let go on. */
function held(config: Parameters<typeof gatewayOn>[1] & object = {}) {
  const waiting: (() => void)[] = [];
  const hold: Sql['query'] = async (statement, ...given) => {
    if (statement.name.startsWith('groups_gid')) await new Promise<void>((resolve) => waiting.push(resolve));
    return db.query(statement, ...given);
  };
  const holding = altered(db, { query: hold });
  const gateway = gatewayOn(holding, { ...config, config: { userRate: off, ...config.config } });
  const go = () => {
    const all = waiting.splice(0);
    for (const each of all) each();
    return all.length;
  };
  return { gateway, waiting, go, as: (caller: Caller) => callerOf(gateway, db, caller) };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 100));

describe('at once', () => {
  test.each([
    ['a user token', () => ({ viewer, token }) as Caller, { userConcurrency: 3, appConcurrency: 5 }, 3],
    ['an application token', () => app, { userConcurrency: 3, appConcurrency: 5 }, 5],
  ])('run as many of %s as may; others wait, and all are answered', async (_, who, config, most) => {
    const { waiting, go, as } = held({ config });
    const caller = as(who());
    const answers = Array.from({ length: 12 }, () => caller.send(GROUPS));
    let most_seen = 0;
    for (let answered = 0; answered < 12; ) {
      await until(() => waiting.length === Math.min(most, 12 - answered));
      await settle();
      most_seen = Math.max(most_seen, waiting.length);
      answered += go();
    }
    expect(most_seen).toBe(most);
    for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
  });

  test('16 of a user and 256 of an application, when nothing is set', async () => {
    const { waiting, go, as } = held();
    for (const [who, most] of [
      [{ viewer, token } as Caller, 16],
      [app, 256],
    ] as const) {
      const answers = Array.from({ length: most + 4 }, () => as(who).send(GROUPS));
      await until(() => waiting.length >= most);
      await settle();
      expect(waiting).toHaveLength(most);
      go();
      await until(() => waiting.length === 4);
      go();
      for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
    }
  });

  test('another token has places of its own, and so has the op endpoint of the same one', async () => {
    const { gateway, waiting, go, as } = held({ config: { userConcurrency: 1, appConcurrency: 1 } });
    const answers = [as({ viewer, token } as Caller).send(GROUPS), as(app).send(GROUPS)];
    await until(() => waiting.length === 2);
    const server = await listenTo(gateway);
    const op = server.send({ path: '/backend', body: { op: 'groupsget', token: app.token } });
    await settle();
    expect(waiting).toHaveLength(2);
    go();
    await until(() => waiting.length === 1);
    go();
    expect((await op).json).toMatchObject({ result: true });
    for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
  });

  test('streams that are open hold no place', async () => {
    const { gateway, as } = held({ config: { userConcurrency: 1 } });
    const server = await listen(gateway);
    const { send, answer } = await openSocket(server.url, token);
    for (let n = 0; n < 5; n++) {
      send(`s${n}`, 'subscription { membershipChanges { kind } }');
      await answer(`s${n}`);
    }
    expect(await as({ viewer, token } as Caller).send('{ viewer { address } }')).toMatchObject({ status: 200 });
  });
});

describe('a queue that is full', () => {
  test('its own: the token is told to send less, nothing is written, and it works when one is over', async () => {
    const { gateway, waiting, go, as } = held({ config: { userConcurrency: 1 } });
    const caller = as({ viewer, token } as Caller);
    const answers = Array.from({ length: 17 }, () => caller.send(GROUPS));
    await until(() => waiting.length === 1);
    await settle();
    const add = () => caller.send('mutation { groupAdd(input: {}) { __typename } }');
    await writesNothing(db, app.viewer, async () => {
      const { status, data, errors } = await add();
      expect([status, data, errors]).toEqual([
        429,
        undefined,
        [{ message: 'Too many operations of this token are waiting', extensions: { code: 'RATE_LIMITED', retryAfter: 1 } }],
      ]);
    });
    for (let answered = 0; answered < 17; ) {
      await until(() => waiting.length > 0);
      answered += go();
    }
    for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
    expect(await add()).toMatchObject({ status: 200, data: { groupAdd: { __typename: 'GroupAddPayload' } } });
    await gateway.close();
  });

  test('that of all: OVERLOADED, on an op RATELIMIT, with the time to wait', async () => {
    const { gateway, waiting, go, as } = held({ config: { userConcurrency: 1, appConcurrency: 1, waitingOperations: 1 } });
    const answers = [1, 2].map(() => as({ viewer, token } as Caller).send(GROUPS));
    await until(() => waiting.length === 1);
    await settle();
    const server = await listenTo(gateway);
    const graphql = await server.send({ token: app.token, body: { query: GROUPS } });
    expect(graphql).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      json: { errors: [{ extensions: { code: 'OVERLOADED' } }] },
    });
    const op = await server.send({ path: '/backend', body: { op: 'groupadd', token: app.token } });
    expect(op).toMatchObject({ status: 200, headers: { 'retry-after': '1' }, json: { result: false, error: 'RATELIMIT' } });
    go();
    await until(() => waiting.length === 1);
    go();
    await Promise.all(answers);
    expect((await server.send({ path: '/backend', body: { op: 'groupadd', token: app.token } })).json).toMatchObject({
      result: true,
    });
  });

  test('who waits longer than TURN_WAIT is refused', async () => {
    const { waiting, go, as } = held({ config: { userConcurrency: 1, turnWait: 100 } });
    const caller = as({ viewer, token } as Caller);
    const first = caller.send(GROUPS);
    await until(() => waiting.length === 1);
    expect(await caller.send(GROUPS)).toMatchObject({ status: 429 });
    go();
    expect(await first).toMatchObject({ status: 200 });
  });
});

test.each(['graphql', 'backend', 'websocket'])('who leaves before its turn has nothing run: %s', async (entrance) => {
  const { gateway, waiting, go, as } = held({ config: { appConcurrency: 1 } });
  const first = as(app).send(GROUPS);
  await until(() => waiting.length === 1);
  const name = `left by ${entrance}`;
  const mutation = `mutation { groupAdd(input: { name: "${name}" }) { __typename } }`;
  if (entrance === 'websocket') {
    const { socket, send } = await openSocket((await listen(gateway)).url, app.token);
    send('m', mutation);
    await settle();
    socket.terminate();
  } else {
    const server = await listenTo(gateway);
    const body = entrance === 'graphql' ? { query: mutation } : { op: 'groupadd', token: app.token, group: { name } };
    const sent = server.open({ path: `/${entrance}`, token: app.token, headers: { 'Content-Type': 'application/json' } });
    sent.end(JSON.stringify(body));
    await settle();
    sent.destroy();
  }
  await settle();
  go();
  await first;
  await settle();
  const { data } = await app.send(`{ groups(filter: { nameContains: "${name}" }) { edges { cursor } } }`);
  expect(data?.['groups'].edges).toEqual([]);
});

interface OpenSocket {
  socket: WebSocket;
  answers: string[];
  send(id: string, query: string): void;
  answer(id: string): Promise<unknown>;
}

/** A socket that was let in. */
async function openSocket(url: string, secret: string): Promise<OpenSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws');
  atEnd(() => socket.terminate());
  socket.on('error', () => {});
  const answers: string[] = [];
  let greeted = false;
  socket.on('message', (data) => {
    const { type, id } = JSON.parse(String(data));
    if (type === 'connection_ack') greeted = true;
    else if (type === 'next' || type === 'error') answers.push(id);
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${secret}` } }));
  await until(() => greeted);
  return {
    socket,
    answers,
    send: (id, query) => socket.send(JSON.stringify({ type: 'subscribe', id, payload: { query } })),
    answer: (id) => until(() => answers.includes(id)),
  };
}

test('a socket that sends thousands of operations is not before another client', async () => {
  const server = await listen(gatewayOn(db, { config: { maxOperations: 10_000, appConcurrency: 10_000 } }));
  const flooding = await openSocket(server.url, app.token);
  const other = await openSocket(server.url, token);
  const FLOOD = 8_700;
  for (let n = 0; n < FLOOD; n++) flooding.send(`f${n}`, '{ viewer { address app { name } } }');
  const between: number[] = [];
  for (let n = 0; n < 20 && flooding.answers.length < FLOOD; n++) {
    const sent = flooding.answers.length;
    const answered = Promise.withResolvers<void>();
    const note = () => other.answers.at(-1) === `o${n}` && answered.resolve();
    other.socket.on('message', note);
    other.send(`o${n}`, '{ viewer { address } }');
    await answered.promise;
    between.push(flooding.answers.length - sent);
    other.socket.off('message', note);
  }
  // What came in one piece is read at once; but the operations in it take turns with the other's.
  expect(between).toHaveLength(20);
  // Now and then its token is looked up again, in the database, which is no turn.
  expect(between.filter((answers) => answers < 100).length).toBeGreaterThanOrEqual(15);
  await until(() => flooding.answers.length === FLOOD);
});
