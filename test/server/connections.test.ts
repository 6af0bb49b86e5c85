/** How many connections, sockets and streams one client may have, and what they may keep. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createAddresses } from '../../src/http/addresses.ts';
import { boundBacklog } from '../../src/http/backlog.ts';
import { atEnd } from '../setup/at-end.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { type Listener, listen } from '../setup/listener.ts';
import { until, watchOver } from '../setup/watch.ts';
import { addGroup } from '../watching/setup.ts';

const MIB = 1024 * 1024;
const lines: object[] = [];
const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const user = await caller.user('alice');
const limited = (config: Parameters<typeof gatewayOn>[1] & object) =>
  listen(gatewayOn(db, { level: 'error', onLog: (line) => lines.push(line), ...config }));
const QUERY = { query: '{ viewer { address } }' };

describe('whose a connection is', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::', '2001:db8:0:0'],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['::ffff:10.1.2.3', undefined],
    ['172.31.0.1', undefined],
    ['172.32.0.1', '172.32.0.1'],
    ['fe80::1%eth0', undefined],
    [undefined, undefined],
  ])('without proxies: %s', (peer, expected) => {
    expect(createAddresses(undefined).ofConnection(peer)).toBe(expected);
    expect(createAddresses(undefined).ofForwarded(peer, '203.0.113.9')).toBeUndefined();
  });

  test('with proxies: theirs are not counted by, private ones are', () => {
    const { ofConnection } = createAddresses(['10.0.0.0/8', '2001:db8::/32']);
    const of = (peer: string) => ofConnection(peer);
    expect(['10.1.2.3', '2001:db8::1', '127.0.0.1', '192.168.0.1'].map(of)).toEqual([
      undefined,
      undefined,
      '127.0.0.1',
      '192.168.0.1',
    ]);
  });

  test.each([
    ['10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['10.0.0.1', '10.0.0.3,10.0.0.2', undefined],
    ['10.0.0.1', 'unknown', undefined],
    ['10.0.0.1', undefined, undefined],
    ['203.0.113.1', '203.0.113.9', undefined],
  ])('forwarded by %s for %s', (peer, forwarded, expected) => {
    expect(createAddresses(['10.0.0.0/8']).ofForwarded(peer, forwarded)).toBe(expected);
  });
});

describe('connections that have shown no valid token', () => {
  const DIRECT = { config: { strangers: 3, trustedProxies: ['192.0.2.1'] } };

  async function connectTo(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    atEnd(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  }

  test('three of one address stay, the next is refused, and may come when one has gone', async () => {
    const server = await limited(DIRECT);
    const held = [];
    for (let n = 0; n < 3; n++) held.push(await connectTo(server.port));
    const [answer] = await once((await connectTo(server.port)).setEncoding('utf8'), 'data');
    expect(answer).toMatch(/^HTTP\/1\.1 429 .*\r\nRetry-After: 10\r\n/s);
    expect(held.every(({ closed }) => !closed)).toBe(true);
    held[0]?.destroy();
    await vi.waitFor(async () => expect((await server.send({ method: 'GET', path: '/healthz' })).status).toBe(200));
  });

  test.each([
    ['by GraphQL', 'POST /graphql', `Authorization: Bearer ${caller.token}\r\n`, JSON.stringify(QUERY)],
    ['by an op', 'POST /backend', '', JSON.stringify({ op: 'appstats', token: caller.token })],
  ])('who has shown one is not counted: %s', async (_, line, header, body) => {
    const server = await limited(DIRECT);
    for (let n = 0; n < 6; n++) {
      const socket = await connectTo(server.port);
      const type = 'Content-Type: application/json\r\n';
      socket.write(`${line} HTTP/1.1\r\nHost: x\r\n${type}${header}Content-Length: ${body.length}\r\n\r\n${body}`);
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  test('nor one that has shown it by WebSocket', async () => {
    const server = await limited(DIRECT);
    for (let n = 0; n < 6; n++) await openSocket(server, caller.token);
  });

  test('without TRUSTED_PROXIES this machine may have any number', async () => {
    const server = await limited({ config: { strangers: 3 } });
    for (let n = 0; n < 10; n++) await connectTo(server.port);
    expect((await server.send({ method: 'GET', path: '/healthz' })).status).toBe(200);
  });

  test('through a proxy, requests count by the address that it saw', async () => {
    const server = await limited({ config: { strangers: 3, trustedProxies: ['127.0.0.1'] } });
    const from = (address: string) => ({ 'X-Forwarded-For': address });
    const status = async (address: string) =>
      (await server.send({ method: 'GET', path: '/healthz', headers: from(address) })).status;
    const held = Array.from({ length: 3 }, () =>
      server.open({ path: '/backend', headers: { ...from('203.0.113.9'), 'Content-Length': '10' } }),
    );
    await vi.waitFor(async () => expect(await status('203.0.113.9')).toBe(429));
    expect(await status('203.0.113.10')).toBe(200);
    const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws', { headers: from('203.0.113.9') });
    expect(String((await once(socket, 'error'))[0])).toContain('429');
    for (const each of held) each.destroy();
    await vi.waitFor(async () => expect(await status('203.0.113.9')).toBe(200));
  });
});

/** A socket that has sent connection_init, and how it was closed. */
async function openSocket({ url }: Listener, token: string) {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws');
  atEnd(() => socket.terminate());
  const messages: { type: string; id?: string; payload?: { extensions: object }[] }[] = [];
  const closed: [code: number, reason: string][] = [];
  socket.on('error', () => {});
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  socket.on('close', (code, reason) => closed.push([code, String(reason)]));
  await once(socket, 'open');
  const send = (message: object) => socket.send(JSON.stringify(message));
  send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  await vi.waitFor(() => expect(messages.length + closed.length).toBeGreaterThan(0), { timeout: 10_000 });
  return { socket, send, messages, closed };
}

