import { pino } from 'pino';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { WatchHub } from '../../src/changes/streams/hub.ts';
import { watchGroup } from '../../src/changes/streams/watch-group.ts';
import { readGid } from '../../src/model/gid.ts';
import { sql } from '../setup/database.ts';
import { type Caller, gatewayOn, openTestGateway } from '../setup/gateway.ts';
import {
  APP_CHANGES,
  GROUP_CHANGES,
  listen,
  MEMBERSHIP_CHANGES,
  TRANSPORTS,
  until,
  type Watch,
  watchOver,
} from '../setup/watch.ts';
import { addGroup, addresses, deleteGroup, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const server = await listen(gateway);
const caller = await gateway.caller();

async function watchAll(transport: (typeof TRANSPORTS)[number], { token }: Caller, gid: string): Promise<Watch[]> {
  const watches = [
    watchOver(transport, server, token, GROUP_CHANGES, { gid }),
    watchOver(transport, server, token, MEMBERSHIP_CHANGES, { address: 'ann' }),
  ];
  await Promise.all(watches.map((watch) => watch.ready()));
  return watches;
}

/** As another gateway would, which raises the counter with it. */
function changeToken({ viewer }: Caller, change: string) {
  const text = `with counter as (update gateway_state set revocations = revocations + 1) update tokens set ${change} where id = $1`;
  return sql(db, text, [viewer.token.id]);
}

const ends = (watches: Watch[]) => Promise.all(watches.map((watch) => watch.end));

test.each(TRANSPORTS)('promise 8, access ends at once: revoked and expired tokens, over %s', async (transport) => {
  const { gid } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const bystander = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid });
  await bystander.ready();
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => caller.user('ann')));
  for (const user of [first, second, third] as Caller[]) {
    const watches = await watchAll(transport, user, gid);
    let reason = 'TOKEN_REVOKED';
    if (user === first) {
      await changeToken(user, 'revoked_at = clock_timestamp()');
    }
    if (user === second) {
      const { data } = await caller.send('mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', {
        id: user.viewer.token.id,
      });
      expect(data).toEqual({ tokenRevoke: { __typename: 'TokenRevokePayload' } });
    }
    if (user === third) {
      reason = 'TOKEN_EXPIRED';
      await changeToken(user, `expires_at = clock_timestamp() + interval '100 milliseconds'`);
    }
    expect(await ends(watches)).toEqual([reason, reason]);
    const refused = transport === 'sse' ? 'UNAUTHENTICATED' : 'closed 4403';
    await until(async () => (await watchOver(transport, server, user.token, GROUP_CHANGES, { gid }).end) === refused);
  }
  expect(bystander.ended).toBeUndefined();
  await bystander.stop();
});

test('promise 8: all streams of a revoked application token end on every gateway', async () => {
  const other = await listen(gatewayOn(db));
  const app = await gateway.caller();
  const { gid } = await addGroup(app);
  const watches = [server, other].flatMap((place) =>
    TRANSPORTS.flatMap((transport) => [
      watchOver(transport, place, app.token, GROUP_CHANGES, { gid }),
      watchOver(transport, place, app.token, APP_CHANGES),
    ]),
  );
  await Promise.all(watches.map((watch) => watch.ready()));
  await app.send('mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', { id: app.viewer.token.id });
  expect(await ends(watches)).toEqual(Array(8).fill('TOKEN_REVOKED'));
});

test.each(TRANSPORTS)('promise 8: a deleted group’s streams complete behind GroupDeleted, over %s', async (transport) => {
  const { gid, cursor } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const ann = await caller.user('ann');
  const watches = [caller, ann].map(({ token }) => watchOver(transport, server, token, GROUP_CHANGES, { gid }));
  const memberships = watchOver(transport, server, ann.token, MEMBERSHIP_CHANGES, { snapshot: true });
  await Promise.all([...watches, memberships].map((watch) => watch.ready()));
  const joined = watches[1]?.events[0]?.['cursor'];
  const { cursor: deleted } = await deleteGroup(caller, gid);
  expect(await ends(watches)).toEqual(['complete', 'complete']);
  for (const { last } of watches) expect(last).toMatchObject({ __typename: 'GroupDeleted', cursor: deleted });
  await memberships.until((events) => events.at(-1)?.['kind'] === 'GROUP_DELETED');
  await memberships.stop();
  // Who was away is told too, and who was told already completes at once.
  const late = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, after: joined });
  expect([await late.end, late.records.map(({ __typename }) => __typename)]).toEqual(['complete', ['GroupDeleted']]);
  const lateApp = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  expect([await lateApp.end, lateApp.last]).toMatchObject(['complete', { __typename: 'GroupDeleted' }]);
  for (const { token } of [caller, ann]) {
    const told = watchOver(transport, server, token, GROUP_CHANGES, { gid, after: deleted });
    expect([await told.end, told.events]).toEqual(['complete', []]);
  }
});

