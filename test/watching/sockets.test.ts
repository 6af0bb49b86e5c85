import { once } from 'node:events';
import { afterAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { altered } from '../setup/interrupted.ts';
import { listen, TRANSPORTS, until, type WatchedEvent, watchOver } from '../setup/watch.ts';
import { addGroup, setGroup } from './setup.ts';

const MIB = 1024 * 1024;
const SECRETS = 'connect ECONNREFUSED 10.0.0.7:5432';
const READY = 'subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename version } }';
const WITH_GROUP = `subscription ($gid: ID!) {
  groupChanges(gid: $gid) { __typename version ... on GroupUpdated { group { name } } } }`;

const { db, ...healthy } = await openTestGateway();
const caller = await healthy.caller();

const lines: Record<string, unknown>[] = [];
/** What fails: statements whose names match. */
let away = /^$/;
const failing = altered(db, {
  query: (statement, ...given) =>
    away.test(statement.name) ? Promise.reject(new Error(SECRETS)) : db.query(statement, ...given),
});
const server = await listen(gatewayOn(failing, { onLog: (line) => lines.push(line) }));

const toConsole = vi.spyOn(console, 'error');
afterAll(() => {
  expect(toConsole).not.toHaveBeenCalled();
  toConsole.mockRestore();
});

/** A socket by hand, let in: its messages, and how it was closed. */
async function openSocket({ token = caller.token, autoPong = true } = {}) {
  const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws', { autoPong });
  const messages: WatchedEvent[] = [];
  const closed: [code: number, reason: string][] = [];
  socket.on('error', () => {});
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  socket.on('close', (code, reason) => closed.push([code, String(reason)]));
  const send = (message: object) => socket.send(JSON.stringify(message));
  const subscribe = (id: string, query = READY, variables = {}) => send({ type: 'subscribe', id, payload: { query, variables } });
  const answer = (id: string) => until(() => messages.find((message) => message['id'] === id));
  await once(socket, 'open');
  send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  await until(() => messages.length > 0 || closed.length > 0);
  return { socket, messages, closed, send, subscribe, answer };
}

type OpenSocket = Awaited<ReturnType<typeof openSocket>>;

const BIG = 'x'.repeat(100_000);
const FLOODS: Record<string, (opened: OpenSocket, n: number) => void> = {
  ping: ({ send }, n) => send({ type: 'ping', payload: { n, BIG } }),
  refusals: ({ subscribe }, n) => {
    for (let id = 0; id < 300; id++) subscribe(`${n} ${id}`, '{');
  },
  'pings of the transport': ({ socket }) => {
    for (let times = 0; times < 1_000; times++) socket.ping('x'.repeat(125));
  },
};

test('a ping is answered with what it bears; what is nested too deep to be written closes the socket', async () => {
  const opened = await openSocket();
  for (const payload of [{ a: [1, { b: null }] }, null, undefined]) opened.send({ type: 'ping', payload });
  const pongs = await until(() => {
    const found = opened.messages.filter(({ type }) => type === 'pong');
    return found.length === 3 && found;
  });
  expect(pongs).toEqual([{ type: 'pong', payload: { a: [1, { b: null }] } }, { type: 'pong' }, { type: 'pong' }]);
  opened.socket.send(`{"type":"ping","payload":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_001)}`);
  await until(() => opened.closed.length > 0);
  expect(opened.closed).toEqual([[4400, 'Invalid message received']]);
  expect(lines).toEqual([]);
});

test('an id that is too long is no error to be logged', async () => {
  const opened = await openSocket();
  opened.subscribe('x'.repeat(101));
  await until(() => opened.closed.length > 0);
  expect(opened.closed).toEqual([[4400, 'The id of an operation has at most 100 characters']]);
  expect(lines).toEqual([]);
});

test('who neither reads nor answers is cut, and takes bounded memory until then; who is slow is not', async () => {
  const slow = await openSocket({ autoPong: false });
  slow.socket.on('message', () => {
    slow.socket.pause();
    setTimeout(() => slow.socket.resume(), 100);
  });
  for (let n = 0; n < 400; n++) FLOODS['ping']?.(slow, n);
  const silent = await openSocket({ autoPong: false });
  for (const flood of Object.values(FLOODS)) {
    const flooding = await openSocket();
    flooding.socket.pause();
    for (let n = 0; n < 400; n++) flood(flooding, n);
  }
  // Each was open; on a busy machine the first may be cut before the last was flooded.
  expect(server.sockets.size).toBeGreaterThan(1);
  let waiting = 0;
  await until(() => {
    for (const socket of server.sockets) waiting = Math.max(waiting, socket.writableLength);
    return server.sockets.size === 1;
  });
  expect(slow.closed).toEqual([]);
  slow.socket.terminate();
  expect(silent.closed).toEqual([[1006, '']]);
  // Of more than 25 MiB each: 4, and what comes of what one turn of the loop reads.
  expect([waiting > MIB, waiting < 16 * MIB]).toEqual([true, true]);
  expect(lines).toEqual([]);
});

test('who reads again is read again', async () => {
  const { socket, messages, send } = await openSocket();
  socket.pause();
  for (let n = 0; n < 400; n++) send({ type: 'ping', payload: { n, BIG } });
  await until(() => [...server.sockets].some((ours) => ours.isPaused()));
  socket.resume();
  await until(() => messages.length === 401);
  expect(messages.slice(1).map(({ payload }) => payload.n)).toEqual(Array.from({ length: 400 }, (_, n) => n));
  socket.terminate();
});

test('a client that goes away while it is sent something is no error', async () => {
  const { gid } = await addGroup(caller);
  const { socket, send, subscribe, answer } = await openSocket();
  subscribe('a', READY, { gid });
  await answer('a');
  socket.pause();
  for (let n = 0; n < 400; n++) send({ type: 'ping', payload: { n, BIG } });
  const [ours] = server.sockets;
  await until(() => ours?.isPaused());
  const waiting = ours?.writableLength ?? 0;
  await setGroup(caller, { gid, name: 'two' });
  await until(() => (ours?.writableLength ?? 0) > waiting);
  socket.terminate();
  await until(() => server.sockets.size === 0);
  expect(lines).toEqual([]);
});

test('an id has at most 100 characters', async () => {
  const { closed, subscribe, answer } = await openSocket();
  const id = 'i'.repeat(100);
  subscribe(id, '{ __typename }');
  expect(await answer(id)).toMatchObject({ type: 'next' });
  subscribe(`${id}i`, '{ __typename }');
  expect(await until(() => closed[0])).toEqual([4400, 'The id of an operation has at most 100 characters']);
});

test('who is refused 10,000 times in a row and does not stop is closed', async () => {
  const { gid } = await addGroup(caller);
  const { messages, closed, subscribe } = await openSocket();
  for (let n = 0; n < 10_101; n++) subscribe(`${n}`, READY, { gid });
  expect(await until(() => closed[0])).toEqual([1008, 'Too many operations']);
  expect(messages.filter(({ type }) => type === 'error')).toHaveLength(10_000);
});

test('without the database nobody gets in, may come back, and learns nothing of it', async () => {
  const { token } = await gatewayOn(db).caller();
  away = /^token_find$/;
  const { closed } = await openSocket({ token });
  expect(closed).toEqual([[1013, 'Try again later']]);
  expect(lines.splice(0)).toMatchObject([{ requestId: expect.stringMatching(/./), err: { message: SECRETS } }]);
  away = /^$/;
});

test('without the database an operation fails alone, and the streams of its socket go on', async () => {
  const { gid } = await addGroup(caller);
  const { socket, messages, subscribe, answer } = await openSocket();
  subscribe('stream', READY, { gid });
  expect(await answer('stream')).toMatchObject({ type: 'next' });
  away = /^token_find$|revocation/;
  let tries = 0;
  const failed = await until(async () => {
    subscribe(`${++tries}`, '{ viewer { address } }');
    const given = await answer(`${tries}`);
    return given['type'] === 'error' && given;
  });
  away = /^$/;
  const [logged] = lines.splice(0);
  expect(failed).toMatchObject({
    payload: [{ extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: logged?.['requestId'] } }],
  });
  expect(logged).toMatchObject({ requestId: expect.stringMatching(/./), err: { message: SECRETS } });
  expect(JSON.stringify(messages)).not.toContain('ECONNREFUSED');
  await setGroup(caller, { gid, name: 'two' });
  await until(() => messages.some(({ id, payload }) => id === 'stream' && payload.data.groupChanges.version === 2));
  socket.terminate();
});

