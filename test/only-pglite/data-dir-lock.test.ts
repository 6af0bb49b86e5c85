import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { askHolder, DataDirLockedError, lockDataDir } from '../../src/db/lock.ts';
import { temporaryFolder } from '../setup/folder.ts';
import { startServer } from '../setup/server.ts';

interface Outcome {
  locked: boolean;
  name?: string;
  message?: string;
}

const children = new Set<ChildProcess>();
afterEach(async () => {
  await Promise.all([...children].map(kill));
});

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** A process that is about to take the folder. */
async function contender(folder: string, listen = true) {
  const script = fileURLToPath(new URL('../setup/lock-holder.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder, ...(listen ? ['listen'] : [])], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  const lines: Interface = createInterface({ input: child.stdout });
  const said = async <T>() => {
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => ['{"name":"the process ended"}']),
    ])) as [string];
    return JSON.parse(line) as T;
  };
  expect(await said()).toBe('ready');
  const take = (at?: number) => {
    const outcome = said<Outcome>();
    child.stdin.write(`${at ?? ''}\n`);
    return outcome;
  };
  const release = () => {
    const outcome = said();
    child.stdin.write('\n');
    return outcome;
  };
  return { child, take, release };
}

async function holderOf(folder: string, listen = true) {
  const holder = await contender(folder, listen);
  expect(await holder.take()).toEqual({ locked: true });
  return holder;
}

