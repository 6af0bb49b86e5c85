import { once } from 'node:events';
import { request } from 'node:http';
import { createClient } from 'graphql-sse';
import { expect, test } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { APP_CHANGES, GROUP_CHANGES, listen, TRANSPORTS, until, type WatchedEvent, watchOver } from '../setup/watch.ts';
import { addGroup, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);
const caller = await gateway.caller();

const INIT = { type: 'connection_init', payload: { authorization: `Bearer ${caller.token}` } };

/** A socket by hand: its messages and how it was closed. */
function openSocket(url = server.url, options: ClientOptions = {}) {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws', options);
  const messages: WatchedEvent[] = [];
  const closed: number[] = [];
  socket.on('error', () => {});
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  socket.on('close', (code) => closed.push(code));
  const send = (message: object) => socket.send(JSON.stringify(message));
  const initialised = async (message: object = INIT) => {
    await once(socket, 'open');
    send(message);
    await until(() => messages.some(({ type }) => type === 'connection_ack') || closed.length > 0);
  };
  return { socket, messages, closed, send, initialised };
}

async function handshakeStatus(headers: Record<string, string>, path = '/graphql', url = server.url): Promise<number> {
  const asked = request(new URL(path, url), {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol': 'graphql-transport-ws',
      ...headers,
    },
  });
  asked.on('error', () => {});
  asked.end();
  return new Promise((resolve) => {
    asked.on('upgrade', (_, socket) => {
      socket.destroy();
      resolve(101);
    });
    asked.on('response', ({ statusCode = 0 }) => resolve(statusCode));
  });
}

test('WebSocket: a ping is answered with its payload, and the server pings too', async () => {
  const pinging = await listen(gatewayOn(gateway.db, { config: { watching: { pingInterval: 200 } } }));
  const { socket, messages, send, initialised } = openSocket(pinging.url);
  await initialised();
  send({ type: 'ping', payload: { n: 1 } });
  await until(() => messages.some(({ type, payload }) => type === 'pong' && payload.n === 1));
  const pinged = once(socket, 'ping');
  await pinged;
  expect(socket.readyState).toBe(WebSocket.OPEN);
  socket.terminate();
});

test('WebSocket: other origins are refused with 403, without a list only loopback and its own pass', async () => {
  const { host } = new URL(server.url);
  for (const [origin, status] of [
    ['https://evil.example', 403],
    ['null', 403],
    ['http://localhost:5173', 101],
    [`http://${host}`, 101],
  ] as const) {
    expect([origin, await handshakeStatus({ Origin: origin })]).toEqual([origin, status]);
  }
  expect(await handshakeStatus({})).toBe(101);
  expect(await handshakeStatus({ Origin: 'https://gateway.example', Host: 'gateway.example' })).toBe(101);
  expect(await handshakeStatus({}, '/elsewhere')).toBe(404);
  const listed = await listen(gatewayOn(gateway.db, { config: { allowedOrigins: ['https://app.example'] } }));
  expect(await handshakeStatus({ Origin: 'https://app.example' }, '/graphql', listed.url)).toBe(101);
  expect(await handshakeStatus({ Origin: 'http://localhost:5173' }, '/graphql', listed.url)).toBe(403);
});

test('WebSocket: no token, or one that is not valid, closes with 4403; the header will do', async () => {
  for (const payload of [undefined, {}, { authorization: 'Bearer wrong' }, { authorization: 7 }]) {
    const { closed, initialised } = openSocket();
    await initialised({ type: 'connection_init', payload });
    expect(closed).toEqual([4403]);
  }
  const { socket, messages, initialised } = openSocket(server.url, { headers: { Authorization: `Bearer ${caller.token}` } });
  await initialised({ type: 'connection_init' });
  expect(messages).toEqual([{ type: 'connection_ack' }]);
  socket.terminate();
});

