/** How much a token may send: each refusal, and the nearest that is let through. Nothing that is refused writes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { GroupAddDocument, GroupSetDocument } from '../../src/generated/operations.ts';
import { type Caller, callerOf, gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { listen as listenTo } from '../setup/listener.ts';
import { writesNothing } from '../setup/rows.ts';
import { GROUP_CHANGES, listen, TRANSPORTS, watchOver } from '../setup/watch.ts';

const quiet = await openTestGateway({ config: { userRate: Number.POSITIVE_INFINITY } });
const { db } = quiet;
const app = await quiet.caller();
const SMALL = '{ viewer { address } }';

/** A gateway whose user tokens have so many points a second, and one of them. */
async function limited(userRate: number, config: Parameters<typeof gatewayOn>[1] & object = {}) {
  const gateway = gatewayOn(db, { ...config, config: { userRate, ...config.config } });
  const { viewer, token } = await app.user('alice');
  return { gateway, user: callerOf(gateway, db, { viewer, token }) };
}

async function groupOf(members: number): Promise<string> {
  const addresses = ['alice', ...Array.from({ length: members - 1 }, (_, n) => `m${n}`)];
  const added = await app.call(GroupAddDocument, { input: { members: [{ addresses, admin: { admin: true } }] } });
  return added.groupAdd.__typename === 'GroupAddPayload' ? added.groupAdd.group.gid : expect.fail('no group');
}

async function spend(user: Caller, points: number): Promise<void> {
  for (let n = 0; n < points; n++) expect(await user.send(SMALL)).toMatchObject({ status: 200, data: { viewer: {} } });
}

const REFUSED = { message: 'The token has used up its points', extensions: { code: 'RATE_LIMITED', retryAfter: 1 } };

describe('points', () => {
  test('as many as the bucket holds are given, then none until there are some again', async () => {
    const { gateway, user } = await limited(1);
    const server = await listenTo(gateway);
    const post = () => server.send({ token: user.token, body: { query: SMALL } });
    const policy = { 'ratelimit-policy': '"user";q=10;w=10' };
    for (let left = 9; left >= 0; left--) {
      // The bucket is filled while it is emptied.
      const { status, headers } = await post();
      expect([status, headers]).toMatchObject([200, policy]);
      expect(Number(/^"user";r=(\d+);t=1$/.exec(String(headers['ratelimit']))?.[1])).toBeGreaterThanOrEqual(left);
    }
    let refused = await post();
    while (refused.status === 200) refused = await post(); // on a slow machine
    expect(refused).toMatchObject({
      status: 429,
      json: { errors: [REFUSED] },
      headers: { ...policy, ratelimit: '"user";r=0;t=1', 'retry-after': '1' },
    });
    expect(refused.json).not.toHaveProperty('data');
    await sleep(1_000);
    expect(await post()).toMatchObject({ status: 200, json: { data: { viewer: { address: 'alice' } } } });
  });

  test('a mutation that is refused writes nothing, and is done when there are points for it', async () => {
    const { user } = await limited(1);
    const gid = await groupOf(2);
    const set = (name: string) =>
      user.send(`mutation { groupSet(input: { gid: "${gid}", name: "${name}" }) { ... on GroupSetPayload { group { name } } } }`);
    expect(await set('one')).toMatchObject({ status: 200, data: { groupSet: { group: { name: 'one' } } } });
    await writesNothing(db, app.viewer, async () => {
      const { status, data, errors } = await set('two');
      expect([status, data, errors?.[0]?.extensions?.['code']]).toEqual([429, undefined, 'RATE_LIMITED']);
    });
    await sleep(2_000);
    expect(await set('three')).toMatchObject({ status: 200, data: { groupSet: { group: { name: 'three' } } } });
  });

  test('an operation that costs more than a bucket holds is run when it is full, and has to be paid for', async () => {
    const { user } = await limited(1);
    const gid = await groupOf(2);
    const dear = `{ groupGetMembers(gid: "${gid}", first: 1000) { edges { node { address } } } }`;
    expect(await user.send(dear)).toMatchObject({ status: 200, data: { groupGetMembers: { edges: [{}, {}] } } });
    const { status, errors } = await user.send(SMALL);
    expect([status, errors?.[0]?.extensions?.['code']]).toEqual([429, 'RATE_LIMITED']);
    // It cost 22 points or more of 10.
    expect(errors?.[0]?.extensions?.['retryAfter']).toBeGreaterThan(10);
  });

  test('what is refused for want of points says what it would have cost', async () => {
    const { gateway, user } = await limited(1);
    const server = await listenTo(gateway);
    const gid = await groupOf(2);
    const body = { query: `mutation { groupSet(input: { gid: "${gid}", name: "x" }) { __typename } }` };
    const post = () => server.send({ token: user.token, headers: { 'X-Rollcall-Cost': '1' }, body });
    expect(await post()).toMatchObject({ status: 200, json: { extensions: { cost: { points: 6 } } } });
    expect(await post()).toMatchObject({ status: 429, json: { extensions: { cost: { points: 6 } } } });
  });

  test.each([
    ['a document that cannot be parsed', '{'],
    ['one that is not valid', '{ nothing }'],
    [
      'an operation that is too large',
      `{ ${Array.from({ length: 300 }, (_, n) => `a${n}: groups { edges { cursor } }`).join(' ')} }`,
    ],
  ])('%s costs one, and is not read any more when there is none', async (_, query) => {
    const { user } = await limited(1);
    const codes: unknown[] = [];
    for (let n = 0; n < 40; n++) codes.push((await user.send(query)).errors?.[0]?.extensions?.['code'] ?? 'syntax');
    expect(codes.slice(0, 10)).not.toContain('RATE_LIMITED');
    expect(codes.filter((code) => code === 'RATE_LIMITED').length).toBeGreaterThan(10);
    const { status, errors } = await user.send(query);
    if (status === 429) expect(errors?.[0]?.extensions).toEqual({ code: 'RATE_LIMITED', retryAfter: 1 });
  });

  test('each token has its own, and those of an application have no limit unless one is set', async () => {
    const { gateway, user } = await limited(1);
    const other = callerOf(gateway, db, await app.user('alice'));
    await spend(user, 10);
    await spend(other, 10);
    const server = await listenTo(gateway);
    for (let n = 0; n < 50; n++) {
      const { status, headers } = await server.send({ token: app.token, body: { query: SMALL } });
      expect([status, headers['ratelimit'], headers['ratelimit-policy']]).toEqual([200, undefined, undefined]);
    }
  });

  test('off for users, too', async () => {
    const { user } = await limited(Number.POSITIVE_INFINITY);
    await spend(user, 50);
  });
});