async function refusal(folder: string): Promise<string> {
  const error = await lockDataDir(folder).then(
    () => expect.fail('The folder was free'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataDirLockedError);
  return (error as Error).message;
}

test('a second process is told who has the folder', async () => {
  const folder = temporaryFolder();
  const { child } = await holderOf(folder);
  expect(await refusal(folder)).toMatch(
    new RegExp(`The data folder ${folder} is in use: process ${child.pid}, running since 20.*DATA_DIR`),
  );
  const other = await contender(folder);
  expect(await other.take()).toMatchObject({
    locked: false,
    name: 'DataDirLockedError',
    message: expect.stringContaining(`process ${child.pid},`),
  });
});

test('a second process is refused while the first does not answer yet', async () => {
  const folder = temporaryFolder();
  await holderOf(folder, false);
  expect(await refusal(folder)).toContain('is in use: another process has it');
});

test('the same process does not get it twice, and gets it again after it let go', async () => {
  const folder = temporaryFolder();
  const lock = await lockDataDir(folder);
  await lock.listen(async () => null);
  expect(await refusal(folder)).toContain(`process ${process.pid},`);
  await lock.release();
  await (await lockDataDir(folder)).release();
});

test('what a process leaves that lets go is free', async () => {
  const folder = temporaryFolder();
  const { release } = await holderOf(folder);
  expect(await release()).toEqual({ released: true });
  await (await lockDataDir(folder)).release();
});

test('what a killed process leaves is free at once, its socket does not matter', async () => {
  const folder = temporaryFolder();
  const { child } = await holderOf(folder);
  await kill(child);
  expect(existsSync(join(folder, 'control.sock'))).toBe(true);
  await expect(askHolder(folder, { ask: 'who' })).rejects.toThrow(/ECONNREFUSED/);
  const lock = await lockDataDir(folder);
  await lock.listen(async () => 'new');
  expect(await askHolder(folder, {})).toEqual({ ok: 'new' });
  await lock.release();
});

test('a folder of a killed process goes to exactly one of ten that race for it', async () => {
  const folder = temporaryFolder();
  const { child } = await holderOf(folder);
  const racers = await Promise.all(Array.from({ length: 10 }, () => contender(folder)));
  await kill(child);
  const at = Date.now() + 200;
  const outcomes = await Promise.all(racers.map(({ take }) => take(at)));
  expect(outcomes.filter(({ locked }) => locked)).toHaveLength(1);
  expect(outcomes.filter(({ name }) => name === 'DataDirLockedError')).toHaveLength(9);
});

test('others ask the holder, and get its answer or its error', async () => {
  const folder = temporaryFolder();
  const { child } = await holderOf(folder);
  expect(await askHolder(folder, { ask: 'who' })).toMatchObject({ pid: child.pid });
  expect(await askHolder(folder, { name: 'ä\n"' })).toEqual({ ok: { echo: { name: 'ä\n"' } } });
  expect(await askHolder(folder, { fail: true })).toEqual({ error: 'No such app' });
  expect(await Promise.all([1, 2, 3].map((n) => askHolder(folder, { n })))).toEqual(
    [1, 2, 3].map((n) => ({ ok: { echo: { n } } })),
  );
});

test.skipIf(process.platform === 'win32')('nobody but the owner gets at the socket', async () => {
  const folder = join(temporaryFolder(), 'data');
  await holderOf(folder);
  expect(statSync(join(folder, 'control.sock')).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('whoever asks and leaves, or talks nonsense, does not disturb the holder', async () => {
  const folder = temporaryFolder();
  await holderOf(folder);
  const path = join(folder, 'control.sock');
  for (const words of ['', '{"ask":"who"}\n', 'nonsense\n', 'null\n', '{"ask":']) {
    const socket = connect(path);
    await once(socket, 'connect');
    socket.write(words);
    socket.destroy(); // without reading the answer
    await once(socket, 'close');
  }
  expect(await askHolder(folder, { still: 'there' })).toEqual({ ok: { echo: { still: 'there' } } });
});

test('asking where nobody is fails', async () => {
  await expect(askHolder(temporaryFolder(), { ask: 'who' })).rejects.toThrow(/ENOENT/);
});

test('asking a process that closes without a word fails', async () => {
  const folder = temporaryFolder();
  const server = createServer((socket) => socket.end()).listen(join(folder, 'control.sock'));
  await once(server, 'listening');
  await expect(askHolder(folder, { ask: 'who' })).rejects.toThrow(/closed the connection/);
  server.close();
});

test('a path that is too long for a socket works', async () => {
  const folder = join(temporaryFolder(), 'x'.repeat(120));
  const { child, release } = await holderOf(folder);
  expect(await refusal(folder)).toContain(`process ${child.pid},`);
  expect(await askHolder(folder, { n: 1 })).toEqual({ ok: { echo: { n: 1 } } });
  expect(existsSync(join(folder, 'control.sock'))).toBe(false);
  await release();
});

test.skipIf(process.platform === 'win32')(
  'its socket is where no other user can look, or foresee, and goes with it',
  async () => {
    const folder = join(temporaryFolder(), 'x'.repeat(120));
    const elsewhere = () => readFileSync(join(folder, 'control.path'), 'utf8');
    const { child } = await holderOf(folder);
    const left = elsewhere();
    expect(statSync(dirname(left)).mode & 0o777).toBe(0o700);
    await kill(child);
    const { release } = await holderOf(folder);
    expect(elsewhere()).not.toBe(left);
    expect([existsSync(dirname(left)), existsSync(elsewhere())]).toEqual([false, true]);
    const own = dirname(elsewhere());
    await release();
    expect([existsSync(own), existsSync(join(folder, 'control.path'))]).toEqual([false, false]);
    await expect(askHolder(folder, {})).rejects.toThrow(/ENOENT/);
  },
);

describe.skipIf(process.platform === 'win32')('a folder that is open to other users', () => {
  const open = (folder: string) => {
    chmodSync(folder, 0o755);
    return () => statSync(folder).mode & 0o777;
  };

  test('is closed when it is empty, or one of ours', async () => {
    const folder = temporaryFolder();
    for (let round = 0; round < 2; round++) {
      const mode = open(folder);
      await (await lockDataDir(folder)).release();
      expect(mode()).toBe(0o700);
    }
  });

  test('is refused when it has files of others, and left as it is', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'letters.txt'), '');
    const mode = open(folder);
    await expect(lockDataDir(folder)).rejects.toThrow(/open to other users/);
    expect([mode(), readdirSync(folder)]).toEqual([0o755, ['letters.txt']]);
  });

  test('is closed by a gateway with all that lies in it, whatever modes the database gives its files', async () => {
    const folder = temporaryFolder();
    const mode = open(folder);
    const server = await startServer({ DATA_DIR: folder });
    expect(mode()).toBe(0o700);
    const modes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o077]);
    expect(modes.map(([name]) => name)).toEqual(expect.arrayContaining(['control.sock', 'lock', 'pglite']));
    expect(modes.filter(([, others]) => others !== 0)).toEqual([]);
    await server.stop();
  });
});

test('two folders do not know of each other', async () => {
  const folder = temporaryFolder();
  const [one, two] = [join(folder, 'y'.repeat(120), '1'), join(folder, 'y'.repeat(120), '2')];
  for (const path of [one, two]) mkdirSync(path, { recursive: true });
  const [first, second] = [await holderOf(one), await holderOf(two)];
  expect(await askHolder(one, { ask: 'who' })).toMatchObject({ pid: first.child.pid });
  expect(await askHolder(two, { ask: 'who' })).toMatchObject({ pid: second.child.pid });
  await Promise.all([first.release(), second.release()]);
});

test('a file that is no lock is left alone', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'lock'), 'precious '.repeat(1000));
  await expect(lockDataDir(folder)).rejects.toThrow(/not a database/);
});
