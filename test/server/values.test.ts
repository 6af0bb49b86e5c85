/** How much there may be in a body, beside its bytes: what is small on the wire can be large in memory, and long to parse. */
import { describe, expect, test } from 'vitest';
import { openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';

const MIB = 1024 * 1024;
const gateway = await openTestGateway();
const { token } = await gateway.caller();
const server = await listen(gateway);
const empty = (count: number) => Array.from({ length: count }, () => []);

describe('values', () => {
  // Two objects with three members in all stand around them.
  test.each([
    ['150,000 of a request', 150_000 - 3, 200, undefined],
    ['one more', 150_001 - 3, 400, { code: 'LIMIT_EXCEEDED', limit: 'MAX_VALUES', max: 150_000 }],
  ])('%s', async (_, count, expected, extensions) => {
    // Each list is behind a sign, and its own bracket.
    const x = [...empty(Math.floor(count / 2)), ...Array(count % 2).fill(0)];
    const { status, json } = await server.send({ token, body: { query: '{ viewer { address } }', variables: { x } } });
    expect([status, json.errors?.[0].extensions]).toEqual([expected, extensions]);
  });

  test.each([
    ['150,000 of an op', 150_000 - 4, { result: true }],
    ['one more', 150_001 - 4, { result: false, error: 'TOOLARGE', error_description: 'The JSON has more than 150000 values.' }],
  ])('%s', async (_, count, expected) => {
    const more = [...empty(Math.floor(count / 2)), ...Array(count % 2).fill(0)];
    expect((await server.send({ path: '/backend', body: { op: 'appstats', token, id: 1, more } })).json).toMatchObject(expected);
  });
});

test('a form of GraphQL has at most 1 MiB', async () => {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const form = `query=${encodeURIComponent('{ viewer { address } }')}&x=`;
  const send = (bytes: number) => server.send({ token, headers, body: form + 'x'.repeat(bytes - form.length) });
  expect((await send(MIB)).json).toEqual({ data: { viewer: { address: null } } });
  const { status, json } = await send(MIB + 1);
  expect([status, json.errors[0].extensions]).toEqual([413, { code: 'LIMIT_EXCEEDED', limit: 'BODY_LIMIT', max: MIB }]);
});
