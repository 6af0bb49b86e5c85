import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { migratedDataDir } from './setup/data-dir.ts';
import { databaseKind, postgresUrl } from './setup/database.ts';
import { post, startServer } from './setup/server.ts';

const TOKEN = 'a-token-of-at-least-32-characters-for-tests';
const env = databaseKind === 'postgres' ? { DATABASE_URL: await postgresUrl() } : { DATA_DIR: await migratedDataDir() };
const start = (port = 0) => startServer({ ...env, APP_TOKEN: TOKEN, PORT: String(port), CHECKPOINT_INTERVAL: '0.5' });

/** A way to the gateway that falls silent, as when a host vanishes; whoever comes after that gets through. */
async function silentWay(port: number) {
  const ways: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    let silent = false;
    ways.push(() => {
      silent = true;
    });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {}).on('data', (bytes) => silent || to.write(bytes));
      from.on('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const { port: own } = proxy.address() as AddressInfo;
  return { url: `http://127.0.0.1:${own}/graphql`, ways };
}

/** The example as a process, and what it printed. */
function watch(server: { url: string }, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const file = fileURLToPath(new URL('../examples/watch.ts', import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ROLLCALL_URL: server.url, ROLLCALL_TOKEN: TOKEN, ...env },
  });
  afterAll(() => child.kill('SIGKILL'));
  const written = { text: '' };
  child.stdout.on('data', (chunk) => {
    written.text += chunk;
  });
  child.stderr.on('data', (chunk) => {
    written.text += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { written, ended };
}

test('the example prints every change once, also across a restart of the gateway, and ends with the group', async () => {
  let server = await start();
  const added = await post(
    server.url,
    TOKEN,
    'mutation { groupAdd(input: { members: [{ addresses: ["anna"] }] }) { ... on GroupAddPayload { group { gid } } } }',
  );
  const gid: string = added.data?.groupAdd.group.gid;
  const add = (address: string) =>
    post(
      server.url,
      TOKEN,
      `mutation { groupEditMembers(input: { gid: "${gid}", add: [{ addresses: ["${address}"] }] }) { __typename } }`,
    );
  const { written, ended } = watch(server, [gid]);
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('Ready');
  await add('bert');
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('bert');

  const { port } = server;
  await server.stop('SIGKILL');
  server = await start(port);
  await add('cora');
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('cora');
  const deleted = await post(
    server.url,
    TOKEN,
    `mutation { groupDel(input: { gid: "${gid}" }) { ... on GroupDelPayload { cursor } } }`,
  );
  expect(await ended).toBe(0);
  const versions = [...written.text.matchAll(/v(\d+) {2}(MembersAdded|GroupDeleted)/g)].map(([, version]) => Number(version));
  expect(versions).toEqual([3, 4, 5]);

  const late = watch(server, [gid, deleted.data?.groupDel.cursor]);
  expect(await late.ended).toBe(0);
  expect(late.written.text).toBe('');
  await server.stop();
}, 120_000);

test('the example says why it cannot watch, and stops', async () => {
  const server = await start();
  const { written, ended } = watch(server, ['1']);
  expect(await ended).toBe(1);
  expect(written.text).toContain('GROUP_NOT_FOUND');
  await server.stop();
}, 120_000);

test('the example comes again when its connection falls silent, and misses nothing', async () => {
  const server = await start();
  const added = await post(server.url, TOKEN, 'mutation { groupAdd(input: {}) { ... on GroupAddPayload { group { gid } } } }');
  const gid: string = added.data?.groupAdd.group.gid;
  const way = await silentWay(server.port);
  const { written, ended } = watch(way, [gid], { CHECKPOINT_INTERVAL: '0.8' });
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('Ready');
  for (const fallSilent of way.ways) fallSilent();
  await post(server.url, TOKEN, `mutation { groupSet(input: { gid: "${gid}", name: "unheard" }) { __typename } }`);
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('v2  GroupUpdated');
  expect(way.ways.length).toBeGreaterThan(1);
  await post(server.url, TOKEN, `mutation { groupDel(input: { gid: "${gid}" }) { __typename } }`);
  expect(await ended).toBe(0);
  expect(written.text.match(/GroupUpdated/g)).toHaveLength(1);
  await server.stop();
}, 120_000);
