import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { migratedDataDir } from './setup/data-dir.ts';
import { databaseKind, postgresUrl } from './setup/database.ts';
import { type Environment, post, runApp, startServer } from './setup/server.ts';

const APP = '{ viewer { app { name } } }';
const ADD =
  'mutation { groupAdd(input: { members: { addresses: ["a", "b"] } }) { ... on GroupAddPayload { group { memberCount } } } }';

async function newDatabase(): Promise<Environment> {
  return databaseKind === 'postgres' ? { DATABASE_URL: await postgresUrl() } : { DATA_DIR: await migratedDataDir() };
}

function secretOf(stdout: string): string {
  return /^rollcall_[\w-]{43}$/m.exec(stdout)?.[0] ?? expect.fail(`There is no token in: ${stdout}`);
}

test('the apps of a gateway that runs', { timeout: 120_000 }, async () => {
  const env = await newDatabase();
  const server = await startServer(env);
  const statusOf = async (token: string) => (await post(server.url, token, APP)).status;

  const added = await runApp(['add', 'shop'], env);
  expect(added).toMatchObject({ code: 0, stderr: '' });
  const token = secretOf(added.stdout);
  expect(await post(server.url, token, ADD)).toEqual({ status: 200, data: { groupAdd: { group: { memberCount: 2 } } } });

  const second = secretOf((await runApp(['token', 'shop'], env)).stdout);
  expect(await post(server.url, second, APP)).toEqual({ status: 200, data: { viewer: { app: { name: 'shop' } } } });
  const { stdout } = await runApp(['list'], env);
  expect(stdout.split('\n').map((line) => line.split('\t').slice(0, 3))).toEqual([
    ['default', '1 tokens', '0 groups'],
    ['shop', '2 tokens', '1 groups'],
    [''],
  ]);

  const refused = { code: 1, stdout: '', stderr: 'There is an app shop already\n' };
  expect(await runApp(['add', 'shop'], env)).toMatchObject(refused);

  const deleted = await runApp(['delete', 'shop'], env);
  expect(deleted).toEqual({ code: 0, signal: null, stdout: 'Deleted the app shop with 1 groups.\n', stderr: '' });
  await sleep(1000);
  expect([await statusOf(token), await statusOf(second), await statusOf(await server.firstToken())]).toEqual([401, 401, 200]);
  const { stdout: log, stderr } = await server.stop();
  expect(stderr).toBe('');
  expect(log).not.toContain(token);
  expect(log).not.toContain(second);
});

test('without a gateway an app is made, in a database that was empty, and found by the gateway that starts', {
  timeout: 120_000,
}, async () => {
  const env = await newDatabase();
  const added = await runApp(['add', 'shop'], env);
  expect(added).toMatchObject({ code: 0, stderr: '' });
  expect(await runApp(['delete', 'nobody'], env)).toMatchObject({ code: 1, stdout: '', stderr: 'There is no app "nobody"\n' });
  const server = await startServer(env);
  expect(await post(server.url, secretOf(added.stdout), APP)).toMatchObject({ status: 200 });
  expect((await server.stop()).stdout).not.toContain('rollcall_');
});