test.each(TRANSPORTS)('a failure within a stream over %s is masked, and logged under the id that it shows', async (transport) => {
  const { gid } = await addGroup(caller);
  const watch = watchOver(transport, server, caller.token, WITH_GROUP, { gid });
  await watch.ready();
  away = /^groups_find/;
  await setGroup(caller, { gid, name: 'two' });
  await until(() => watch.errors.length > 0);
  away = /^$/;
  const [logged, ...more] = lines.splice(0);
  expect(more).toEqual([]);
  expect(logged).toMatchObject({ requestId: expect.stringMatching(/./), err: { message: SECRETS } });
  expect(watch.errors).toMatchObject([
    { message: 'Something went wrong inside the gateway', extensions: { requestId: logged?.['requestId'] } },
  ]);
  await watch.stop();
});

test('a document that is refused before it is parsed is an error of its operation', async () => {
  const { socket, subscribe, answer } = await openSocket();
  subscribe('deep', `${'{ a'.repeat(5_000)}${'}'.repeat(5_000)}`);
  expect(await answer('deep')).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] });
  subscribe('none', 'query A { __typename } query B { __typename }');
  expect(await answer('none')).toMatchObject({ type: 'error' });
  subscribe('next', '{ __typename }');
  expect(await answer('next')).toMatchObject({ type: 'next' });
  expect(socket.readyState).toBe(WebSocket.OPEN);
  socket.terminate();
});

test('a message that only a server sends closes with nothing told of the inside', async () => {
  const { closed, send } = await openSocket();
  send({ type: 'connection_ack' });
  expect(await until(() => closed[0])).toEqual([4400, 'Unexpected message']);
  expect(lines).toEqual([]);
});
