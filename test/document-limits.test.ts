/** What is refused before it is parsed or validated, whoever asks: both would run out of stack, or of time. */
import { queryObjects } from 'node:v8';
import { Location } from 'graphql';
import { describe, expect, test } from 'vitest';
import { OPERATION_LIMITS } from '../src/config.ts';
import * as documentSize from '../src/http/yoga/document-size.ts';
import { openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const lines: Record<string, unknown>[] = [];
const gateway = await openTestGateway({ observe: recorder.observe, onLog: (line) => lines.push(line), level: 'error' });
const app = await gateway.caller();

const { maxTokens } = OPERATION_LIMITS;
const limitPassedBy = (document: string) => documentSize.limitPassedBy(document, maxTokens);

async function post(query: string, token?: string) {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' };
  if (token) headers['Authorization'] = `Bearer ${token}`;
  const response = await gateway.fetch(
    new Request('http://gateway/graphql', { method: 'POST', headers, body: JSON.stringify({ query }) }),
  );
  return { status: response.status, ...((await response.json()) as { errors?: { extensions?: Record<string, unknown> }[] }) };
}

const nest = (levels: number, open: string, close: string, inside = '') => open.repeat(levels) + inside + close.repeat(levels);
const chain = (length: number) =>
  Array.from({ length }, (_, n) => `fragment f${n} on Query { ...f${n + 1} }`).join(' ') +
  ` fragment f${length} on Query { viewer { address } } { ...f0 }`;
const TOO_LARGE: [string, string, string][] = [
  ['fields within fields', 'MAX_NESTING', nest(5_000, '{a', '}')],
  ['fields that are never closed', 'MAX_NESTING', '{a'.repeat(5_000)],
  ['lists within lists', 'MAX_NESTING', `{ group(gid: ${nest(5_000, '[', ']')}) { gid } }`],
  ['objects within objects', 'MAX_NESTING', `{ group(gid: ${nest(5_000, '{a:', '}', '1')}) { gid } }`],
  [
    'what exists, within itself',
    'MAX_NESTING',
    `{ group(gid: "1") { ${nest(1_500, 'member(address: "a") { group {', '}}', 'gid')} } }`,
  ],
  ['behind a comment that a carriage return ends', 'MAX_NESTING', `# no\r${nest(5_000, '{a', '}')}`],
  ['behind a string', 'MAX_NESTING', `{ group(gid: "\\"#") ${nest(5_000, '{a', '}')} }`],
  ['behind a block string', 'MAX_NESTING', `{ group(gid: """\\"""{"#""") ${nest(5_000, '{a', '}')} }`],
  ['fragments that spread the next', 'MAX_DEFINITIONS', chain(5_000)],
  ['many operations', 'MAX_DEFINITIONS', 'query a { viewer { address } } '.repeat(501)],
  ['many fields', 'MAX_NAMES', `{ ${'__typename '.repeat(10_001)} }`],
  ['a list that has no end', 'MAX_TOKENS', `{ group(gid: [${'1,'.repeat(2_000_000)}]) { gid } }`],
  ['comments without end', 'MAX_TOKENS', `${'#\n'.repeat(2_000_000)}{ __typename }`],
  ['comments that carriage returns end', 'MAX_TOKENS', `${'#\r'.repeat(2_000_000)}{ __typename }`],
  ['a long comment', 'MAX_DOCUMENT', `{ __typename } #${'x'.repeat(4 * 1024 * 1024)}`],
  ['a long text', 'MAX_DOCUMENT', `{ group(gid: "${'x'.repeat(4 * 1024 * 1024)}") { gid } }`],
  ['many directives', 'MAX_NAMES', `{ __typename ${'@include(if: true) '.repeat(10_001)} }`],
];

test.each(TOO_LARGE)('%s: refused with %s, with a token and without', async (_, limit, query) => {
  for (const token of [app.token, undefined]) {
    const names = await recorder.during(async () => {
      const { status, errors } = await post(query, token);
      expect([status, errors?.map(({ extensions }) => extensions?.['code'])]).toEqual([400, ['LIMIT_EXCEEDED']]);
      expect(errors?.[0]?.extensions?.['limit']).toBe(limit);
    });
    expect(names).toEqual([]);
  }
  expect(lines).toEqual([]);
});

describe('what may be large', () => {
  test('brackets in strings and comments are none', async () => {
    const text = nest(5_000, '{', '');
    const { status, data } = await app.send(`{ # ${text}
      group(gid: "${text}") { gid } other: group(gid: """${text} \\""" ${text}""") { gid } }`);
    expect([status, data]).toEqual([200, { group: null, other: null }]);
  });

  test('100,000 addresses in the document itself', async () => {
    const addresses = Array.from({ length: 100_000 }, (_, n) => `"${n}"`);
    const query = `mutation { groupEditMembers(input: { gid: "1", add: [{ addresses: [${addresses}] }] }) { __typename } }`;
    expect((await app.send(query)).data).toEqual({ groupEditMembers: { __typename: 'GroupNotFound' } });
  });

  const inVariables = (count: number) => `query (${'$a: B '.repeat(count)}) { a }`;
  const names = (count: number) => `{ ${'a '.repeat(count)}}`;

  test.each<[what: string, most: string, more: string, limit: string]>([
    ['200 brackets', nest(200, '{a', '}'), nest(201, '{a', '}'), 'MAX_NESTING'],
    ['500 definitions', 'query a { b } '.repeat(500), 'query a { b } '.repeat(501), 'MAX_DEFINITIONS'],
    ['110,000 tokens', `{ a(b: [${'1 '.repeat(maxTokens - 9)}]) }`, `{ a(b: [${'1 '.repeat(maxTokens - 8)}]) }`, 'MAX_TOKENS'],
    ['110,000 lines', `{ a }${'#\n'.repeat(maxTokens)}`, `{ a }${'#\n'.repeat(maxTokens + 1)}`, 'MAX_TOKENS'],
    ['4 Mi characters', `{ a }${' '.repeat(4 * 1024 * 1024 - 5)}`, `{ a }${' '.repeat(4 * 1024 * 1024 - 4)}`, 'MAX_DOCUMENT'],
    [
      '20,000 names in arguments',
      `{ a(b: [${'c '.repeat(19_999)}]) }`,
      `{ a(b: [${'c '.repeat(20_000)}]) }`,
      'MAX_ARGUMENT_NAMES',
    ],
    ['20,000 names for variables', inVariables(10_000), `${inVariables(10_000)} { a(b: $c) }`, 'MAX_ARGUMENT_NAMES'],
    ['10,000 names', names(10_000), names(10_001), 'MAX_NAMES'],
    ['10,000 names, with more of them in arguments', names(9_999).replace('a', 'a(b: [c, $d])'), names(10_001), 'MAX_NAMES'],
  ])('%s, but not one more', (_, most, more, limit) => {
    expect([limitPassedBy(most), limitPassedBy(more)]).toEqual([undefined, limit]);
  });

  test('what comes after a mistake is not read', () => {
    expect(limitPassedBy(`{ a ? ${names(10_001)}`)).toBeUndefined();
  });
});

describe('MAX_LISTS', () => {
  const lists = (count: number) =>
    Array.from({ length: count }, (_, n) => `a${n}: groups(first: 1) { edges { cursor } }`).join(' ');
  const writes = (count: number) =>
    Array.from({ length: count }, (_, n) => `a${n}: groupDel(input: { gid: "1" }) { __typename }`).join(' ');
  const refused = async (query: string) => {
    const names = await recorder.during(async () => {
      const { status, errors } = await app.send(query);
      expect([status, errors?.map(({ extensions }) => extensions)]).toEqual([
        400,
        [{ code: 'LIMIT_EXCEEDED', limit: 'MAX_LISTS', max: 200, asked: expect.any(Number) }],
      ]);
    });
    expect(names).toEqual([]);
  };

  test('200 lists pass, 201 do not', async () => {
    expect((await app.send(`{ ${lists(200)} }`)).status).toBe(200);
    await refused(`{ ${lists(201)} }`);
    await refused(`{ ${lists(100)} viewer { ${lists(101)} } }`);
    await refused(`{ groups { edges { node { ${lists(200).replaceAll('groups', 'members')} } } } }`);
  });

  test('mutations count as lists do', async () => {
    expect((await app.send(`mutation { ${writes(200)} }`)).status).toBe(200);
    await refused(`mutation { ${writes(201)} }`);
  });

  test('fragments count wherever they are spread', async () => {
    const fragment = `fragment f on Query { ${lists(50)} }`;
    const spread = (times: number) => Array.from({ length: times }, (_, n) => `...f ... { ...g${n} }`).join(' ');
    const others = (times: number) =>
      Array.from({ length: times }, (_, n) => `fragment g${n} on Query { v${n}: viewer { ${lists(20)} } }`).join(' ');
    expect((await app.send(`{ ${spread(2)} } ${fragment} ${others(2)}`)).status).toBe(200);
    await refused(`{ ${spread(3)} } ${fragment} ${others(3)}`);
  });
});

describe('documents that were parsed', () => {
  /** The parts of all documents that are kept. */
  const kept = () => queryObjects(Location, { format: 'count' });
  const long = (n: number) => `{ viewer(a: [${'1,'.repeat(20_000)}]) { address } } # ${n}`;
  const short = (n: number) => `{ viewer { address } } # ${n}`;

  test('are kept if they are short, up to what they take together, and not at all if they are long', async () => {
    await post(long(-1), app.token);
    const before = kept();
    for (let n = 0; n < 10; n++) await post(long(n), app.token);
    // What was answered just now may be held for a moment.
    await expect.poll(() => kept() - before).toBeLessThan(20_000);
    const others = kept();
    for (let n = 0; n < 100; n++) await post(short(n), app.token);
    expect(kept() - others).toBeGreaterThan(100 * 5);
    const padded = (n: number) => `{ viewer(a: [${'1,'.repeat(5_000)}]) { address } } # ${n}`;
    for (let n = 0; n < 40; n++) await post(padded(n), app.token);
    await expect.poll(() => kept() - before).toBeLessThan(30 * 5_000);
  });

  test('are read again where they cannot be', async () => {
    for (let n = 0; n < 3; n++) expect((await post('{', app.token)).errors).toHaveLength(1);
  });
});

describe('errors say where they are', () => {
  const many = `{ ${Array.from({ length: 100 }, (_, n) => `a${n}: user(address: ",") { id }`).join(' ')} }`;
  const wrong = '{ nothing }';
  const places = async (query: string) => (await post(query, app.token)).errors?.map((error) => 'locations' in error);

  test.each([
    ['500 lines', '\n'.repeat(500)],
    ['32 KiB', ' '.repeat(32 * 1024 - many.length)],
  ])('in a document of %s', async (_, before) => {
    expect(await places(before + many)).toEqual(Array(100).fill(true));
    expect(await places(before + wrong)).toEqual([true]);
  });

  // Each would count the lines before it: 300 errors behind 100,000 lines took two seconds at a stretch.
  test.each([
    ['501 lines', '\n'.repeat(501)],
    ['501 lines of another kind', '\r'.repeat(501)],
    ['100,000 lines', '\n'.repeat(100_000)],
    ['more than 32 KiB', ' '.repeat(32 * 1024)],
  ])('but not in one of %s', async (_, before) => {
    expect(await places(before + many)).toEqual(Array(100).fill(false));
    expect(await places(before + wrong)).toEqual([false]);
    expect(await places(`${before}{`)).toEqual([true]);
  });
});
