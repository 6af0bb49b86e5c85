import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openTestGateway } from '../setup/gateway.ts';
import { eventReader, GROUP_CHANGES, listen, TRANSPORTS, type Transport, Watch, watchOver } from '../setup/watch.ts';
import { addGroup, editMembers } from './setup.ts';

// No pings: who is stalled does not answer them, and on a busy machine the test takes longer than they wait.
const gateway = await openTestGateway({ config: { watching: { pingInterval: 600_000 } } });
const server = await listen(gateway);
const CHANGES = 60;
const MIB = 1024 * 1024;

interface Stalled {
  watch: Watch;
  resume(): void;
}

/** A watcher that reads nothing from its connection until it resumes. */
function stalledReader(transport: Transport, token: string, variables: object): Promise<Stalled> {
  return transport === 'sse' ? stalledEvents(token, variables) : stalledSocket(token, variables);
}

async function stalledEvents(token: string, variables: object): Promise<Stalled> {
  const watch = new Watch();
  const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${token}` };
  const asked = request(server.url, { method: 'POST', headers });
  asked.end(JSON.stringify({ query: GROUP_CHANGES, variables }));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  watch.sink.onStop(() => {
    asked.destroy();
    watch.sink.over('stopped');
  });
  return { watch, resume: () => response.on('error', () => {}).on('data', eventReader(watch)) };
}

async function stalledSocket(token: string, variables: object): Promise<Stalled> {
  const watch = new Watch();
  const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws');
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await once(socket, 'message');
  socket.send(JSON.stringify({ type: 'subscribe', id: 'a', payload: { query: GROUP_CHANGES, variables } }));
  socket.pause();
  socket.on('message', (data) => watch.sink.next(JSON.parse(String(data)).payload));
  watch.sink.onStop(() => {
    socket.terminate();
    watch.sink.over('stopped');
  });
  return { watch, resume: () => socket.resume() };
}

test('promise 9, a slow reader hurts itself only, by whichever transport', async () => {
  const caller = await gateway.caller();
  const names = Array.from({ length: 1_000 }, (_, n) => `${n}`.padStart(200, 'x'));
  const { gid, cursor } = await addGroup(caller, { members: [{ addresses: names }] });
  const stalled = await Promise.all(TRANSPORTS.map((each) => stalledReader(each, caller.token, { gid, after: cursor })));
  const others = TRANSPORTS.map((each) => watchOver(each, server, caller.token, GROUP_CHANGES, { gid, after: cursor }));
  let waiting = 0;
  for (let n = 0; n < CHANGES; n++) {
    await editMembers(caller, { gid, update: [{ addresses: names, permissions: { send: n % 2 === 1 } }] });
    for (const socket of server.sockets) waiting = Math.max(waiting, socket.writableLength);
  }
  const versions = Array.from({ length: CHANGES }, (_, index) => index + 3);
  for (const other of others) {
    await other.until(() => other.records.length === CHANGES);
    expect(other.records.map(({ version }) => version)).toEqual(versions);
    await other.stop();
  }
  // All of them are more than 20 MiB; what is not in the kernel's buffers waits in the log.
  expect(JSON.stringify(others[0]?.records).length).toBeGreaterThan(20 * MIB);
  expect(waiting).toBeLessThan(3 * MIB);
  for (const { watch } of stalled) expect(watch.events).toEqual([]);
  for (const { watch, resume } of stalled) {
    resume();
    await watch.until(() => watch.records.length === CHANGES);
    expect(watch.records.map(({ version }) => version)).toEqual(versions);
    await watch.stop();
  }
}, 120_000);
