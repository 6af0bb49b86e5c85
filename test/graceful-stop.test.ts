import { once } from 'node:events';
import { Agent, type ClientRequest, request } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { postgresUrl } from './setup/database.ts';
import { answerOf } from './setup/listener.ts';
import { type Environment, post, type ServerProcess, startServer } from './setup/server.ts';
import { GROUP_CHANGES, watchOver } from './setup/watch.ts';

const ADD = '{"query":"mutation { groupAdd(input: { name: \\"late\\" }) { ... on GroupAddPayload { group { name } } } }"}';
const ADDED = { status: 200, json: { data: { groupAdd: { group: { name: 'late' } } } } };
const NAMES = '{ groups { edges { node { name } } } }';

async function newDatabase(): Promise<Environment> {
  return { DATABASE_URL: await postgresUrl() };
}

const agents = new Set<Agent>();
afterAll(() => {
  for (const agent of agents) agent.destroy();
});

/** A connection that is kept, with a request whose body has begun. */
async function begin(port: number, token: string): Promise<{ sent: ClientRequest; agent: Agent; socket: Socket }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.add(agent);
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'Content-Length': ADD.length };
  const sent = request({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', agent, headers });
  sent.on('error', () => {});
  const [socket] = (await once(sent, 'socket')) as [Socket];
  await new Promise((resolve) => sent.write(ADD.slice(0, 10), resolve));
  return { sent, agent, socket };
}

/** A connection that is kept, without a request. */
async function idle(port: number): Promise<Socket> {
  const agent = new Agent({ keepAlive: true });
  agents.add(agent);
  const sent = request({ port, host: '127.0.0.1', path: '/healthz', agent });
  const answer = answerOf(sent);
  sent.end();
  expect((await answer).status).toBe(200);
  return sent.socket as Socket;
}

async function expectRefused(server: ServerProcess, agent?: Agent): Promise<void> {
  const sent = request({ port: server.port, host: '127.0.0.1', path: '/healthz', agent });
  sent.end();
  await expect(answerOf(sent)).rejects.toThrow(/ECONNREFUSED|ECONNRESET|socket hang up/);
}

test.each([
  ['SIGTERM', []],
  // More signals do not break off what the first waits for.
  ['SIGINT', ['SIGINT', 'SIGTERM']],
] as const)(
  '%s, then %j: requests that run are answered, others are refused, and the next gateway finds all',
  { timeout: 120_000 },
  async (signal, more) => {
    const env = await newDatabase();
    const server = await startServer(env);
    const token = await server.firstToken();
    const running = await Promise.all([1, 2, 3].map(() => begin(server.port, token)));
    const waiting = await idle(server.port);
    const idleClosed = once(waiting, 'close');
    // They have come so far when this one, which came later, is answered.
    expect((await post(server.url, token, NAMES)).status).toBe(200);

    const ended = server.stop(signal);
    await server.wrote(/"msg":"stopping"/);
    for (const each of more) void server.stop(each);
    await idleClosed;
    await expectRefused(server);
    const answers = running.map(({ sent }) => {
      const answer = answerOf(sent);
      sent.end(ADD.slice(10));
      return answer;
    });
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject(ADDED);
    await sleep(1000);
    for (const { agent } of running) await expectRefused(server, agent);

    expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect((await ended).stdout).toMatch(/"msg":"stopped"\}\n$/);
    expect((await ended).stdout.split('"stopping"')).toHaveLength(2);
    const next = await startServer(env);
    const { data } = await post(next.url, token, NAMES);
    expect(data?.groups.edges).toEqual(Array(3).fill({ node: { name: 'late' } }));
  },
);

/** A watcher of all members by server-sent events that reads nothing behind the headers. */
async function stalledEvents({ port }: ServerProcess, token: string, gid: string): Promise<Socket> {
  const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${token}` };
  const sent = request({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', agent: false, headers });
  sent.on('error', () => {}).end(JSON.stringify({ query: GROUP_CHANGES, variables: { gid, snapshot: true } }));
  await once(sent, 'response');
  return sent.socket as Socket;
}

/** The same by WebSocket. */
async function stalledSocket({ url }: ServerProcess, token: string, gid: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws').on('error', () => {});
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await once(socket, 'message');
  const payload = { query: GROUP_CHANGES, variables: { gid, snapshot: true } };
  socket.send(JSON.stringify({ type: 'subscribe', id: 'a', payload }));
  await once(socket, 'message');
  socket.pause();
  return socket;
}

test('clients that read nothing of their streams are cut off, requests that run are answered', { timeout: 60_000 }, async () => {
  const server = await startServer(await newDatabase());
  const token = await server.firstToken();
  const addresses = Array.from({ length: 40_000 }, (_, n) => `${n}`.padStart(200, 'x'));
  const add = 'mutation ($input: GroupAddInput!) { groupAdd(input: $input) { ... on GroupAddPayload { group { gid } } } }';
  const { data } = await post(server.url, token, add, { input: { members: [{ addresses }] } });
  const gid = data?.groupAdd.group.gid;
  const stalled = [await stalledEvents(server, token, gid), await stalledSocket(server, token, gid)];
  // 20 MB: who has not read them while this one did has filled its buffers.
  const reader = watchOver('sse', server, token, GROUP_CHANGES, { gid, snapshot: true });
  await reader.ready();
  const { sent } = await begin(server.port, token);
  expect((await post(server.url, token, NAMES)).status).toBe(200);

  const ended = server.stop();
  expect(await reader.end).toBe('SERVER_STOPPING');
  await sleep(4_000);
  const answer = answerOf(sent);
  sent.end(ADD.slice(10));
  expect(await answer).toMatchObject(ADDED);
  expect(await ended).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/"msg":"stopped"\}\n$/) });
  for (const client of stalled) client instanceof WebSocket ? client.terminate() : client.destroy();
});