describe('over a WebSocket and as server-sent events', () => {
  test('the operation is refused, and the socket stays', async () => {
    const { gateway, user } = await limited(1);
    const server = await listen(gateway);
    const gid = await groupOf(2);
    const stays = watchOver('websocket', server, user.token, GROUP_CHANGES, { gid });
    await stays.ready();
    await user.send(`{ groupGetMembers(gid: "${gid}", first: 1000) { edges { node { address } } } }`);
    while ((await user.send(SMALL)).status === 200);
    for (const transport of TRANSPORTS) {
      const refused = watchOver(transport, server, user.token, GROUP_CHANGES, { gid });
      expect(await refused.end).toBe('RATE_LIMITED');
      expect(refused.events).toEqual([]);
    }
    await app.call(GroupSetDocument, { input: { gid, name: 'still seen' } });
    await stays.until((events) => events.some(({ settings }) => settings?.name === 'still seen'));
    await stays.stop();
  });

  test('a stream of events is refused before it begins, with 429', async () => {
    const { gateway, user } = await limited(1);
    const server = await listenTo(gateway);
    while ((await user.send(SMALL)).status === 200);
    const answer = await server.send({
      token: user.token,
      headers: { Accept: 'text/event-stream' },
      body: { query: 'subscription { membershipChanges { kind } }' },
    });
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '1']);
    expect(answer.text).toContain('RATE_LIMITED');
  });
});

describe('lists whose length nobody knows before they are read', () => {
  const history = (gid: string) => `{ group(gid: "${gid}") { changes(first: 3) {
    edges { node { ... on MembersAdded { members { address } } } } } } }`;

  test('cost what they usually have, and what they have besides is charged afterwards', async () => {
    const { gateway, user } = await limited(1);
    const server = await listenTo(gateway);
    const post = async (gid: string) => {
      const { status, json } = await server.send({
        token: user.token,
        headers: { 'X-Rollcall-Cost': '1' },
        body: { query: history(gid) },
      });
      return [status, json.extensions?.cost];
    };
    // Two records of 1,000 members are more than 2,000 fields: 20 points, of which a bucket holds 10.
    const [few, many] = [await groupOf(2), await groupOf(2_000)];
    const cost = { fields: expect.any(Number), nodes: 3_004, lists: 1, points: 3 };
    expect(await post(few)).toEqual([200, cost]);
    expect(await post(few)).toEqual([200, cost]);
    expect(await post(many)).toEqual([200, cost]);
    // Refused before it is parsed, and priced.
    expect(await post(few)).toEqual([429, undefined]);
  });
});

