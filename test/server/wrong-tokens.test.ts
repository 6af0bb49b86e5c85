/** What wrong tokens cost: few look-ups, few lines of the log, and nothing of those who share the address. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { newSecret } from '../../src/access/tokens.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { type Listener, listen } from '../setup/listener.ts';
import { StatementRecorder } from '../setup/recorder.ts';

const recorder = new StatementRecorder();
const plain = await openTestGateway({ observe: recorder.observe });
const { db } = plain;
const app = await plain.caller();
const SMALL = { query: '{ viewer { app { name } } }' };

/** A gateway that counts connections from this machine by their address, or by the one that they are forwarded for. */
async function counting(config: Parameters<typeof gatewayOn>[1] & object = {}) {
  const lines: Record<string, unknown>[] = [];
  const gateway = gatewayOn(db, {
    level: 'info',
    onLog: (line) => lines.push(line),
    ...config,
    config: { trustedProxies: ['192.0.2.1'], wrongTokens: 5, ...config.config },
  });
  return { server: await listen(gateway), lines };
}

const post = (server: Listener, token: string, headers: Record<string, string> = {}) =>
  server.send({ token, body: SMALL, headers });
const op = (server: Listener, token: string) => server.send({ path: '/backend', body: { op: 'appstats', token } });

async function lookUps(work: () => Promise<unknown>): Promise<{ alone: number; together: number }> {
  const from = recorder.statements.length;
  await work();
  const count = (name: string) => recorder.statements.slice(from).filter((each) => each.name === name).length;
  return { alone: count('token_find'), together: count('tokens_find') };
}