test('WebSocket: without connection_init it closes with 4408, an operation before it with 4401', async () => {
  const silent = openSocket();
  const hasty = openSocket();
  await once(hasty.socket, 'open');
  hasty.send({ type: 'subscribe', id: 'a', payload: { query: '{ __typename }' } });
  expect(await until(() => hasty.closed[0])).toBe(4401);
  expect(await until(() => silent.closed[0])).toBe(4408);
  const late = openSocket();
  await late.initialised();
  late.send(INIT);
  expect(await until(() => late.closed[0])).toBe(4429);
  const garbled = openSocket();
  await once(garbled.socket, 'open');
  garbled.socket.send('no JSON');
  expect(await until(() => garbled.closed[0])).toBe(4400);
});

test('WebSocket: 10,000 subscribe messages on one socket are bounded, with a clear refusal', async () => {
  const { gid } = await addGroup(caller);
  const { socket, messages, send, initialised } = openSocket();
  await initialised();
  const query = 'subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename version } }';
  for (let n = 0; n < 10_000; n++) send({ type: 'subscribe', id: `${n}`, payload: { query, variables: { gid } } });
  await until(() => messages.filter(({ type }) => type === 'error').length >= 9_900);
  await until(() => messages.filter(({ type }) => type === 'next').length >= 100);
  const refused = messages.filter(({ type }) => type === 'error');
  expect(refused).toHaveLength(9_900);
  for (const { payload } of refused) {
    expect(payload).toMatchObject([{ extensions: { code: 'LIMIT_EXCEEDED', limit: 'MAX_OPERATIONS', max: 100 } }]);
  }
  await setGroup(caller, { gid, name: 'still served' });
  await until(
    () => messages.filter(({ type, payload }) => type === 'next' && payload.data.groupChanges.version === 2).length === 100,
  );
  send({ type: 'complete', id: '0' });
  send({ type: 'subscribe', id: 'again', payload: { query, variables: { gid } } });
  await until(() => messages.some(({ type, id }) => type === 'next' && id === 'again'));
  socket.terminate();
});

test('WebSocket: queries and mutations work, with the same errors', async () => {
  const { socket, messages, send, initialised } = openSocket();
  await initialised();
  const ask = async (id: string, query: string) => {
    send({ type: 'subscribe', id, payload: { query } });
    await until(() => messages.some((message) => message['id'] === id && message['type'] !== 'next'));
    return messages.filter((message) => message['id'] === id);
  };
  expect(await ask('q', '{ viewer { address } }')).toMatchObject([
    { type: 'next', payload: { data: { viewer: { address: null } } } },
    { type: 'complete' },
  ]);
  const [made] = await ask(
    'm',
    'mutation { groupAdd(input: { name: "by socket" }) { ... on GroupAddPayload { group { gid } } } }',
  );
  expect(made).toMatchObject({ type: 'next', payload: { data: { groupAdd: { group: {} } } } });
  const { gid } = (made as WatchedEvent)['payload'].data.groupAdd.group;
  const [read] = await ask('r', `{ group(gid: "${gid}") { name } }`);
  expect(read).toMatchObject({ payload: { data: { group: { name: 'by socket' } } } });
  expect(await ask('v', '{ nothing }')).toMatchObject([
    { type: 'error', payload: [{ message: expect.stringContaining('nothing') }] },
  ]);
  expect(await ask('s', '{')).toMatchObject([{ type: 'error' }]);
  expect(await ask('e', '{ groups(first: 5000) { edges { cursor } } }')).toMatchObject([
    { type: 'next', payload: { errors: [{ extensions: { code: 'INVALID_INPUT' } }] } },
    { type: 'complete' },
  ]);
  socket.terminate();
});

test('WebSocket: a revoked token ends all operations of its socket and closes it', async () => {
  const app = await gateway.caller();
  const groups = await Promise.all([addGroup(app), addGroup(app)]);
  const { messages, closed, send, initialised } = openSocket();
  await initialised({ type: 'connection_init', payload: { authorization: `Bearer ${app.token}` } });
  for (const { gid } of groups) send({ type: 'subscribe', id: gid, payload: { query: GROUP_CHANGES, variables: { gid } } });
  await until(() => messages.filter(({ type }) => type === 'next').length === 2);
  await app.send('mutation ($id: ID!) { tokenRevoke(id: $id) { __typename } }', { id: app.viewer.token.id });
  expect(await until(() => closed[0])).toBe(4403);
  const ends = messages.filter(({ type }) => type === 'error');
  expect(ends.map(({ id }) => id).toSorted()).toEqual(groups.map(({ gid }) => gid).toSorted());
  for (const { payload } of ends) expect(payload).toMatchObject([{ extensions: { code: 'TOKEN_REVOKED' } }]);
});