describe('a snapshot', () => {
  const SNAPSHOT = `subscription ($gid: ID!) {
    groupChanges(gid: $gid, snapshot: true) { __typename ... on GroupSnapshot { page members { address } } } }`;

  test('costs a point for every 100 members, and the next page waits until it is paid for', async () => {
    const { gateway, user } = await limited(10);
    const gid = await groupOf(12_050);
    const server = await listen(gateway);
    const begun = performance.now();
    const watch = watchOver('websocket', server, user.token, SNAPSHOT, { gid });
    await watch.ready();
    expect(watch.events.flatMap(({ members }) => members ?? [])).toHaveLength(12_050);
    // The last page comes when 121 points are paid, of 100 and 10 a second: earlier it cannot, however fast the machine is.
    expect(performance.now() - begun).toBeGreaterThan(2_050);
    await watch.stop();
  });

  test('brings its token into debt: other operations are refused meanwhile', async () => {
    const { gateway, user } = await limited(1);
    const gid = await groupOf(2_500);
    const watch = watchOver('sse', await listen(gateway), user.token, SNAPSHOT, { gid });
    // Of 10 points it has used 21, and gets one a second.
    await watch.until((events) => events.length === 2);
    const { status, errors } = await user.send(SMALL);
    expect([status, errors?.[0]?.extensions?.['code']]).toEqual([429, 'RATE_LIMITED']);
    await watch.stop();
  });

  test('of a few members costs nothing but the start', async () => {
    const { gateway, user } = await limited(1);
    const gid = await groupOf(50);
    const server = await listen(gateway);
    for (let n = 0; n < 9; n++) {
      const watch = watchOver('sse', server, user.token, GROUP_CHANGES, { gid, snapshot: true });
      await watch.ready();
      await watch.stop();
    }
  });
});

describe('an op', () => {
  const gateway = gatewayOn(db, { config: { appRate: 1_000 } });
  const server = listenTo(gateway);
  const send = async (body: object) => (await server).send({ path: '/backend', body });

  test.each<[string, (gid: string) => object, number]>([
    ['appstats', () => ({}), 1],
    ['groupget', (gid) => ({ group: { gid } }), 1],
    ['groupgetmembers', (gid) => ({ group: { gid } }), 1],
    ['groupgetmembers', (gid) => ({ group: { gid }, count: 1_000 }), 11],
    ['groupsget', () => ({ count: 10_000 }), 101],
    ['usersget', () => ({ count: 100 }), 2],
    ['groupset', (gid) => ({ group: { gid, name: 'x' } }), 6],
    ['groupeditmembers', (gid) => ({ group: { gid, members: { m: Array.from({ length: 250 }, (_, n) => `x${n}`).join() } } }), 8],
    ['groupadd', () => ({ group: { members: { m: Array.from({ length: 99 }, (_, n) => `y${n}`).join() } } }), 6],
    ['useradd', () => ({ user: { address: 'new' } }), 6],
    ['groupdel', (gid) => ({ group: { gid } }), 6],
  ])('%s costs as the operation of GraphQL does', async (op, request, points) => {
    const { token } = await quiet.caller();
    const made = await send({ op: 'groupadd', token });
    await sleep(20); // the bucket is full again
    const { json, headers } = await send({ op, token, ...request(made.json.group.gid) });
    expect(json).toMatchObject({ result: true });
    expect([headers['ratelimit-policy'], headers['ratelimit']]).toEqual(['"app";q=10000;w=10', `"app";r=${10_000 - points};t=1`]);
  });

  test('too many are RATELIMIT, in HTTP 200, with the time to wait; nothing was written', async () => {
    const slow = await listenTo(gatewayOn(db, { config: { appRate: 1 } }));
    const caller = await quiet.caller();
    const add = (name: string) =>
      slow.send({ path: '/backend', body: { op: 'groupadd', id: 7, token: caller.token, group: { name } } });
    expect((await add('one')).json).toMatchObject({ result: true });
    await writesNothing(db, caller.viewer, async () => {
      const { status, headers, json } = await add('two');
      expect(json).toEqual({
        ...{ op: 'groupadd', id: 7, result: false, error: 'RATELIMIT' },
        error_description: 'The token has used up its points.',
      });
      expect([status, headers['retry-after'], headers['ratelimit']]).toEqual([
        200,
        expect.stringMatching(/^[12]$/),
        expect.stringMatching(/^"app";r=[4-6];t=1$/),
      ]);
    });
    await sleep(2_000);
    expect((await add('three')).json).toMatchObject({ result: true });
    // On GraphQL the same token has the same bucket.
    const graphql = await slow.send({ token: caller.token, body: { query: 'mutation { groupAdd(input: {}) { __typename } }' } });
    expect([graphql.status, graphql.json.errors[0].extensions.code]).toEqual([429, 'RATE_LIMITED']);
  });

  test('none costs anything that could not be read', async () => {
    const { token } = await quiet.caller();
    for (const body of [
      { op: 'none', token },
      { op: 'groupdel', token },
      { op: 'groupgetmembers', token, count: 'x' },
    ]) {
      const { json, headers } = await send(body);
      expect([json.result, headers['ratelimit']]).toEqual([false, undefined]);
    }
  });
});
