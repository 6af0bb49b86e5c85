/** The endpoint as HTTP: methods, limits, modes, and what the log gets. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.ts';
import { Bodies } from '../../src/http/bodies.ts';
import { createOpEndpoint } from '../../src/http/op-endpoint.ts';
import { OwnBuckets } from '../../src/http/rates/buckets.ts';
import { Gate } from '../../src/http/rates/gate.ts';
import { sql } from '../setup/database.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { FORM_TYPE, flat, type HttpRequest, JSON_TYPE, type Json, openOps, sendHttp } from './setup.ts';

const lines: Json[] = [];
const ops = await openOps({ onLog: (line) => lines.push(line), level: 'trace' });
const { db } = ops.gateway;
const app = await ops.app();
const { token, viewer } = app;
const PATHS = ['/backend', '/backend/', '/api.php'];
const LIMIT = 8 * 1024 * 1024;
const HOUR = 3_600_000;
const TOO_LARGE = {
  result: false,
  error: 'TOOLARGE',
  error_description: `The body of a request may have at most ${LIMIT} bytes.`,
};

const changes = async () => (await sql<{ count: number }>(db, 'select count(*)::int as count from changes'))[0]?.count;

describe.each(PATHS)('%s', (path) => {
  const query = { op: 'groupadd', token };

  test('OPTIONS is a preflight and runs nothing', async () => {
    const before = await changes();
    const headers = { Origin: 'https://elsewhere.example', 'Access-Control-Request-Method': 'POST' };
    for (const body of [undefined, JSON.stringify(query)]) {
      const answer = await ops.send({ method: 'OPTIONS', path, query, headers, body });
      expect(answer).toMatchObject({ status: 204, text: '' });
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': '*',
        'cache-control': 'no-store',
      });
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    }
    expect(await changes()).toBe(before);
  });

  test('HEAD is 405 and runs nothing', async () => {
    const before = await changes();
    const answer = await ops.send({ method: 'HEAD', path, query });
    expect(answer).toMatchObject({ status: 405, text: '' });
    expect(answer.headers).toMatchObject({ allow: 'GET, POST, PUT, PATCH, DELETE, OPTIONS', 'cache-control': 'no-store' });
    expect(await changes()).toBe(before);
  });

  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PURGE', 'REPORT'])('%s runs the op', async (method) => {
    const answer = await ops.send({ method, path, query, headers: { Origin: 'https://elsewhere.example' } });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({ op: 'groupadd', result: true, group: { gid: expect.any(Number) } });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
      'content-length': String(Buffer.byteLength(answer.text)),
    });
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
  });
});

test('other paths are not the endpoint', async () => {
  const before = await changes();
  for (const path of ['/backend/x', '/Backend', '/backend//', '/api.php/', '/api', '/', '/graphql/backend']) {
    expect((await ops.send({ path, query: { op: 'groupadd', token } })).status).toBe(404);
  }
  expect(await changes()).toBe(before);
});

describe('a body over 8 MiB', () => {
  const request = (length: number) => {
    const envelope = JSON.stringify({ op: 'groupadd', token, x: '' });
    return envelope.replace('""', `"${'x'.repeat(length - envelope.length)}"`);
  };

  /** The endpoint with a patience of its own for those that go on sending, in milliseconds. */
  const withLinger = async (linger: number) => {
    const endpoint = createOpEndpoint({
      ...{ db, log: pino({ level: 'silent' }), config: { ...DEFAULT_LIMITS, opEndpoint: 'on', bodyLimit: LIMIT }, linger },
      bodies: new Bodies(DEFAULT_LIMITS, LIMIT),
      gate: new Gate(DEFAULT_LIMITS, new OwnBuckets(), pino({ level: 'silent' })),
      ...{ authenticate: async () => null },
    });
    const server = createServer(endpoint.listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, port: (server.address() as AddressInfo).port };
  };

  test('the limit itself is taken, a byte more is not', async () => {
    const send = (body: string) => ops.answer({ method: 'POST', headers: JSON_TYPE, body });
    expect(request(LIMIT)).toHaveLength(LIMIT);
    expect(await send(request(LIMIT))).toEqual({ op: 'groupadd', result: true, group: { gid: expect.any(Number) } });
    const before = await changes();
    expect(await send(request(LIMIT + 1))).toEqual(TOO_LARGE);
    expect(await changes()).toBe(before);
  });

  test('a lower BODY_LIMIT holds here too', async () => {
    const small = await openOps({ config: { bodyLimit: 1024 } });
    const { token: smallToken } = await small.app();
    const send = (x: string) =>
      small.answer({ method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ op: 'appstats', token: smallToken, x }) });
    expect(await send('')).toMatchObject({ result: true });
    expect(await send('x'.repeat(1024))).toEqual({
      ...TOO_LARGE,
      error_description: 'The body of a request may have at most 1024 bytes.',
    });
  });

  test.each([
    ['announced', `Content-Length: ${100 * 1024 * 1024}`, '{"op":'],
    ['in chunks', 'Transfer-Encoding: chunked', `${(LIMIT + 1).toString(16)}\r\n${'x'.repeat(LIMIT + 1)}\r\n`],
  ])('%s: the answer comes before the rest of it, which is never sent', async (_, header, beginning) => {
    const socket = connect(ops.port, '127.0.0.1');
    socket.write(`POST /backend?op=groupadd&token=${token} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n${beginning}`);
    let received = '';
    while (!received.includes('}')) received += String((await once(socket, 'data'))[0]);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(received).toMatch(/\r\nConnection: close\r\n/i);
    expect(JSON.parse(received.slice(received.indexOf('{')))).toEqual(TOO_LARGE);
    socket.destroy();
  });

  test('a client that stalls after it has the answer is closed after a while', async () => {
    const stalled = async (linger: number) => {
      const { server, port } = await withLinger(linger);
      const socket = connect(port, '127.0.0.1');
      socket.write(`POST /backend HTTP/1.1\r\nHost: x\r\nContent-Length: ${LIMIT + 1}\r\n\r\n{"op":`);
      let received = '';
      while (!received.includes('}')) received += String((await once(socket, 'data'))[0]);
      expect(JSON.parse(received.slice(received.indexOf('{')))).toEqual(TOO_LARGE);
      return { server, socket };
    };
    // The answer does not wait for the end of the patience.
    const hour = await stalled(HOUR);
    hour.socket.destroy();
    const moment = await stalled(100);
    await once(moment.socket, 'close');
    for (const { server } of [hour, moment]) await once(server.close(), 'close');
  }, 30_000);

  test('eight clients that send 40 MB all the same get the answer, and memory stays flat', async () => {
    const MEGABYTE = Buffer.alloc(1024 * 1024, 0x61);
    // However slow the machine: nobody is cut off.
    const { server, port } = await withLinger(HOUR);
    const memory = () => process.memoryUsage().arrayBuffers;
    const before = memory();
    let peak = before;
    const upload = async (header: string, frame: (chunk: Uint8Array) => Uint8Array) => {
      const socket = connect(port, '127.0.0.1');
      let received = '';
      socket.on('data', (data) => {
        received += String(data);
      });
      socket.write(`POST /backend HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`);
      for (let sent = 0; sent < 40; sent++) {
        if (!socket.write(frame(MEGABYTE))) await once(socket, 'drain');
        peak = Math.max(peak, memory());
      }
      while (!received.includes('}')) await once(socket, 'data');
      socket.destroy();
      return JSON.parse(received.slice(received.indexOf('{')));
    };
    const chunk = (data: Uint8Array) =>
      Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
    const uploads = [1, 2, 3, 4].flatMap(() => [
      upload(`Content-Length: ${40 * MEGABYTE.length}`, (data) => data),
      upload('Transfer-Encoding: chunked', chunk),
    ]);
    expect(await Promise.all(uploads)).toEqual(Array(8).fill(TOO_LARGE));
    await once(server.close(), 'close');
    // 320 MB went by. What four chunked bodies may hold before they are refused is 32 MiB; the test's own chunks are in it too.
    expect(peak - before).toBeLessThan(200 * MEGABYTE.length);
  });
});

