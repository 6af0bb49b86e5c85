import { once } from 'node:events';
import type { ClientRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.ts';
import { sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { answerOf, listen, type Sent } from '../setup/listener.ts';

const lines: Record<string, unknown>[] = [];
const gateway = await openTestGateway({ level: 'warn', onLog: (line) => lines.push(line) });
const server = await listen(gateway);
const { token, viewer } = await gateway.caller();

const QUERY = { query: '{ viewer { app { name } } }' };
const ANSWER = { data: { viewer: { app: { name: viewer.appName } } } };
const ADD = { query: 'mutation { groupAdd(input: {}) { __typename } }' };

const groups = () => sql(gateway.db, 'select gid from groups');

afterEach(async () => {
  // Whatever came, the gateway took it for the caller's mistake, wrote nothing, and goes on.
  expect(lines).toEqual([]);
  expect(await groups()).toEqual([]);
  expect(await server.send({ token, body: QUERY })).toMatchObject({ status: 200, json: ANSWER });
});

const GET = (query: string): Sent => ({ method: 'GET', path: `/graphql?${query}` });
const POST = (body: object | string | Buffer, type?: string): Sent => ({ body, headers: type ? { 'Content-Type': type } : {} });
const FORM = 'application/x-www-form-urlencoded';

describe('what is no operation', () => {
  const JSON_400 = { status: 400, code: 'BAD_REQUEST' };
  const UNSUPPORTED = { status: 415, code: undefined };
  test.each<[string, Sent, { status: number; code?: string }]>([
    ['broken JSON', POST('{"query": "{ viewer { address } }"'), JSON_400],
    ['an empty body', POST(''), JSON_400],
    ['an array', POST([QUERY]), JSON_400],
    ['an empty array', POST([]), JSON_400],
    ['null', POST('null'), JSON_400],
    ['a number', POST('5'), JSON_400],
    ['a string', POST('"{ __typename }"'), JSON_400],
    ['no query', POST({}), JSON_400],
    ['a query that is a number', POST({ query: 5 }), JSON_400],
    ['a query that is null', POST({ query: null }), JSON_400],
    ['variables that are a string', POST({ ...QUERY, variables: '{}' }), JSON_400],
    ['variables that are a list', POST({ ...QUERY, variables: [1] }), JSON_400],
    ['extensions that are a number', POST({ ...QUERY, extensions: 5 }), JSON_400],
    ['an unknown parameter', POST({ ...QUERY, nonsense: 1 }), JSON_400],
    ['no UTF-8', POST(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), JSON_400],
    ['compressed', { ...POST(Buffer.from([0x1f, 0x8b, 8, 0, 0])), headers: { 'Content-Encoding': 'gzip' } }, JSON_400],
    ['2 MB of garbage', POST('garbage '.repeat(250_000)), JSON_400],
    ['2 MB of zeros', POST(Buffer.alloc(2_000_000)), JSON_400],
    ['2 MB of brackets', POST('['.repeat(2_000_000)), { status: 400, code: 'LIMIT_EXCEEDED' }],
    ['broken variables in the URL', GET('query={__typename}&variables={'), JSON_400],
    ['broken extensions in the URL', GET('query={__typename}&extensions=}'), JSON_400],
    ['broken variables in a form', POST('query={__typename}&variables={', FORM), JSON_400],
    ['an unknown content type', POST(QUERY, 'application/xml'), UNSUPPORTED],
    ['text', POST(QUERY, 'text/plain'), UNSUPPORTED],
    ['a form with files', POST('--x--', 'multipart/form-data; boundary=x'), UNSUPPORTED],
    ['no content type', { headers: { 'Content-Length': '0' } }, UNSUPPORTED],
  ])('%s', async (_, sent, expected) => {
    const { status, json, text } = await server.send({ token, ...sent });
    expect({ status, code: json?.errors[0].extensions.code }).toEqual(expected);
    expect(text.length).toBeLessThan(300); // what was sent is not repeated
  });
});

describe('what cannot be carried out', () => {
  const PARSE = 'GRAPHQL_PARSE_FAILED';
  const INVALID = 'GRAPHQL_VALIDATION_FAILED';
  const WHICH = 'OPERATION_RESOLUTION_FAILURE';
  test.each<[string, Sent, string]>([
    ['a syntax error', POST({ query: '{ viewer ' }), PARSE],
    ['a null byte', POST({ query: '{ viewer\0 }' }), PARSE],
    ['broken escapes in the URL', GET('query=%E0%A4%A'), PARSE],
    ['an unknown field', POST({ query: '{ nonsense }' }), INVALID],
    ['an unknown argument', POST({ query: '{ viewer(x: 1) { address } }' }), INVALID],
    ['an unknown fragment', POST({ query: '{ ...X }' }), INVALID],
    ['a circle of fragments', POST({ query: '{ ...X } fragment X on Query { ...X }' }), INVALID],
    ['no selection', POST({ query: '{ viewer }' }), INVALID],
    ['an unknown operation', POST({ ...QUERY, operationName: 'Nonsense' }), WHICH],
    ['two operations and no name', POST({ query: 'query A { __typename } query B { __typename }' }), WHICH],
  ])('%s', async (_, sent, code) => {
    const headers = { ...sent.headers, Accept: 'application/graphql-response+json' };
    const { status, json } = await server.send({ token, ...sent, headers });
    expect({ status, code: json.errors[0].extensions.code, data: json.data }).toEqual({ status: 400, code, data: undefined });
  });
});

describe('a method that is not allowed', () => {
  test('a mutation by GET', async () => {
    const { status, headers, json } = await server.send({ token, ...GET(`query=${encodeURIComponent(ADD.query)}`) });
    expect({ status, allow: headers.allow, data: json.data }).toEqual({ status: 405, allow: 'POST', data: undefined });
  });

  test.each(['PUT', 'PATCH', 'DELETE', 'HEAD', 'TRACE', 'OPTIONS'])('%s', async (method) => {
    const { status, headers } = await server.send({ token, method, headers: { 'Content-Length': '0' } });
    expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'GET, POST' });
  });
});

