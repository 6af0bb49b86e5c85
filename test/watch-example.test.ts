import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { databaseKind, postgresUrl } from './setup/database.ts';
import { temporaryFolder } from './setup/folder.ts';
import { post, type ServerProcess, startServer } from './setup/server.ts';

const TOKEN = 'a-token-of-at-least-32-characters-for-tests';
const env = databaseKind === 'postgres' ? { DATABASE_URL: await postgresUrl() } : { DATA_DIR: await temporaryFolder() };
const start = (port = 0) => startServer({ ...env, APP_TOKEN: TOKEN, PORT: String(port) });

/** The example as a process, and what it printed. */
function watch(server: ServerProcess, ...args: string[]) {
  const file = fileURLToPath(new URL('../examples/watch.ts', import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ROLLCALL_URL: server.url, ROLLCALL_TOKEN: TOKEN },
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
  const { written, ended } = watch(server, gid);
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('Ready');
  await add('bert');
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('bert');

  const { port } = server;
  await server.stop('SIGKILL');
  server = await start(port);
  await add('cora');
  await expect.poll(() => written.text, { timeout: 20_000 }).toContain('cora');
  await post(server.url, TOKEN, `mutation { groupDel(input: { gid: "${gid}" }) { __typename } }`);
  expect(await ended).toBe(0);
  const versions = [...written.text.matchAll(/v(\d+) {2}(MembersAdded|GroupDeleted)/g)].map(([, version]) => Number(version));
  expect(versions).toEqual([3, 4, 5]);
  await server.stop();
}, 120_000);

test('the example says why it cannot watch, and stops', async () => {
  const server = await start();
  const { written, ended } = watch(server, '1');
  expect(await ended).toBe(1);
  expect(written.text).toContain('GROUP_NOT_FOUND');
  await server.stop();
}, 120_000);