test('a client that goes away in the middle of its body runs nothing', async () => {
  const before = await changes();
  const body = JSON.stringify({ op: 'groupadd', token });
  const socket = connect(ops.port, '127.0.0.1');
  socket.write(`POST /backend HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}`);
  await new Promise<void>((resolve) => socket.end(resolve));
  await once(socket.resume(), 'close');
  expect(await changes()).toBe(before);
  expect(await app.json({ op: 'appstats' })).toMatchObject({ result: true });
});

test('any origin may call, whatever ALLOWED_ORIGINS says', async () => {
  const strict = gatewayOn(db, { config: { allowedOrigins: ['https://app.example'] } });
  const server = strict.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const query = { op: 'appstats', token };
  for (const method of ['GET', 'OPTIONS']) {
    const answer = await sendHttp(port, { method, query, headers: { Origin: 'https://elsewhere.example' } });
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': '*' });
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    if (method === 'GET') expect(JSON.parse(answer.text)).toMatchObject({ result: true });
  }
  server.close();
  server.closeAllConnections();
});

test('what Node refuses itself, with a status of its own', async () => {
  const before = await changes();
  const query = { op: 'groupadd', token };
  expect((await ops.send({ method: 'POST', query, headers: { Expect: 'more' }, body: '{}' })).status).toBe(417);
  const socket = connect(ops.port, '127.0.0.1');
  socket.write(`GET /backend?${flat(query)} HTTP/1.1\r\n\r\n`);
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 /);
  socket.destroy();
  expect(await changes()).toBe(before);
  const awaited = await ops.send({ method: 'POST', query, headers: { Expect: '100-continue' }, body: '{}' });
  expect(JSON.parse(awaited.text)).toMatchObject({ result: true });
});