describe('WebSockets of one token', () => {
  test.each([
    ['a user', user.token, { userSockets: 2, appSockets: 1 }],
    ['an application', caller.token, { userSockets: 1, appSockets: 2 }],
  ])('two of %s stay, the next is closed, and may come when one has gone', async (_, token, config) => {
    const server = await limited({ config });
    const first = await openSocket(server, token);
    const second = await openSocket(server, token);
    expect((await openSocket(server, token)).closed).toEqual([[4429, 'A token may have at most 2 WebSockets']]);
    expect([first.closed, second.closed]).toEqual([[], []]);
    first.socket.close();
    await vi.waitFor(async () => expect((await openSocket(server, token)).closed).toEqual([]), { timeout: 10_000 });
  });
});

describe('streams of one token', () => {
  const QUERY_STREAM = 'subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename } }';
  test.each([
    ['a user', 'USER_STREAMS', { userStreams: 2, appStreams: 1 }, () => user.token],
    ['an application', 'APP_STREAMS', { userStreams: 1, appStreams: 2 }, () => caller.token],
  ])('two of %s stay, by either transport, and the next may come when one has ended', async (_, limit, config, token) => {
    const server = await limited({ config });
    const { gid } = await addGroup(caller, { members: [{ addresses: ['alice'] }] });
    const watch = (transport: 'sse' | 'websocket') => watchOver(transport, server, token(), QUERY_STREAM, { gid });
    const first = watch('sse');
    await first.ready();
    const second = watch('websocket');
    await second.ready();
    for (const transport of ['sse', 'websocket'] as const) {
      const third = watch(transport);
      expect(await third.end).toBe('LIMIT_EXCEEDED');
      expect(third.errors[0]?.extensions).toEqual({ code: 'LIMIT_EXCEEDED', limit, max: 2 });
    }
    await first.stop();
    await until(async () => {
      const next = watch('sse');
      await until(() => next.ended ?? next.events.length);
      const began = next.ended === undefined;
      await next.stop();
      return began;
    });
    await second.stop();
  });
});

