/**
 * A Redis of a test's own, which can be killed and started again:
 *
 *     const redis = await startRedis();      // undefined: `redis-server` is not installed; CI has to have it
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { atEnd } from './at-end.ts';
import { temporaryFolder } from './folder.ts';
import { until } from './watch.ts';

const installed = spawnSync('redis-server', ['--version']).status === 0;
if (!installed && process.env['CI']) throw new Error('The tests with Redis cannot run: redis-server is not installed');
if (!installed) console.warn('skipped: tests with Redis, for redis-server is not installed');

export const withoutRedis = !installed;

export interface TestRedis {
  url: string;
  start(): Promise<void>;
  /** SIGKILL, as if the machine had gone. */
  kill(): Promise<void>;
  /** It accepts connections and answers nothing. */
  hang(): void;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Redis, started. */
export async function startRedis(): Promise<TestRedis> {
  const port = await freePort();
  const folder = temporaryFolder();
  let child: ChildProcess | undefined;
  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
      child = spawn('redis-server', args, { stdio: 'ignore' });
      await until(() => answers(port));
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
    hang() {
      child?.kill('SIGSTOP');
    },
  };
  atEnd(() => redis.kill());
  await redis.start();
  return redis;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', (data) => end(String(data).startsWith('+PONG')));
    socket.once('error', () => end(false));
  });
}