test.each(TRANSPORTS)(
  'promise 8: who is removed gets its removal, then LEFT_GROUP, and nothing later, over %s',
  async (transport) => {
    const { gid, cursor: added } = await addGroup(caller, { name: 'before ann' });
    await editMembers(caller, { gid, add: [{ addresses: ['ann', 'bob'] }] });
    const ann = await caller.user('ann');
    const watch = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid });
    await watch.ready();
    await setGroup(caller, { gid, name: 'seen' });
    await editMembers(caller, { gid, remove: ['ann'] });
    await setGroup(caller, { gid, name: 'not seen' });
    expect(await watch.end).toBe('LEFT_GROUP');
    expect(watch.records).toMatchObject([{ settings: { name: 'seen' } }, { __typename: 'MembersRemoved', addresses: ['ann'] }]);

    const joined = watch.events[0]?.['cursor'];
    const late = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, after: joined });
    expect(await late.end).toBe('LEFT_GROUP');
    expect(late.records.map(({ version }) => version)).toEqual([3, 4]);
    const told = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, after: watch.last?.['cursor'] });
    expect([await told.end, told.events]).toEqual(['LEFT_GROUP', []]);
    const current = (await setGroup(caller, { gid, name: 'still not' })).cursor;
    const peeking = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, after: current });
    expect([await peeking.end, peeking.events]).toEqual(['LEFT_GROUP', []]);
    for (const snapshot of [true, false]) {
      const anew = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, snapshot });
      expect([await anew.end, anew.events]).toEqual(['GROUP_NOT_FOUND', []]);
    }
    // Back again: its stream covers the present membership only.
    await editMembers(caller, { gid, add: [{ addresses: ['ann'] }] });
    for (const after of [added, joined, watch.last?.['cursor']]) {
      const old = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, after });
      expect([await old.end, old.events]).toEqual(['CURSOR_EXPIRED', []]);
    }
    const back = watchOver(transport, server, ann.token, GROUP_CHANGES, { gid, snapshot: true });
    await back.ready();
    expect(back.events).toMatchObject([{ page: 1, members: [{ address: 'ann' }, { address: 'bob' }] }, { __typename: 'Ready' }]);
    await back.stop();
  },
);

test('promise 8: a cursor proves nothing to who never was a member', async () => {
  const { gid, cursor } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const stranger = await caller.user('stranger');
  for (const variables of [{ gid, after: cursor }, { gid, snapshot: true }, { gid }]) {
    const watch = watchOver('sse', server, stranger.token, GROUP_CHANGES, variables);
    expect([await watch.end, watch.events]).toEqual(['GROUP_NOT_FOUND', []]);
  }
  const others = watchOver('sse', server, stranger.token, MEMBERSHIP_CHANGES, { address: 'ann' });
  expect(await others.end).toBe('NOT_ALLOWED');
  const app = watchOver('sse', server, stranger.token, APP_CHANGES);
  expect(await app.end).toBe('NOT_ALLOWED');
});

test('promise 8: a snapshot ends when the membership does, or the group', async () => {
  const hub = new WatchHub({ db, log: pino({ level: 'silent' }) });
  for (const ending of ['LEFT_GROUP', 'deleted']) {
    const { gid } = await addGroup(caller, { members: [{ addresses: ['ann', ...addresses(2_500)] }] });
    const { viewer } = await caller.user('ann');
    const stream = watchGroup(hub, viewer, { gid: readGid(gid), snapshot: true });
    expect((await stream.next()).value).toMatchObject({ type: 'snapshot', page: 1 });
    if (ending === 'deleted') await deleteGroup(caller, gid);
    else await editMembers(caller, { gid, remove: ['ann'] });
    const kind = ending === 'deleted' ? 'GROUP_DELETED' : 'MEMBERS_REMOVED';
    expect((await stream.next()).value).toMatchObject({ type: 'change', record: { kind } });
    if (ending === 'deleted') expect(await stream.next()).toMatchObject({ done: true });
    else await expect(stream.next()).rejects.toMatchObject({ code: 'LEFT_GROUP' });
  }
  expect(hub.size).toBe(0);
  hub.stop();
});

test('promise 8: a token without READ watches nothing', async () => {
  const { gid } = await addGroup(caller, { members: [{ addresses: ['ann'] }] });
  const writer = await caller.user('ann', ['WRITE']);
  for (const [query, variables] of [
    [GROUP_CHANGES, { gid }],
    [MEMBERSHIP_CHANGES, {}],
  ] as const) {
    const watch = watchOver('sse', server, writer.token, query, variables);
    expect(await watch.end).toBe('NOT_ALLOWED');
  }
});

test('promise 8: a stopping gateway ends streams with SERVER_STOPPING and sockets with 1001', async () => {
  const stopping = await listen(gatewayOn(db));
  const { gid } = await addGroup(caller);
  const watches = TRANSPORTS.map((transport) => watchOver(transport, stopping, caller.token, GROUP_CHANGES, { gid }));
  await Promise.all(watches.map((watch) => watch.ready()));
  const socket = new WebSocket(stopping.url.replace('http', 'ws'), 'graphql-transport-ws');
  const closed: number[] = [];
  let acknowledged = false;
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${caller.token}` } })),
  );
  socket.on('message', () => {
    acknowledged = true;
  });
  socket.on('close', (code) => closed.push(code));
  await until(() => acknowledged);
  await stopping.stop();
  expect(await ends(watches)).toEqual(['SERVER_STOPPING', 'SERVER_STOPPING']);
  expect(await until(() => closed[0])).toBe(1001);
});
