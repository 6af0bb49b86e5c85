/** Requests to `gateway.fetch` get the answers that they get through a port, and leave the same lines in the log. */
import { afterEach, describe, expect, test } from 'vitest';
import { sql } from '../setup/database.ts';
import { FORM_TYPE, flat, type HttpRequest, JSON_TYPE, type Json, openOps, SENTENCE } from './setup.ts';

const LIMIT = 4096;
const lines: Json[] = [];
const ops = await openOps({ config: { bodyLimit: LIMIT }, onLog: (line) => lines.push(line), level: 'info' });
const { gateway } = ops;
const { token, viewer } = await ops.app();

interface Answer {
  status: number;
  headers: Json;
  text: string;
}

/** Fields that belong to the connection and not to the answer. */
const OF_CONNECTIONS = ['connection', 'date', 'keep-alive', 'transfer-encoding'];

async function throughPort(request: HttpRequest): Promise<Answer> {
  const { headers, ...answer } = await ops.send(request);
  return { ...answer, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_CONNECTIONS.includes(name))) };
}

function requestOf({ method = 'GET', path = '/backend', query, headers, body }: HttpRequest): Request {
  const search = typeof query === 'string' ? query : query && flat(query);
  return new Request(`http://gateway${path}${search ? `?${search}` : ''}`, {
    method,
    headers: headers ?? {},
    body: typeof body === 'string' ? body : body && new Uint8Array(body),
  });
}

/** Its body comes as a stream. */
function streamed(body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request {
  const init = { method: 'POST', headers, body, duplex: 'half' };
  return new Request('http://gateway/backend', init);
}

async function throughFetch(request: HttpRequest): Promise<Answer> {
  const response = await gateway.fetch(requestOf(request));
  return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
}

/** Both answers, which have to be the same, and what was logged of each. */
async function bothWays(request: HttpRequest): Promise<Answer> {
  const given = { ...request, headers: { 'X-Request-Id': 'mine', ...request.headers } };
  const logOf = async (send: () => Promise<Answer>) => {
    lines.length = 0;
    const answer = await send();
    return { answer, logged: lines.map(({ ms, time, ...line }) => line) };
  };
  const port = await logOf(() => throughPort(given));
  const fetched = await logOf(() => throughFetch(given));
  expect(fetched).toEqual(port);
  return fetched.answer;
}

afterEach(async () => {
  expect(await sql(gateway.db, 'select gid from groups')).toEqual([]);
});

const json = (body: object) => ({ method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) });
const STATS = { op: 'appstats', result: true, app: { name: viewer.appName, aid: viewer.appId } };
const refused = (error: string, more: object = {}) => ({ ...more, result: false, error, error_description: SENTENCE });

describe.each(['/backend', '/backend/', '/api.php'])('%s', (path) => {
  test.each<[string, HttpRequest, object]>([
    ['a query', { query: { op: 'appstats', token, id: 3 } }, { ...STATS, id: 3 }],
    ['a query by DELETE', { method: 'DELETE', query: { op: 'appstats', token } }, STATS],
    ['JSON', json({ op: 'appstats', token, id: 3 }), { ...STATS, id: 3 }],
    ['JSON that says to be text', { method: 'PUT', body: JSON.stringify({ op: 'appstats', token }) }, STATS],
    ['a form', { method: 'POST', headers: FORM_TYPE, body: flat({ op: 'appstats', token }) }, STATS],
    ['an empty body and a query', { method: 'POST', query: { op: 'appstats', token }, body: '' }, STATS],
    ['bytes', { method: 'POST', body: new TextEncoder().encode(JSON.stringify({ op: 'appstats', token })) }, STATS],
    ['no op', {}, refused('BADOP')],
    ['an unknown op', { query: { op: 'nope', id: 3 } }, refused('BADOP', { op: 'nope', id: 3 })],
    ['no token', { query: { op: 'appstats' } }, refused('AUTHFAIL', { op: 'appstats' })],
    ['a wrong token', json({ op: 'appstats', token: `${token}x` }), refused('AUTHFAIL', { op: 'appstats' })],
    ['a group that is none', json({ op: 'groupget', token, group: { gid: 5 } }), refused('BADGROUP', { op: 'groupget' })],
    ['no gid', json({ op: 'groupdel', token }), refused('MISSINGPARA', { op: 'groupdel' })],
    ['broken JSON', { method: 'POST', body: '{"op":' }, refused('BADPARA')],
    ['no UTF-8', { method: 'POST', body: new Uint8Array([0x7b, 0xff, 0x7d]) }, refused('BADPARA')],
    ['a broken escape', { query: `op=appstats&token=${token}&x=%` }, refused('BADPARA')],
    ['a query beyond ASCII', { query: { op: 'groupé' } }, refused('BADOP', { op: 'groupé' })],
    ['a part', { method: 'POST', headers: { 'Content-Type': 'multipart/form-data' }, body: '--x--' }, refused('BADPARA')],
    ['a byte too many', { method: 'POST', body: ' '.repeat(LIMIT + 1) }, refused('TOOLARGE')],
  ])('%s', async (_, request, expected) => {
    const { status, headers, text } = await bothWays({ path, ...request });
    expect({ status, answer: JSON.parse(text) }).toEqual({ status: 200, answer: expected });
    expect(headers).toEqual({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'X-Request-Id, RateLimit, RateLimit-Policy, Retry-After',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-length': String(Buffer.byteLength(text)),
      'content-type': 'application/json',
      'x-request-id': 'mine',
    });
    expect(lines).toEqual([expect.objectContaining({ msg: 'op', path, status: 200, requestId: 'mine' })]);
  });

  test('the limit itself is taken', async () => {
    const { text } = await bothWays({ path, method: 'POST', body: JSON.stringify({ op: 'appstats', token }).padEnd(LIMIT) });
    expect(JSON.parse(text)).toEqual(STATS);
  });

  test('OPTIONS', async () => {
    const headers = { Origin: 'https://elsewhere.example', 'Access-Control-Request-Method': 'POST' };
    expect(await bothWays({ path, method: 'OPTIONS', headers, query: { op: 'groupadd', token } })).toEqual({
      status: 204,
      text: '',
      headers: {
        'access-control-allow-headers': '*',
        'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE',
        'access-control-allow-origin': '*',
        'access-control-max-age': '3600',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      },
    });
  });

  test('HEAD', async () => {
    expect(await bothWays({ path, method: 'HEAD', query: { op: 'groupadd', token } })).toEqual({
      status: 405,
      text: '',
      headers: {
        'access-control-allow-origin': '*',
        allow: 'GET, POST, PUT, PATCH, DELETE, OPTIONS',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      },
    });
  });
});