describe('OP_ENDPOINT', () => {
  test('post: a token in the URL is refused, even a good one beside one in the body', async () => {
    const post = await openOps({ config: { opEndpoint: 'post' } });
    const { token: secret } = await post.app();
    const sentence = 'The token may not stand in the URL here; send it in the body.';
    const refused = { op: 'groupadd', result: false, error: 'AUTHFAIL', error_description: sentence };
    const json = JSON.stringify({ op: 'groupadd', token: secret });
    expect(await post.answer({ query: { op: 'groupadd', token: secret } })).toEqual(refused);
    expect(await post.answer({ method: 'POST', query: { op: 'groupadd', token: secret }, body: '' })).toEqual(refused);
    expect(await post.answer({ method: 'POST', query: { token: secret }, body: json })).toEqual(refused);
    expect(
      await post.answer({
        method: 'POST',
        query: { token: 'other' },
        headers: FORM_TYPE,
        body: flat({ op: 'groupadd', token: secret }),
      }),
    ).toEqual(refused);
    const made = { op: 'groupadd', result: true, group: { gid: expect.any(Number) } };
    expect(await post.answer({ method: 'POST', headers: JSON_TYPE, body: json })).toEqual(made);
    expect(await post.answer({ query: { name: 'N' }, headers: JSON_TYPE, body: json })).toEqual(made);
    expect(
      await post.answer({ method: 'POST', query: { op: 'groupadd' }, headers: FORM_TYPE, body: flat({ token: secret }) }),
    ).toEqual(made);
  });

  test('off: there is no such path', async () => {
    const off = await openOps({ config: { opEndpoint: 'off' } });
    const { token: secret } = await off.app();
    for (const path of PATHS) {
      for (const method of ['GET', 'POST', 'HEAD', 'DELETE']) {
        const answer = await off.send({ method, path, query: { op: 'groupadd', token: secret } });
        expect(answer.status).toBe(404);
        expect(answer.text).not.toContain(secret);
      }
    }
    expect(await sql(off.gateway.db, 'select 1 from groups')).toEqual([]);
  });
});