describe('after many wrong tokens of an address', () => {
  test('the next are looked up together, five times a second', async () => {
    const { server } = await counting();
    const many = (count: number) => Promise.all(Array.from({ length: count }, () => post(server, newSecret())));
    const first = await lookUps(async () => {
      for (const { status } of await many(5)) expect(status).toBe(401);
    });
    expect(first).toEqual({ alone: 5, together: 0 });
    const begun = performance.now();
    const then = await lookUps(async () => {
      for (let n = 0; n < 4; n++) for (const { status } of await many(50)) expect(status).toBe(401);
    });
    expect(then.alone).toBe(0);
    expect(then.together).toBeGreaterThanOrEqual(4);
    expect(then.together).toBeLessThanOrEqual(2 + ((performance.now() - begun) / 1_000) * 5);
  });

  test('however many come at once, five are looked up by themselves', async () => {
    const { server } = await counting();
    const { alone } = await lookUps(() => Promise.all(Array.from({ length: 100 }, () => post(server, newSecret()))));
    expect(alone).toBe(5);
  });

  test('of those that wait there are at most 256: the rest get 429, on an op RATELIMIT', async () => {
    const { server } = await counting({ config: { strangers: 1_000, wrongTokenLookups: 0.1 } });
    for (let n = 0; n < 6; n++) await post(server, newSecret());
    const sent = await Promise.all(Array.from({ length: 300 }, () => post(server, newSecret())));
    const refused = sent.filter(({ status }) => status === 429);
    // All come within the ten seconds until the next look-up.
    expect(refused.length).toBeGreaterThan(0);
    expect(sent.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(256);
    expect(refused[0]).toMatchObject({
      headers: { 'retry-after': '1', connection: 'close' },
      json: {
        errors: [
          {
            message: 'Too many unknown tokens come from this address',
            extensions: { code: 'RATE_LIMITED', retryAfter: 1 },
          },
        ],
      },
    });
    const ops = await Promise.all(Array.from({ length: 300 }, () => op(server, newSecret())));
    const limited = ops.filter(({ json }) => json.error === 'RATELIMIT');
    expect(limited.length).toBeGreaterThan(0);
    expect(limited[0]).toMatchObject({ status: 200, headers: { 'retry-after': '1' } });
  });

  test.each<[string, (server: Listener, token: string) => Promise<boolean>]>([
    ['GraphQL', async (server, token) => (await post(server, token)).status === 200],
    ['an op', async (server, token) => (await op(server, token)).json.result === true],
    ['WebSocket', async (server, token) => (await greet(server, token)) === 'connection_ack'],
  ])('one that is known passes, and one that is valid gets in with the next look-up: %s', async (_, isIn) => {
    const { server } = await counting({ config: { strangers: 1_000 } });
    expect(await isIn(server, app.token)).toBe(true);
    const fresh = (await plain.caller()).token;
    let over = false;
    const flood = (async () => {
      while (!over) await Promise.all(Array.from({ length: 20 }, () => post(server, newSecret())));
    })();
    await sleep(300);
    for (const token of [app.token, fresh]) expect(await isIn(server, token)).toBe(true);
    over = true;
    await flood;
  });

  test('a known token that was revoked is refused, and is not known any more', async () => {
    const { server } = await counting();
    const { token, viewer } = await app.user('bob');
    for (const each of [token, app.token]) expect((await post(server, each)).status).toBe(200);
    for (let n = 0; n < 6; n++) await post(server, newSecret());
    expect(await app.send('mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', { id: viewer.token.id })).toMatchObject({
      data: { tokenRevoke: { __typename: 'TokenRevokePayload' } },
    });
    await sleep(1_100);
    // What was looked up is forgotten with every revocation; that it was valid is not.
    expect(await lookUps(async () => expect((await post(server, app.token)).status).toBe(200))).toEqual({
      alone: 1,
      together: 0,
    });
    expect((await post(server, token)).status).toBe(401);
    expect(await lookUps(async () => expect((await post(server, token)).status).toBe(401))).toEqual({ alone: 0, together: 1 });
  });

  test('a WebSocket is closed with 4429', async () => {
    const { server } = await counting({ config: { strangers: 1_000, wrongTokenLookups: 0.1 } });
    for (let n = 0; n < 6; n++) await post(server, newSecret());
    const held = Array.from({ length: 300 }, () => post(server, newSecret()));
    const closed = await Promise.all(Array.from({ length: 40 }, () => greet(server, newSecret())));
    expect(new Set(closed)).toContain('4429 Too many unknown tokens come from this address');
    await Promise.all(held);
  });
});

/** The first message, or how it was closed. */
async function greet(server: Listener, token: string): Promise<string> {
  const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws');
  socket.on('error', () => {});
  await once(socket, 'open');
  const said = once(socket, 'message').then(([data]) => JSON.parse(String(data)).type as string);
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`);
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  const first = await Promise.race([said, closed]);
  socket.terminate();
  return first;
}

test('another address is not counted with it, behind a trusted proxy the one that it saw', async () => {
  const { server } = await counting({ config: { trustedProxies: ['127.0.0.1'] } });
  const from = (address: string) => ({ 'X-Forwarded-For': address });
  for (let n = 0; n < 8; n++) await post(server, newSecret(), from('203.0.113.9'));
  const other = await lookUps(() => post(server, newSecret(), from('203.0.113.10')));
  expect(other).toEqual({ alone: 1, together: 0 });
  const same = await lookUps(() => post(server, newSecret(), from('203.0.113.9')));
  expect(same).toEqual({ alone: 0, together: 1 });
});

test('without TRUSTED_PROXIES this machine and private networks are not counted', async () => {
  const { server } = await counting({ config: { trustedProxies: undefined } });
  const { alone, together } = await lookUps(async () => {
    for (let n = 0; n < 10; n++) expect((await post(server, newSecret())).status).toBe(401);
  });
  expect([alone, together]).toEqual([10, 0]);
});

test('401s and 429s make a line a second, with the number of the others', async () => {
  const { server, lines } = await counting({ config: { trustedProxies: undefined } });
  await Promise.all(Array.from({ length: 30 }, () => post(server, newSecret())));
  await sleep(1_200);
  const told = lines.filter(({ msg }) => msg === 'request');
  expect(told.length).toBeLessThanOrEqual(3);
  const counted = lines.filter(({ msg }) => msg === 'more requests without a valid token were refused');
  expect(counted.reduce((sum, { count }) => sum + Number(count), told.length)).toBe(30);
});