describe('a message', () => {
  /** connection_init in a frame of so many bytes, with the frame's own 8. */
  const greeting = (bytes: number) => {
    const text = JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${caller.token}`, x: '' } });
    return text.replace('"x":""', `"x":"${'x'.repeat(bytes - 8 - text.length)}"`);
  };

  test.each([
    [4096, []],
    [4097, [[4400, 'Too much before connection_init']]],
  ])('before connection_init was read, %d bytes', async (bytes, expected) => {
    const server = await limited({});
    const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws');
    const closed: unknown[] = [];
    socket.on('error', () => {}).on('close', (code, reason) => closed.push([code, String(reason)]));
    await once(socket, 'open');
    const first = Promise.race([once(socket, 'message'), once(socket, 'close')]);
    socket.send(greeting(bytes));
    await first;
    expect(closed).toEqual(expected);
    socket.terminate();
  });

  test.each([
    [MIB, []],
    [MIB + 1, [[1009, '']]],
  ])('after it, %d bytes', async (bytes, expected) => {
    const { socket, messages, closed } = await openSocket(await limited({}), caller.token);
    const ping = JSON.stringify({ type: 'ping', payload: { x: '' } });
    socket.send(ping.replace('""', `"${'x'.repeat(bytes - ping.length)}"`));
    await vi.waitFor(() => expect(messages.length + closed.length).toBe(2), { timeout: 10_000 });
    expect(closed).toEqual(expected);
    socket.terminate();
  });

  /** A frame of a client, masked with zeros. */
  const frame = (first: number, text: string) =>
    Buffer.concat([Buffer.of(first, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)]);
  const PING = '{"type":"ping"}';

  test.each([
    [8_192, []],
    [8_193, [[1008, '']]],
  ])('in %d fragments', async (count, expected) => {
    const { socket, messages, closed } = await openSocket(await limited({}), caller.token);
    const { _socket: wire } = socket as unknown as { _socket: Socket };
    const empty = Buffer.concat(Array(count - 2).fill(frame(0, '')));
    wire.write(Buffer.concat([frame(0x01, PING), empty, frame(0x80, '')]));
    await vi.waitFor(() => expect(messages.length + closed.length).toBe(2), { timeout: 10_000 });
    expect(closed).toEqual(expected);
    socket.terminate();
  });

  test.each([
    ['8,000 bytes one by one', 8_000, []],
    ['10,000 bytes one by one', 10_000, [[1008, '']]],
  ])('that comes in %s', async (_, count, expected) => {
    const server = await limited({});
    let ours: Socket | undefined;
    server.server.on('connection', (socket: Socket) => {
      ours = socket;
    });
    const { socket, messages, closed } = await openSocket(server, caller.token);
    const head = Buffer.from([0x81, 0xfe, 0, 0, 0, 0, 0, 0]);
    head.writeUInt16BE(count, 2);
    ours?.emit('data', head);
    for (const letter of PING.padEnd(count)) ours?.emit('data', Buffer.from(letter));
    await vi.waitFor(() => expect(messages.length + closed.length).toBe(2), { timeout: 10_000 });
    expect(closed).toEqual(expected);
    socket.terminate();
  });

  test('is handled in a turn of its own, and in order, however long', async () => {
    const { socket, messages } = await openSocket(await limited({}), caller.token);
    let turns = 0;
    let counting = true;
    const count = () => {
      turns++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const { _socket: wire } = socket as unknown as { _socket: Socket };
    wire.write(Buffer.concat(Array<Buffer>(1_000).fill(frame(0x81, PING))));
    for (let n = 0; n < 10; n++) {
      socket.send(JSON.stringify({ type: 'ping', payload: { n, x: 'x'.repeat(n % 3 === 0 ? 100_000 : 1) } }));
    }
    const payloads = () => messages.flatMap(({ payload }) => ((payload as { n?: number })?.n === undefined ? [] : [payload]));
    await vi.waitFor(() => expect(payloads()).toHaveLength(10), { timeout: 10_000 });
    counting = false;
    expect(payloads()).toMatchObject(Array.from({ length: 10 }, (_, n) => ({ n })));
    expect(turns).toBeGreaterThan(1_000);
    socket.terminate();
  });

  test.each(['next', 'error', 'connection_ack'])('that only servers send is the mistake of its client: %s', async (type) => {
    const server = await limited({});
    const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws');
    await once(socket, 'open');
    const closed = once(socket, 'close');
    socket.send(JSON.stringify({ type, id: 'x', payload: type === 'error' ? [{ message: 'x' }] : {} }));
    const [code, reason] = await closed;
    expect([code, String(reason)]).toEqual([4400, 'Unexpected message']);
    expect(lines).toEqual([]);
  });

  test('with an id in use whose letters are long is one, too', async () => {
    const { send, closed } = await openSocket(await limited({}), caller.token);
    const { gid } = await addGroup(caller);
    const payload = { query: 'subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename } }', variables: { gid } };
    for (let n = 0; n < 2; n++) send({ type: 'subscribe', id: '漢'.repeat(100), payload });
    await vi.waitFor(() => expect(closed).toEqual([[4409, '']]), { timeout: 10_000 });
    expect(lines).toEqual([]);
  });
});

describe('on one WebSocket', () => {
  test('so many operations run at once, and the next may when one has ended', async () => {
    const { socket, send, messages } = await openSocket(await limited({ config: { maxOperations: 2 } }), caller.token);
    const { gid } = await addGroup(caller);
    const payload = { query: 'subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename } }', variables: { gid } };
    const begin = async (id: string) => {
      send({ type: 'subscribe', id, payload });
      await vi.waitFor(() => expect(messages.some((message) => message.id === id)).toBe(true), { timeout: 10_000 });
      const { type, payload: errors } = messages.find((message) => message.id === id) ?? {};
      return type === 'error' ? errors?.[0]?.extensions : type;
    };
    const refusal = { code: 'LIMIT_EXCEEDED', limit: 'MAX_OPERATIONS', max: 2 };
    expect([await begin('1'), await begin('2'), await begin('3')]).toEqual(['next', 'next', refusal]);
    send({ type: 'complete', id: '1' });
    await vi.waitFor(async () => expect(await begin(`${Math.random()}`)).toBe('next'), { timeout: 10_000 });
    socket.terminate();
  });

  test.each([
    [64 * 1024, true],
    [64 * MIB, false],
  ])('nothing is read while %d bytes wait for it', async (clientBacklog, expected) => {
    const server = await limited({ config: { clientBacklog, allBacklog: 256 * MIB } });
    let ours: Socket | undefined;
    server.server.on('connection', (socket: Socket) => {
      ours = socket;
    });
    const { socket, send } = await openSocket(server, caller.token);
    socket.pause();
    for (let n = 0; n < 200; n++) send({ type: 'ping', payload: { x: 'x'.repeat(100_000) } });
    if (expected) await vi.waitFor(() => expect(ours?.isPaused()).toBe(true), { timeout: 10_000 });
    else await vi.waitFor(() => expect(ours?.bytesRead).toBeGreaterThan(200 * 100_000), { timeout: 10_000 });
    expect(ours?.isPaused()).toBe(expected);
    socket.terminate();
  });
});

describe('bytes that wait for all clients', () => {
  /** Clients that read nothing of answers of so many bytes each. */
  async function unread(most: number, sizes: number[]) {
    const server = createServer((req, res) => res.end(Buffer.alloc(Number(req.url?.slice(1)))));
    boundBacklog(server, most, pino({ level: 'silent' }));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    atEnd(() => {
      server.closeAllConnections();
      server.close();
    });
    const ours: Socket[] = [];
    server.on('connection', (socket: Socket) => ours.push(socket));
    for (const size of sizes) {
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
        .pause()
        .on('error', () => {});
      atEnd(() => client.destroy());
      client.write(`GET /${size} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await once(client, 'readable');
    }
    return ours;
  }

  test('are bounded: who has most is cut, the others stay', async () => {
    const ours = await unread(40 * MIB, [20 * MIB, 30 * MIB, 12 * MIB]);
    await vi.waitFor(() => expect(ours.map(({ destroyed }) => destroyed)).toEqual([false, true, false]));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(ours.map(({ destroyed }) => destroyed)).toEqual([false, true, false]);
  });

  test('within the bound nobody is cut', async () => {
    const ours = await unread(40 * MIB, [20 * MIB, 12 * MIB]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(ours.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  });
});
