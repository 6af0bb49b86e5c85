import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { answerOf, type HttpAnswer, listen } from '../setup/listener.ts';

const LIMIT = 64 * 1024;
const MIB = 1024 * 1024;

const lines: Record<string, unknown>[] = [];
const gateway = await openTestGateway({ config: { bodyLimit: LIMIT }, level: 'warn', onLog: (line) => lines.push(line) });
const server = await listen(gateway);
const { token, viewer } = await gateway.caller();

const QUERY = JSON.stringify({ query: '{ viewer { app { name } } }' });
const ANSWER = { data: { viewer: { app: { name: viewer.appName } } } };
const ADD = JSON.stringify({ query: 'mutation { groupAdd(input: {}) { __typename } }' });
const JSON_TYPE = { 'Content-Type': 'application/json' };
const CHUNKED = { ...JSON_TYPE, 'Transfer-Encoding': 'chunked' };

afterEach(async () => {
  expect(lines).toEqual([]);
  expect(await sql(gateway.db, 'select gid from groups')).toEqual([]);
  expect(await server.send({ token, body: QUERY })).toMatchObject({ status: 200, json: ANSWER });
});

function expectTooLarge({ status, json }: HttpAnswer): void {
  const message = `The body of a request may have at most ${LIMIT} bytes`;
  const extensions = { code: 'LIMIT_EXCEEDED', limit: 'BODY_LIMIT', max: LIMIT };
  expect({ status, json }).toEqual({ status: 413, json: { errors: [{ message, extensions }] } });
}

describe('with a length', () => {
  test('the limit itself is taken', async () => {
    expect(await server.send({ token, body: QUERY.padEnd(LIMIT) })).toMatchObject({ status: 200, json: ANSWER });
  });

  test('one byte more is refused before any of it comes', async () => {
    const sent = server.open({ token, headers: { ...JSON_TYPE, 'Content-Length': String(LIMIT + 1) } });
    expectTooLarge(await answerOf(sent));
    sent.destroy();
  });

  test('a caller that sends on without looking gets the answer', async () => {
    const body = Buffer.alloc(16 * MIB, ' ');
    for (let round = 0; round < 5; round++) expectTooLarge(await server.send({ token, body }));
  });
});

describe('without a length', () => {
  test('the limit itself is taken', async () => {
    const sent = server.open({ token, headers: CHUNKED });
    const answer = answerOf(sent);
    const body = QUERY.padEnd(LIMIT);
    for (let from = 0; from < LIMIT; from += 1000) sent.write(body.slice(from, from + 1000));
    sent.end();
    expect(await answer).toMatchObject({ status: 200, json: ANSWER });
  });

  test('one byte more is refused, though what came before it is an operation', async () => {
    for (const pieces of [[ADD.padEnd(LIMIT + 1)], [ADD, ' '.repeat(LIMIT - ADD.length), ' '], [ADD.padEnd(LIMIT), '}']]) {
      const sent = server.open({ token, headers: CHUNKED });
      const answer = answerOf(sent);
      for (const piece of pieces) await new Promise((resolve) => sent.write(piece, resolve));
      sent.end();
      expectTooLarge(await answer);
    }
  });

  test.each([
    ['too long', 413, [`Authorization: Bearer ${token}`, 'Content-Type: application/json']],
    ['of an unknown type', 415, [`Authorization: Bearer ${token}`, 'Content-Type: text/plain']],
    ['without a token', 415, ['Content-Type: text/plain']],
  ])('a body %s is answered while it goes on, and is not kept', async (_, status, headers) => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(['POST /graphql HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked', ...headers, '\r\n'].join('\r\n'));
    const chunk = `${MIB.toString(16)}\r\n${' '.repeat(MIB)}\r\n`;
    const send = async () => socket.write(chunk) || once(socket, 'drain');
    const answer = once(socket.setEncoding('utf8'), 'data');
    await send();
    expect((await answer).join()).toContain(`HTTP/1.1 ${status} `);
    const before = buffered();
    for (let sent = 0; sent < 64; sent++) await send();
    await vi.waitFor(() => expect(buffered() - before).toBeLessThan(16 * MIB), { timeout: 10_000, interval: 100 });
    socket.destroy();
  });
});

describe('one connection', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  afterAll(() => agent.destroy());

  test('goes on after a body that was too large', async () => {
    const ports = new Set<unknown>();
    const send = async (headers: Record<string, string>, body: string) => {
      const { port } = server;
      const authorization = { Authorization: `Bearer ${token}` };
      const sent = request({
        port,
        host: '127.0.0.1',
        path: '/graphql',
        method: 'POST',
        agent,
        headers: { ...headers, ...authorization },
      });
      sent.end(body);
      const answer = await answerOf(sent);
      ports.add(sent.socket?.localPort);
      return answer;
    };
    const long = QUERY.padEnd(10 * LIMIT);
    expectTooLarge(await send(CHUNKED, long));
    expect(await send(CHUNKED, QUERY)).toMatchObject({ status: 200, json: ANSWER });
    expectTooLarge(await send({ ...JSON_TYPE, 'Content-Length': String(long.length) }, long));
    expect(await send({ ...JSON_TYPE, 'Content-Length': String(QUERY.length) }, QUERY)).toMatchObject({
      status: 200,
      json: ANSWER,
    });
    expect(ports.size).toBe(1);
  });
});

/** Bytes in buffers that something still holds. */
function buffered(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}
