import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { atEnd } from '../setup/at-end.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';

const gateway = await openTestGateway();
const { server, port, send } = await listen(gateway);
const { token } = await gateway.caller();

// As java.net.http.HttpClient and curl --http2 send them.
const OFFERS: Record<string, string>[] = [
  { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA' },
  { Connection: 'Upgrade', Upgrade: 'TLS/1.2' },
];

test.each(OFFERS)('an offer of another protocol is passed over: $Upgrade', async (headers) => {
  for (const path of ['/backend', '/backend/', '/api.php']) {
    const { status, json } = await send({ path, headers, body: { op: 'appstats', token } });
    expect([path, status, json.result]).toEqual([path, 200, true]);
  }
  const { status, json } = await send({ token, headers, body: { query: '{ viewer { address } }' } });
  expect([status, json]).toEqual([200, { data: { viewer: { address: null } } }]);
  expect((await send({ method: 'GET', path: '/healthz', headers })).status).toBe(200);
});

async function refused(allowHalfOpen = false): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen }).on('error', () => {});
  atEnd(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  return socket;
}

test('a client that resets its connection while its WebSocket is refused does no harm', async () => {
  for (let round = 0; round < 50; round++) (await refused()).resetAndDestroy();
  expect((await send({ method: 'GET', path: '/healthz' })).status).toBe(200);
});

test('a refused WebSocket that goes on sending is closed', async () => {
  const socket = await refused();
  const closed = once(socket, 'close');
  socket.write('x'.repeat(1_000));
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  await closed;
});

test('a refused WebSocket is closed whole, though its client does not close its side', async () => {
  const connected = once(server, 'connection');
  const socket = await refused(true);
  const [ours] = (await connected) as [Socket];
  const closed = once(ours, 'close');
  let answer = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) answer += chunk;
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  expect(socket.writable).toBe(true);
  await closed;
});