describe('the log', () => {
  const logged = async (request: HttpRequest, level: number) => {
    lines.length = 0;
    const { text, headers } = await ops.send(request);
    const answer = JSON.parse(text);
    const entry = lines.find((line) => line['level'] === level && line['requestId'] === headers['x-request-id']);
    return { answer, entry, all: JSON.stringify(lines) };
  };

  test('a request with its op, app and code, and without its query', async () => {
    const { entry } = await logged(
      { path: '/api.php', query: { op: 'groupget', token, gid: 1 }, headers: { 'X-Request-Id': 'mine' } },
      30,
    );
    expect(entry).toMatchObject({
      ...{
        requestId: 'mine',
        method: 'GET',
        path: '/api.php',
        status: 200,
        app: viewer.appName,
        op: 'groupget',
        error: 'BADGROUP',
      },
      msg: 'op',
    });
  });

  test('never a token, wherever a client puts it', async () => {
    const { answer: made, all: first } = await logged({ query: { op: 'useradd', token, address: 'ann' } }, 30);
    const secrets = [token, made['user'].token];
    for (const secret of secrets) expect(first).not.toContain(secret);
    const user = { address: secrets[1] };
    const requests: HttpRequest[] = secrets.flatMap((secret): HttpRequest[] => [
      { query: { op: secret, token: secret, id: 'x' } },
      { query: { op: 'appstats', token: secret, [secret]: secret } },
      { query: `op=appstats&token=${secret}&x=%` },
      { method: 'POST', query: { token: secret }, headers: JSON_TYPE, body: `{"token":"${secret}",` },
      { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ op: 'userset', token: secret, user, id: secret }) },
      { method: 'POST', headers: FORM_TYPE, body: flat({ op: 'groupadd', token: secret, name: secret.repeat(9) }) },
      { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ op: 'groupset', token: secret, group: { gid: secret } }) },
      { method: 'DELETE', query: { op: 'groupdel', gid: 1, token: secret }, body: '{}' },
    ]);
    for (const request of requests) {
      const { all } = await logged(request, 30);
      for (const secret of secrets) expect(all).not.toContain(secret);
    }
  });

  test('nor does an answer have one, but where a user token is made', async () => {
    for (const op of ['appstats', 'groupsget', 'userset', 'userdel']) {
      expect(JSON.stringify(await app.json({ op, user: { address: 'ann' } }))).not.toContain('rollcall_');
    }
  });
});

test('what nobody expected is SERVERERROR, logged whole with the id, and says nothing', async () => {
  const broken = await openTestGateway({ onLog: (line) => failures.push(line), level: 'info' });
  const failures: Json[] = [];
  const server = broken.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const caller = await broken.caller();
  await sql(broken.db, 'alter table members rename to lost');
  const query = { op: 'groupadd', token: caller.token, m: 'ann', id: 4 };
  const { status, headers, text } = await sendHttp(port, { query });
  expect({ status, body: JSON.parse(text) }).toEqual({
    status: 200,
    body: {
      ...{ op: 'groupadd', id: 4, result: false, error: 'SERVERERROR' },
      error_description: `Something went wrong inside; the log has it under the request id ${headers['x-request-id']}.`,
    },
  });
  expect(failures.filter(({ level }) => level === 50)).toEqual([
    expect.objectContaining({ msg: 'unexpected error', requestId: headers['x-request-id'], op: 'groupadd' }),
  ]);
  expect(JSON.stringify(failures)).toContain('members');
  expect(JSON.stringify(failures)).not.toContain(caller.token);
  expect(await sql(broken.db, 'select 1 from groups')).toEqual([]);
  server.close();
  server.closeAllConnections();
});