test.each<[string, HttpRequest, number, string]>([
  ['health', { path: '/healthz' }, 200, 'ok\n'],
  ['health by HEAD', { method: 'HEAD', path: '/healthz' }, 200, ''],
  ['readiness', { path: '/readyz', query: 'x' }, 200, 'ready\n'],
  ['a path that is none', { path: '/backend/x' }, 404, ''],
  ['another', { path: '/healthz/' }, 404, ''],
])('%s', async (_, request, status, text) => {
  expect(await bothWays(request)).toMatchObject({ status, text });
});

test('GraphQL', async () => {
  const headers = { ...JSON_TYPE, Authorization: `Bearer ${token}`, Origin: 'http://localhost:3000' };
  const body = JSON.stringify({ query: '{ viewer { app { name } } }' });
  const { status, text } = await bothWays({ method: 'POST', path: '/graphql', headers, body });
  expect({ status, answer: JSON.parse(text) }).toEqual({
    status: 200,
    answer: { data: { viewer: { app: { name: viewer.appName } } } },
  });
});

test('a body without an end is read no further than it may be', async () => {
  let cancelled = false;
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1024;
      controller.enqueue(new Uint8Array(1024));
    },
    cancel() {
      cancelled = true;
    },
  });
  const response = await gateway.fetch(streamed(body));
  expect(await response.json()).toEqual(refused('TOOLARGE'));
  expect(cancelled).toBe(true);
  expect(sent).toBeLessThanOrEqual(LIMIT + 2 * 1024);
});

test('an announced length over the limit is refused before anything is read', async () => {
  let pulled = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull() {
        pulled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const response = await gateway.fetch(streamed(body, { 'Content-Length': String(LIMIT + 1) }));
  expect(await response.json()).toEqual(refused('TOOLARGE'));
  expect(pulled).toBe(false);
});

test('a body that breaks off runs nothing', async () => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(JSON.stringify({ op: 'groupadd', token })));
    },
    pull(controller) {
      controller.error(new Error('broken off'));
    },
  });
  await expect(gateway.fetch(streamed(body))).rejects.toThrow('broken off');
});

test('what an op through fetch writes is there', async () => {
  const other = await openOps();
  const { token: mine } = await other.app();
  const response = await other.gateway.fetch(requestOf(json({ op: 'groupadd', token: mine, group: { name: 'N' } })));
  const { group } = (await response.json()) as Json;
  expect(await other.answer(json({ op: 'groupget', token: mine, group }))).toMatchObject({ result: true, group: { name: 'N' } });
});

describe('OP_ENDPOINT', () => {
  test('post: a token in the URL is refused', async () => {
    const { gateway: post } = await openOps({ config: { opEndpoint: 'post' } });
    const response = await post.fetch(requestOf({ query: { op: 'appstats', token: (await post.caller()).token } }));
    expect(await response.json()).toEqual(refused('AUTHFAIL', { op: 'appstats' }));
  });

  test('off: there is no such path', async () => {
    const { gateway: off } = await openOps({ config: { opEndpoint: 'off' } });
    for (const path of ['/backend', '/backend/', '/api.php']) {
      for (const method of ['GET', 'HEAD']) expect((await off.fetch(requestOf({ method, path }))).status).toBe(404);
    }
  });
});