test('SSE: each event bears an id, and Last-Event-ID wins over after and snapshot', async () => {
  const { gid, cursor } = await addGroup(caller);
  await setGroup(caller, { gid, name: 'two' });
  const { cursor: third } = await setGroup(caller, { gid, name: 'three' });
  const watch = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  await watch.ready();
  expect(watch.ids).toEqual(watch.events.map((event) => event['cursor']));
  await watch.stop();
  for (const variables of [{ gid }, { gid, after: third }, { gid, snapshot: true }, { gid, after: third, snapshot: true }]) {
    const back = watchOver('sse', server, caller.token, GROUP_CHANGES, variables, { lastEventId: watch.ids[0] });
    await back.ready();
    expect(back.events.map(({ version }) => version)).toEqual([3, 3]);
    await back.stop();
  }
  const garbled = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid }, { lastEventId: 'garbled' });
  expect(await garbled.end).toBe('BAD_CURSOR');
  const snapshot = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, snapshot: true });
  await snapshot.ready();
  const anew = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid }, { lastEventId: snapshot.ids[0] });
  await anew.ready();
  expect(anew.events).toMatchObject([{ __typename: 'GroupSnapshot', page: 1 }, { __typename: 'Ready' }]);
  await Promise.all([snapshot.stop(), anew.stop()]);
});

test('SSE: a typed end is a next with errors, then complete', async () => {
  const { gid } = await addGroup(caller);
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${caller.token}` },
    body: JSON.stringify({ query: GROUP_CHANGES, variables: { gid, after: 'x' } }),
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const parts = (await response.text()).split('\n\n').filter((part) => part.startsWith('event'));
  expect(parts).toHaveLength(2);
  const [next = '', complete] = parts;
  expect(JSON.parse(next.slice('event: next\ndata: '.length))).toMatchObject({
    errors: [{ extensions: { code: 'BAD_CURSOR' } }],
  });
  expect(complete).toBe('event: complete\ndata:');
});

test('SSE: the client that others use understands it', async () => {
  const { gid } = await addGroup(caller);
  const client = createClient({ url: server.url, headers: { Authorization: `Bearer ${caller.token}` }, retryAttempts: 0 });
  const events: WatchedEvent[] = [];
  const over = (async () => {
    for await (const { data } of client.iterate({ query: GROUP_CHANGES, variables: { gid } })) {
      events.push(data?.['groupChanges'] as WatchedEvent);
      if (events.length === 2) break;
    }
  })();
  await until(() => events.length === 1);
  await setGroup(caller, { gid, name: 'two' });
  await over;
  expect(events.map(({ __typename }) => __typename)).toEqual(['Ready', 'GroupUpdated']);
});

test.each(TRANSPORTS)('over %s: after with snapshot, an unknown gid and wrong arguments are refused', async (transport) => {
  const { gid, cursor } = await addGroup(caller);
  const watch = watchOver(transport, server, caller.token, GROUP_CHANGES, { gid, after: cursor, snapshot: true });
  expect(await watch.end).toBe('INVALID_INPUT');
  expect(watch.errors).toMatchObject([{ extensions: { issues: [{ path: ['snapshot'] }] } }]);
  expect(await watchOver(transport, server, caller.token, GROUP_CHANGES, { gid: '4711471147' }).end).toBe('GROUP_NOT_FOUND');
  const nobody = watchOver(transport, server, caller.token, 'subscription { membershipChanges { cursor } }');
  expect(await nobody.end).toBe('INVALID_INPUT');
  const noToken = watchOver(transport, server, 'rollcall_wrong', APP_CHANGES);
  expect(await noToken.end).toBe(transport === 'sse' ? 'UNAUTHENTICATED' : 'closed 4403');
});
