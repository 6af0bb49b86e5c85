/** Requests as bytes: well-formed ones in every way that the endpoint takes, and broken ones. */
import { gzipSync } from 'node:zlib';
import { OperationTypeNode } from 'graphql';
import type { Random } from '../soak/random.ts';
import { mutateBytes, mutateText } from './mutations.ts';
import type { Token } from './names.ts';
import type { Operation } from './operations.ts';

/** A request before it is written. */
export interface Request {
  method: string;
  target: string;
  headers: [name: string, value: string][];
  body: Buffer;
}

/** What is sent on a connection. */
export interface Sent {
  /** Each is written as it is, one after the other. */
  pieces: Buffer[];
  /** Whether the gateway has to answer: it was not broken where HTTP says how it is to be read. */
  whole: boolean;
  /** The client closes its side after the last piece. */
  half: boolean;
  /** The client goes away after so many milliseconds, or bytes of the answer. */
  leaves?: number;
}

const TYPES = ['application/json', 'application/json; charset=utf-8', 'application/json;charset=x', 'application/graphql+json'];
const ACCEPT = [
  ...['application/json', 'application/graphql-response+json', 'application/graphql-response+json; charset=utf-8', '*/*'],
  ...[
    'text/event-stream',
    'multipart/mixed',
    'text/html',
    'nonsense',
    'application/graphql-response+json, application/json;q=0.9',
  ],
];
const HEADERS: readonly [string, string][] = [
  ...[
    ['X-Request-Id', 'x'.repeat(300)],
    ['X-Request-Id', 'a\tb'],
    ['Last-Event-ID', 'x'],
    ['Last-Event-ID', '1.2.3'],
  ],
  ...[
    ['X-Rollcall-Cost', '1'],
    ['Origin', 'http://localhost:1'],
    ['Origin', 'null'],
    ['X-Forwarded-For', '1.2.3.4, x'],
  ],
  ...[
    ['Expect', '100-continue'],
    ['Expect', 'x'],
    ['TE', 'trailers'],
    ['Upgrade', 'h2c'],
    ['Cookie', 'a=b'],
    ['Range', 'bytes=0-1'],
  ],
  ...[
    ['Content-Encoding', 'gzip'],
    ['Accept-Encoding', 'gzip, br'],
    ['If-None-Match', '*'],
    ['Transfer-Encoding', 'identity'],
  ],
  ...[
    ['X-Long', 'y'.repeat(20_000)],
    ['Authorization', 'Basic eDp5'],
    ['Authorization', ''],
    ['Host', 'b'],
    ['Max-Forwards', '0'],
  ],
] as [string, string][];

