/** What bodies of requests may take while they are being read. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.ts';
import { Bodies, type BodyLimits, BodyRefusedError } from '../../src/http/bodies.ts';
import { OverloadedError } from '../../src/model/errors.ts';
import { atEnd } from '../setup/at-end.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { answerOf, listen } from '../setup/listener.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK = 16 * KIB;

const lines: object[] = [];
const gateway = await openTestGateway({ level: 'warn', onLog: (line) => lines.push(line) });
const { token } = await gateway.caller();
const server = await listen(gateway);
const QUERY = JSON.stringify({ query: '{ viewer { address } }' });

afterEach(() => expect(lines).toEqual([]));

/** A body that the test sends piece by piece. */
function body() {
  const { readable, writable } = new TransformStream<Uint8Array>(undefined, { highWaterMark: 1 }, { highWaterMark: 0 });
  const writer = writable.getWriter();
  return { source: readable, send: (bytes: number) => writer.write(new Uint8Array(bytes)), end: () => writer.close() };
}

describe('together', () => {
  const LIMITS = { unknownBodies: 2 * BLOCK, tokenBodies: 4 * BLOCK, allBodies: 6 * BLOCK, bodyWait: 50 };
  const bodiesOf = (limits: Partial<BodyLimits> = {}) => new Bodies({ ...DEFAULT_LIMITS, ...LIMITS, ...limits }, BLOCK);
  const options = (token?: string) => ({ limit: MIB, contentLength: null, token });

  /** Begins to read as many blocks as are given. */
  async function begin(bodies: Bodies, blocks: number, token?: string) {
    const { source, send, end } = body();
    const before = bodies.size;
    const read = bodies.read(source, options(token));
    read.catch(() => {});
    for (let n = 0; n < blocks; n++) void send(BLOCK).catch(() => {});
    return { read, send, end, taken: () => vi.waitFor(() => expect(bodies.size - before).toBe(blocks * BLOCK)) };
  }

  // Beside the first block, which has room of its own.
  test.each([
    ['those of nobody known', undefined, 2],
    ['those of a token', 'a', 4],
  ])('%s: what just fits is read, one more is refused after a while', async (_, token, blocks) => {
    const bodies = bodiesOf();
    const first = await begin(bodies, 1 + blocks, token);
    await first.taken();
    const second = await begin(bodies, 2, token);
    await expect(second.read).rejects.toThrow(OverloadedError);
    await first.end();
    expect(await first.read).toHaveLength((1 + blocks) * BLOCK);
    expect(bodies.size).toBe(0);
  });

  test('all: tokens have room of their own, until it is the end for all', async () => {
    const bodies = bodiesOf();
    const held = [await begin(bodies, 5, 'a')];
    await held[0]?.taken();
    held.push(await begin(bodies, 3, 'b'));
    await vi.waitFor(() => expect(bodies.size).toBe(8 * BLOCK));
    await expect((await begin(bodies, 2, 'c')).read).rejects.toThrow(OverloadedError);
    for (const each of held) await each.end();
    await Promise.all(held.map(({ read }) => read));
    expect(bodies.size).toBe(0);
  });

  test.each([undefined, 'a'])('a small one waits for no large one: %s', async (token) => {
    const bodies = bodiesOf({ bodyWait: 1_000 });
    const held = await Promise.all([undefined, 'a', 'b'].map((each) => begin(bodies, 9, each)));
    await vi.waitFor(() => expect(bodies.size).toBe((3 + 6) * BLOCK));
    const small = await begin(bodies, 1, token);
    await small.end();
    expect(await small.read).toHaveLength(BLOCK);
    for (const { read } of held) await expect(read).rejects.toThrow(OverloadedError);
    expect(bodies.size).toBe(0);
  });

  test('of 512 small ones that do not come whole the oldest gives way, once it is slow', async () => {
    const bodies = bodiesOf({ bodyWait: 60_000 });
    const held = await Promise.all(Array.from({ length: 512 }, () => begin(bodies, 1)));
    await vi.waitFor(() => expect(bodies.size).toBe(512 * BLOCK));
    const known = await begin(bodies, 1, 'a');
    await known.taken();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const next = await begin(bodies, 1);
    await next.end();
    expect(await next.read).toHaveLength(BLOCK);
    await expect(held[0]?.read).rejects.toThrow(OverloadedError);
    for (const each of held.slice(1)) await each.end();
    expect((await Promise.all(held.slice(1).map(({ read }) => read))).length).toBe(511);
    await known.end();
    await known.read;
    expect(bodies.size).toBe(0);
  });

  test('what is kept of a body takes room until it is over, but for the first block', async () => {
    const bodies = bodiesOf();
    let over = () => {};
    const { source, send, end } = body();
    const kept = (free: () => void) => {
      over = free;
    };
    const read = bodies.read(source, { ...options('a'), kept });
    for (let n = 0; n < 5; n++) void send(BLOCK);
    await end();
    expect(await read).toHaveLength(5 * BLOCK);
    expect(bodies.size).toBe(4 * BLOCK);
    await expect((await begin(bodies, 2, 'a')).read).rejects.toThrow(OverloadedError);
    over();
    expect(bodies.size).toBe(0);
  });

  test('who waits goes on when there is room', async () => {
    const bodies = bodiesOf({ bodyWait: 60_000 });
    const first = await begin(bodies, 3);
    await first.taken();
    const second = await begin(bodies, 3);
    await first.end();
    await first.read;
    await second.end();
    expect(await second.read).toHaveLength(3 * BLOCK);
    expect(bodies.size).toBe(0);
  });

  test('who gets a block now and then waits no longer for that', async () => {
    const bodies = bodiesOf({ bodyWait: 1_500 });
    const first = await begin(bodies, 2);
    await first.taken();
    const second = await begin(bodies, 4);
    let refusal: unknown;
    second.read.catch((error: unknown) => {
      refusal = error;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(refusal).toBeUndefined();
    await first.end();
    await first.read; // now it waits for its fourth block, for half a second and not for as long again
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(refusal).toBeInstanceOf(OverloadedError);
    expect(bodies.size).toBe(0);
  });

  test('one that is late while it waits leaves nothing', async () => {
    const bodies = bodiesOf({ bodyWait: 60_000, bodyTimeout: 50 });
    const first = await begin(bodies, 3);
    const second = await begin(bodies, 2);
    await expect(first.read).rejects.toThrow(BodyRefusedError);
    await expect(second.read).rejects.toThrow(BodyRefusedError);
    await vi.waitFor(() => expect(bodies.size).toBe(0));
  });

  test('the bytes are what was sent, however it was cut', async () => {
    const sent = Buffer.from(Array.from({ length: 3 * BLOCK + 1 }, (_, n) => n % 251));
    for (const size of [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, sent.length]) {
      async function* pieces() {
        for (let from = 0; from < sent.length; from += size) yield sent.subarray(from, from + size);
      }
      const read = await bodiesOf().read(pieces(), options('a'));
      expect(read.equals(sent)).toBe(true);
    }
  });
});

/** Sends chunks of so many bytes until the connection is cut or all are sent; whether it was cut. */
async function chunks(port: number, path: string, headers: string[], bytes: number, count: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  atEnd(() => socket.destroy());
  const closed = once(socket, 'close').then(() => true);
  socket.write([`POST ${path} HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked', ...headers, '', ''].join('\r\n'));
  const chunk = `${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`;
  socket.write(chunk.repeat(count));
  socket.write('0\r\n\r\n');
  const answered = once(socket, 'data').then(() => false);
  return Promise.race([closed, answered]);
}

describe.each([
  ['/graphql', ['Content-Type: application/json', `Authorization: Bearer ${token}`]],
  ['/backend', []],
])('crumbs to %s', (path, headers) => {
  test('a thousand are taken, of any size', async () => {
    expect(await chunks(server.port, path, headers, 1, 1_000)).toBe(false);
  });
  test('one more cuts the connection', async () => {
    expect(await chunks(server.port, path, headers, 1, 1_100)).toBe(true);
  });
  test('of 64 bytes there may be any number', async () => {
    expect(await chunks(server.port, path, headers, 64, 20_000)).toBe(false);
  });
});

describe('time', () => {
  const late = gatewayOn(gateway.db, { config: { bodyTimeout: 200, headersTimeout: 200 } });

  test('a body that takes longer is refused', async () => {
    const slow = await listen(late);
    const graphql = slow.open({ token, headers: { 'Content-Type': 'application/json', 'Content-Length': '100' } });
    graphql.write('{');
    const { status, json } = await answerOf(graphql);
    expect([status, json.errors[0].extensions]).toEqual([408, { code: 'LIMIT_EXCEEDED', limit: 'BODY_TIMEOUT', max: 0.2 }]);
    const op = slow.open({ path: '/backend', headers: { 'Content-Length': '100' } });
    op.write('{');
    expect((await answerOf(op)).json).toEqual({
      result: false,
      error: 'RATELIMIT',
      error_description: 'The body of a request may take at most 0.2 seconds.',
    });
    for (const each of [graphql, op]) each.destroy();
  });

  test('a client that does not end its headers is closed', async () => {
    const { port } = await listen(late);
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    await once(socket.resume(), 'close');
  });
});

describe('over the room for those whose token is not known', () => {
  /** Sends all of a body but its end. */
  function hold(port: number, bytes: number): Socket {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    atEnd(() => socket.destroy());
    socket.write(`POST /backend HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`);
    socket.write(Buffer.alloc(bytes - 1, ' '));
    return socket;
  }
  const LIMITED = { bodyLimit: 64 * KIB, unknownBodies: 64 * KIB, bodyWait: 300 };

  test('an op is RATELIMIT after a while; GraphQL with a token goes on', async () => {
    const limited = await listen(gatewayOn(gateway.db, { config: LIMITED }));
    const long = ' '.repeat(2 * BLOCK);
    const op = (more = '') => limited.send({ path: '/backend', body: JSON.stringify({ op: 'appstats', token }) + more });
    expect((await op(long)).json).toMatchObject({ result: true });
    const held = hold(limited.port, 64 * KIB);
    await vi.waitFor(async () => expect((await op(long)).json).toMatchObject({ result: false, error: 'RATELIMIT' }));
    expect((await op()).json).toMatchObject({ result: true });
    expect((await limited.send({ token, body: QUERY + long })).status).toBe(200);
    const { status, json } = await limited.send({ body: QUERY + long });
    expect([status, json.errors[0].extensions.code]).toEqual([503, 'OVERLOADED']);
    held.destroy();
    await vi.waitFor(async () => expect((await op(long)).json).toMatchObject({ result: true }));
  });
});

test('a body that breaks off is nothing to log, with a token or without, of any type', async () => {
  for (const type of ['application/x-www-form-urlencoded', 'application/json', 'application/graphql']) {
    for (const authorization of ['', `Authorization: Bearer ${token}\r\n`]) {
      const socket = connect(server.port, '127.0.0.1');
      const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n${authorization}Content-Length: 100\r\n\r\n`;
      socket.write(`${head}query=`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      socket.destroy();
      await once(socket, 'close');
    }
  }
  expect((await server.send({ token, body: QUERY })).status).toBe(200);
});

test.each(['é'.repeat(9), '\ufeff'])('text is UTF-8, cut anywhere: %j', async (text) => {
  const sent = server.open({ token, headers: { 'Content-Type': 'application/json' } });
  const answer = answerOf(sent);
  const bytes = Buffer.from(`${text === '\ufeff' ? text : ''}${JSON.stringify({ query: `{ viewer { address } } # ${text}` })}`);
  for (const byte of bytes) await new Promise((resolve) => sent.write(Buffer.of(byte), resolve));
  sent.end();
  expect(await answer).toMatchObject({ status: 200 });
});

test('a body takes room until its operation is answered', async () => {
  const limited = await listen(gatewayOn(gateway.db, { config: { bodyLimit: 64 * KIB, tokenBodies: 64 * KIB, bodyWait: 100 } }));
  const body = (query: string) => JSON.stringify({ query, extensions: { x: ' '.repeat(48 * KIB) } });
  const stream = limited.open({ token, headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' } });
  stream.end(body('subscription { appChanges { __typename } }'));
  const [response] = await once(stream, 'response');
  expect(response.statusCode).toBe(200);
  const send = async (text: string) => (await limited.send({ token, body: text })).status;
  expect([await send(QUERY), await send(body('{ viewer { address } }'))]).toEqual([200, 503]);
  stream.destroy();
  await vi.waitFor(async () => expect(await send(body('{ viewer { address } }'))).toBe(200));
});