test.each(['/', '/graphql/x', '/graphql%00', '/../etc/passwd', '//', '/healthz/x'])('%s is not found', async (path) => {
  expect(await server.send({ token, path, body: QUERY })).toMatchObject({ status: 404, text: '' });
});

describe('on the wire', () => {
  async function exchange(text: string): Promise<string> {
    const socket = connect(server.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (data: string) => {
      answer += data;
    });
    socket.write(text);
    await once(socket, 'close');
    return answer;
  }
  const body = JSON.stringify(ADD);
  const request = (line: string, host: string) =>
    `${line}\r\n${host}Connection: close\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  test.each([
    ['a malformed host', request('POST /graphql HTTP/1.1', 'Host: [\r\n')],
    ['a host with a blank', request('POST /graphql HTTP/1.1', 'Host: a b\r\n')],
    ['a port out of range', request('POST /graphql HTTP/1.1', 'Host: a:99999\r\n')],
    ['no host', request('POST /graphql HTTP/1.1', '')],
    ['a malformed URL', request('POST http://[/graphql?x HTTP/1.1', 'Host: [\r\n')],
    ['no HTTP', 'nonsense\r\n\r\n'],
    ['a header without a name', request('POST /graphql HTTP/1.1', 'Host: a\r\n: x\r\n')],
    ['a length that is no number', request('POST /graphql HTTP/1.1', 'Host: a\r\nContent-Length: x\r\n')],
    ['two lengths', request('POST /graphql HTTP/1.1', 'Host: a\r\nContent-Length: 1\r\n')],
    ['a length and chunks', request('POST /graphql HTTP/1.1', 'Host: a\r\nTransfer-Encoding: chunked\r\n')],
  ])('%s is refused with 400', async (_, text) => {
    const answer = await exchange(text);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toMatch(/\bat |node:|node_modules|Error:/);
  });

  describe('HEADERS_LIMIT', () => {
    const { headersLimit } = DEFAULT_LIMITS;
    /** What counts: a URL, names and values; not what stands between them. */
    const sized = (bytes: number, url: string, many: number, more: [string, string][] = []) => {
      const headers = [['Host', 'x'], ['Connection', 'close'], ...more, ...Array.from({ length: many }, () => ['A', 'a'])];
      const used = url.length + headers.flat().join('').length;
      const last = ['Last', 'z'.repeat(bytes - used - 'Last'.length)];
      return `GET ${url} HTTP/1.1\r\n${[...headers, last].map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    };
    const long = `/healthz?${'q'.repeat(10_000)}`;

    test.each<[what: string, text: (bytes: number) => string, status: string]>([
      ['one long value', (bytes) => sized(bytes, '/healthz', 0), '200'],
      ['many headers', (bytes) => sized(bytes, '/healthz', 500), '200'],
      ['a long URL', (bytes) => sized(bytes, long, 0), '200'],
      ['a path where nothing is', (bytes) => sized(bytes, '/nowhere', 0), '404'],
    ])('%s: as many bytes as allowed pass, one more is 431', async (_, text, status) => {
      expect((await exchange(text(headersLimit))).split(' ')[1]).toBe(status);
      expect(await exchange(text(headersLimit + 1))).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
    });

    test('of trailers, too', async () => {
      const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n`;
      const chunked = (trailer: number) =>
        `${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nT: ${'t'.repeat(trailer)}\r\n\r\n`;
      expect(await exchange(chunked(1_000))).toMatch(/^HTTP\/1\.1 400 /);
      expect(await exchange(chunked(headersLimit))).toMatch(/^HTTP\/1\.1 431 /);
    });
  });
});

describe('a request that does not come whole', () => {
  const headers = { 'Content-Type': 'application/json', 'Content-Length': String(JSON.stringify(ADD).length) };

  const breakOff = (sent: ClientRequest) => new Promise((resolve) => sent.once('close', resolve).destroy());

  test('broken off in the middle of its body', async () => {
    for (const more of [headers, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' }]) {
      const sent = server.open({ token, headers: more });
      await new Promise((resolve) => sent.write(JSON.stringify(ADD).slice(0, -1), resolve));
      await sleep(50); // it has begun to read
      await breakOff(sent);
    }
  });

  test('broken off before its body', async () => {
    const sent = server.open({ token, headers });
    await breakOff(sent);
  });

  test('in pieces, slowly: it is answered', async () => {
    const sent = server.open({ token, headers: { ...headers, 'Content-Length': String(JSON.stringify(QUERY).length) } });
    const answer = answerOf(sent);
    for (const character of JSON.stringify(QUERY)) {
      sent.write(character);
      await sleep(2);
    }
    sent.end();
    expect(await answer).toMatchObject({ status: 200, json: ANSWER });
  });

  test('many that never go on do not keep others from their answer', async () => {
    const idle = Array.from({ length: 100 }, () => server.open({ token, headers }));
    await Promise.all(idle.map((sent) => once(sent, 'socket')));
    expect(await server.send({ token, body: QUERY })).toMatchObject({ status: 200, json: ANSWER });
    for (const sent of idle) sent.destroy();
  });
});