/** The body of an operation as JSON, sometimes with keys that no client writes. */
export function jsonOf({ query, variables, operationName }: Operation, random: Random): string {
  const json = JSON.stringify({ query, variables, operationName });
  if (random.chance(0.9)) return json;
  return random.pick([
    () => `[${json}]`,
    () => `[${json},${json}]`,
    () => json.replace('{', '{"__proto__":{"query":"{ viewer { address } }"},'),
    () => json.replace('{', '{"query":"{ __typename }",'),
    () => json.replace('{', '{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}},'),
    () => json.replace('{', `{"extensions":${'['.repeat(300)}${']'.repeat(300)},`),
    () => json.replace(/"variables":\{/, `"variables":{"deep":${'{"a":'.repeat(3_000)}1${'}'.repeat(3_000)},`),
    () => json.replace(/\d+/, '1e999'),
    () => json.replace(/\d+/, '9'.repeat(400)),
    () => `\ufeff${json}`,
    () => `${json}${json}`,
    () => mutateText(json, random),
    () => JSON.stringify({ query: { a: 1 }, variables: [query], operationName: 5 }),
  ])();
}

function graphqlRequest(operation: Operation, random: Random): Pick<Request, 'method' | 'target' | 'headers' | 'body'> {
  const form = (): string => {
    const pairs: [string, string][] = [['query', operation.query.toWellFormed()]];
    pairs.push(['variables', JSON.stringify(operation.variables)]);
    if (operation.operationName) pairs.push(['operationName', operation.operationName]);
    const text = new URLSearchParams(pairs).toString();
    return random.chance(0.2) ? mutateText(text, random).replaceAll(/[^\x21-\x7e]/g, '%') : text;
  };
  const post = (type: string, body: string | Buffer) => ({
    method: 'POST',
    target: '/graphql',
    headers: [['Content-Type', type]] as [string, string][],
    body: Buffer.from(body as string),
  });
  const json = () => jsonOf(operation, random);
  const boundary = '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n';
  return random.pick([
    ...Array(16).fill(() => post(random.pick(TYPES), json())),
    ...Array(4).fill(() => ({ method: 'GET', target: `/graphql?${form()}`, headers: [], body: Buffer.alloc(0) })),
    () => post('application/x-www-form-urlencoded', form()),
    () => post('application/graphql', operation.query),
    () => post('multipart/form-data; boundary=x', `${boundary}${json()}\r\n--x--\r\n`),
    () => post('multipart/form-data', json()),
    () => post(random.pick(['text/plain', 'application/xml', '', 'application/json, text/html', '\u00e9/x']), json()),
    () => ({
      ...post('application/json', gzipSync(json())),
      headers: [
        ['Content-Encoding', 'gzip'],
        ['Content-Type', 'application/json'],
      ],
    }),
    () => ({
      ...post('application/json', json()),
      method: random.pick(['PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'GET', 'QUERY']),
    }),
    () => ({ ...post('application/json', json()), target: random.pick(TARGETS) }),
  ])();
}

const TARGETS = [
  ...[
    '/graphql/',
    '/graphql?',
    '/graphql?query=%ff',
    '/graphql?query={__typename}&query={viewer{address}}',
    '//graphql',
    '/%67raphql',
  ],
  ...[
    'http://other/graphql',
    '*',
    '/',
    '/healthz',
    '/readyz',
    '/backend',
    '/graphql#x',
    '/graphql?variables={',
    '/graphql\u00e9',
    '/gr\0aphql',
  ],
  ...['/graphql?extensions=[', `/graphql?${'a'.repeat(15_000)}`, '/graphql;x', '/..%2f', '/graphql?query=%7B__typename%7D'],
];

/** A request for an operation, which may be wrong in itself but is HTTP. */
export function requestOf(operation: Operation, token: Token, random: Random): Request {
  const request = graphqlRequest(operation, random);
  const headers: [string, string][] = [['Host', 'x'], ...request.headers];
  if (token.authorization !== undefined) headers.push(['Authorization', token.authorization]);
  const streams = operation.kind === OperationTypeNode.SUBSCRIPTION && random.chance(0.7);
  if (streams || random.chance(0.4)) headers.push(['Accept', streams ? 'text/event-stream' : random.pick(ACCEPT)]);
  if (random.chance(0.15)) headers.push(random.pick(HEADERS));
  return { ...request, headers };
}

/** The bytes of a request, with its length or in chunks. */
export function written({ method, target, headers, body }: Request, random: Random): Buffer {
  const chunked = random.chance(0.25) && body.length > 0;
  const framing: [string, string][] = chunked
    ? [['Transfer-Encoding', 'chunked']]
    : body.length > 0 || method === 'POST'
      ? [['Content-Length', String(body.length)]]
      : [];
  const lines = [...headers, ...framing].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  return Buffer.concat([head, ...(chunked ? chunksOf(body, random) : [body])]);
}

function chunksOf(body: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = [];
  for (let from = 0; from < body.length; ) {
    const size = random.pick([1, 7, 64, 1_000, 100_000]);
    const part = body.subarray(from, from + Math.max(size, Math.ceil(body.length / 500)));
    chunks.push(Buffer.from(`${part.length.toString(16)}${random.chance(0.1) ? ';a="b"' : ''}\r\n`), part, Buffer.from('\r\n'));
    from += part.length;
  }
  return [...chunks, Buffer.from(random.chance(0.1) ? '0\r\nX-Trailer: 1\r\n\r\n' : '0\r\n\r\n')];
}

type Edit = (text: string) => string;
const FRAMING: readonly Edit[] = [
  (text) => text.replace(/Content-Length: (\d+)/, (_, length) => `Content-Length: ${Number(length) + 7}`),
  (text) => text.replace(/Content-Length: (\d+)/, (_, length) => `Content-Length: ${Math.max(0, Number(length) - 7)}`),
  (text) => text.replace(/Content-Length: \d+/, 'Content-Length: 99999999999999999999'),
  (text) => text.replace(/Content-Length: \d+/, 'Content-Length: -1'),
  (text) => text.replace(/Content-Length: \d+/, 'Content-Length: 100000000'),
  (text) => text.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nContent-Length: 1\r\n\r\n'),
  (text) => text.replace('HTTP/1.1', 'HTTP/1.0'),
  (text) => text.replace('HTTP/1.1', 'HTTP/2.0'),
  (text) => text.replace(/^\w+/, 'PRI'),
  (text) => text.replace(/^\w+/, (method) => method.toLowerCase()),
  (text) => text.replace('\r\n', '\r\n X: folded\r\n'),
  (text) => text.replace('Host: x', 'Host: [::'),
  (text) => text.replaceAll('\r\n', '\n'),
  (text) => text.replace('Host: x\r\n', ''),
  (text) => text.replace('Host: x', `${'A: b\r\n'.repeat(3_000)}Host: x`),
  (text) => text.replace(/\r\n[0-9a-f]+\r\n/, '\r\nfffffffffffffffff\r\n'),
  (text) => text.replace(/\r\n[0-9a-f]+\r\n/, '\r\n-5\r\n'),
  (text) => text.slice(0, text.length >> 1),
  (text) => text.slice(0, text.indexOf('\r\n\r\n')),
];

/** How the bytes go out: as they are, in pieces, with a client that leaves, or spoiled. */
export function sentOf(bytes: Buffer, random: Random): Sent {
  const half = random.chance(0.3);
  if (random.chance(0.78)) return { pieces: inPieces(bytes, random), whole: true, half };
  if (random.chance(0.2)) return { pieces: [bytes], whole: true, half: false, leaves: random.pick([0, 0, 1, 3, 10]) };
  const broken = random.chance(0.5)
    ? mutateBytes(bytes, random)
    : Buffer.from(random.pick(FRAMING)(bytes.toString('latin1')), 'latin1');
  return { pieces: inPieces(broken, random), whole: false, half: true };
}

function inPieces(bytes: Buffer, random: Random): Buffer[] {
  if (random.chance(0.8) || bytes.length < 2) return [bytes];
  const at = random.between(1, bytes.length - 1);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}
