import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { glob, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { migratedDataDir } from '../setup/data-dir.ts';
import { temporaryFolder } from '../setup/folder.ts';
import { post, runApp, runServer, startServer } from '../setup/server.ts';

const APP = '{ viewer { app { name } } }';
const DEFAULT_APP = { viewer: { app: { name: 'default' } } };

/** The JSON lines among what a gateway wrote. */
function logOf(stdout: string): string {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .join('\n');
}

async function isInSomeFile(folder: string, text: string): Promise<boolean> {
  for await (const name of glob('**', { cwd: folder })) {
    const path = join(folder, name);
    if ((await stat(path)).isFile() && (await readFile(path)).includes(text)) return true;
  }
  return false;
}

describe('a first start on nothing', () => {
  const DATA_DIR = join(temporaryFolder(), 'not', 'there', 'yet');

  test('shows a token of the app "default" and a curl line that works, the next start shows none', {
    timeout: 120_000,
  }, async () => {
    const first = await startServer({ DATA_DIR });
    const token = await first.firstToken();
    const [, line = ''] = await first.wrote(/^ {2}(curl .*)$/m);
    expect(line).toContain(token);
    const { stdout } = await promisify(execFile)('sh', ['-c', line]);
    expect(JSON.parse(stdout)).toEqual({ data: DEFAULT_APP });
    const ended = await first.stop();
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(logOf(ended.stdout)).toContain('"msg":"request"');
    expect(logOf(ended.stdout)).not.toContain(token);
    expect(await isInSomeFile(DATA_DIR, 'default')).toBe(true);
    expect(await isInSomeFile(DATA_DIR, token)).toBe(false);

    const second = await startServer({ DATA_DIR });
    expect(await post(second.url, token, APP)).toEqual({ status: 200, data: DEFAULT_APP });
    const again = await second.stop();
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(logOf(again.stdout)).toBe(again.stdout.trimEnd());
    expect(again.stdout).not.toMatch(/rollcall_|curl/);
  });

  test('keeps the data to its owner, whatever modes the database gives its files', async () => {
    const names = await readdir(DATA_DIR);
    expect(names).toEqual(expect.arrayContaining(['lock', 'pglite']));
    for (const name of ['', ...names]) expect([name, (await stat(join(DATA_DIR, name))).mode & 0o077]).toEqual([name, 0]);
  });
});

test('a start that fails uses up no token; the gateway that has the folder notices nothing', { timeout: 60_000 }, async () => {
  const DATA_DIR = await migratedDataDir();
  const other = createServer();
  await once(other.listen(0, '127.0.0.1'), 'listening');
  const { port } = other.address() as AddressInfo;
  const failed = await runServer({ DATA_DIR, PORT: String(port) });
  other.close();
  const reason = `rollcall: PORT must be free, or 0 for any that is. Another process listens on port ${port} of 127.0.0.1.\n`;
  expect(failed).toEqual({ code: 1, signal: null, stdout: '', stderr: reason });
  const holder = await startServer({ DATA_DIR });
  const { code, stdout, stderr } = await runServer({ DATA_DIR });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^rollcall: The data folder .* is in use: process \d+, running since \S+, has it\. .*DATA_DIR.*\n$/);
  expect(stderr).toContain(`The data folder ${DATA_DIR} is in use: process ${holder.pid},`);
  expect(await post(holder.url, await holder.firstToken(), APP)).toEqual({ status: 200, data: DEFAULT_APP });
});

test('APP_TOKEN is a token of the app "default", and another one replaces it', { timeout: 60_000 }, async () => {
  const DATA_DIR = await migratedDataDir();
  const [one, two] = ['one-token-of-at-least-32-characters', 'two-token-of-at-least-32-characters'];
  const start = async (APP_TOKEN: string) => {
    const server = await startServer({ DATA_DIR, APP_TOKEN });
    const statuses = await Promise.all([one, two].map(async (token) => (await post(server.url, token, APP)).status));
    const { stdout, stderr } = await server.stop();
    expect(stdout).not.toMatch(/(one|two)-token|curl|rollcall_/);
    expect(stderr).toBe('');
    return { one: statuses[0], two: statuses[1] };
  };
  expect(await start(one)).toEqual({ one: 200, two: 401 });
  expect(await start(two)).toEqual({ one: 401, two: 200 });
});

describe('a start that cannot be says why and ends with 1', () => {
  test('the data folder is a file', async () => {
    const DATA_DIR = join(temporaryFolder(), 'file');
    await writeFile(DATA_DIR, '');
    const { code, stderr } = await runServer({ DATA_DIR });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^rollcall: DATA_DIR must be a folder that this process can write to\. It is .*\/file: .*\n$/);
  });

  test('the address is not one of this machine', async () => {
    const { code, stderr } = await runServer({ DATA_DIR: await migratedDataDir(), HOST: '192.0.2.1' });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'rollcall: HOST must be an address of this machine. It is 192.0.2.1.\n',
    });
  });

  test('no PostgreSQL answers; the password is not repeated', async () => {
    const { code, stderr } = await runServer({ DATABASE_URL: 'postgresql://rollcall:a-password@127.0.0.1:1/rollcall' });
    const reason = 'DATABASE_URL must lead to a PostgreSQL database that answers: connect ECONNREFUSED 127.0.0.1:1';
    expect({ code, stderr }).toEqual({ code: 1, stderr: `rollcall: ${reason}\n` });
  });
});

test('of commands at once, those that do not get the data folder say so', { timeout: 60_000 }, async () => {
  const env = { DATA_DIR: await migratedDataDir() };
  const ended = await Promise.all(['a', 'b', 'c'].map((name) => runApp(['add', name], env)));
  const made = ended.filter(({ code }) => code === 0);
  expect(made.length).toBeGreaterThan(0);
  for (const { stdout, stderr } of ended.filter(({ code }) => code !== 0)) {
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^The data folder .* is in use: another process has it/);
  }
  const { stdout } = await runApp(['list'], env);
  expect(stdout.trim().split('\n')).toHaveLength(made.length);
});
