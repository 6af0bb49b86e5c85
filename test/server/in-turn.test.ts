/** What one connection may have in flight. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.ts';
import { inTurn } from '../../src/http/in-turn.ts';
import { atEnd } from '../setup/at-end.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';

const gateway = await openTestGateway();
const { token } = await gateway.caller();
const production = await listen(gatewayOn(gateway.db, { config: { production: true, graphiql: true } }));

/** Writes to a connection and reads until it is closed. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  atEnd(() => socket.destroy());
  let answer = '';
  socket.setEncoding('latin1').on('data', (data) => {
    answer += data;
  });
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));

describe('requests of many connections', () => {
  test('begin a few in a turn of the event loop, and in turn by address', async () => {
    const begun: { address: string | undefined; turn: number }[] = [];
    let turn = 0;
    let counting = true;
    const count = () => {
      turn++;
      if (counting) nextTurn(count);
    };
    nextTurn(count);
    const server = createServer(
      inTurn((req, res) => {
        begun.push({ address: req.socket.remoteAddress, turn });
        res.end();
      }, 500),
    ).listen(0, '127.0.0.1');
    atEnd(() => server.close());
    let taken = 0;
    server.on('connection', () => taken++);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const open = async (localAddress: string) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
      atEnd(() => socket.destroy());
      await once(socket, 'connect');
      return socket;
    };
    const many = await Promise.all(Array.from({ length: 100 }, () => open('127.0.0.1')));
    const other = await open('127.0.0.2');
    await expect.poll(() => taken).toBe(101); // one in a turn
    for (const socket of [...many, other]) socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => begun.length).toBe(101);
    counting = false;
    const inOneTurn = Map.groupBy(begun, ({ turn }) => turn);
    expect(Math.max(...[...inOneTurn.values()].map(({ length }) => length))).toBeLessThanOrEqual(4);
    expect(begun.findIndex(({ address }) => address === '127.0.0.2')).toBeLessThan(20);
  });
});

describe('requests of one connection', () => {
  /** How many were handled, and at once at most, when so many are sent together. */
  async function handled(count: number, most: number) {
    let running = 0;
    const seen = { total: 0, atOnce: 0, answered: 0 };
    const server = createServer(
      inTurn(async (_, res) => {
        seen.total++;
        seen.atOnce = Math.max(seen.atOnce, ++running);
        await setImmediate();
        running--;
        res.end('x');
      }, most),
    ).listen(0, '127.0.0.1');
    atEnd(() => server.close());
    await once(server, 'listening');
    const get = 'GET / HTTP/1.1\r\nHost: x\r\n';
    const last = `${get}Connection: close\r\n\r\n`;
    const answer = await exchange((server.address() as AddressInfo).port, `${get}\r\n`.repeat(count - 1) + last);
    return { ...seen, answered: statuses(answer).length };
  }

  test('wait their turn, and all are answered', async () => {
    expect(await handled(301, 300)).toEqual({ total: 301, atOnce: 1, answered: 301 });
  });

  test('are cut when too many wait, and those are not handled', async () => {
    expect(await handled(302, 300)).toEqual({ total: 1, atOnce: 1, answered: 0 });
  });

  test("300 for GraphiQL's page are 300 pages of the same bytes", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const socket = connect(production.port, '127.0.0.1').pause();
    atEnd(() => socket.destroy());
    await once(socket, 'connect');
    socket.write('GET /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n'.repeat(300));
    await once(socket, 'readable');
    expect((await production.send({ method: 'GET', path: '/healthz' })).status).toBe(200);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000);
  });

  test('with bodies are told apart', async () => {
    const body = JSON.stringify({ query: '{ __typename }' });
    const headers = ['Host: x', `Authorization: Bearer ${token}`, 'Content-Type: application/json'];
    const post = (more: string) =>
      ['POST /graphql HTTP/1.1', ...headers, `Content-Length: ${body.length}`, more, body].join('\r\n');
    const answer = await exchange(production.port, post('').repeat(20) + post('Connection: close\r\n'));
    expect(statuses(answer)).toEqual(Array(21).fill(200));
  });
});

describe('a connection is closed after its 401', () => {
  const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

  test('and what it sent besides is not handled', async () => {
    const body = JSON.stringify({ query: '{ viewer { address } }' });
    const answer = await exchange(production.port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`.repeat(5));
    expect(statuses(answer)).toEqual([401]);
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(answer).toContain('"UNAUTHENTICATED"');
  });

  test('a client that sends its whole body all the same sees the answer', async () => {
    const long = 8 * 1024 * 1024;
    for (let round = 0; round < 5; round++) {
      const answer = await exchange(production.port, `${head}Content-Length: ${long}\r\n\r\n${' '.repeat(long)}`);
      expect(statuses(answer)).toEqual([401]);
      expect(answer).toContain('"UNAUTHENTICATED"');
    }
  });
});

test('an idle connection is kept for longer than a balancer keeps it', async () => {
  expect(DEFAULT_LIMITS.keepAlive).toBe(75_000);
  expect(production.server.keepAliveTimeout).toBe(75_000);
  const { port } = await listen(gatewayOn(gateway.db, { config: { keepAlive: 100 } }));
  const answer = await exchange(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(statuses(answer)).toEqual([200]);
});
