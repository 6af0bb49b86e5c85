/**
 * A server that a soak can restart: `service.ts postgres` or `service.ts redis`. It writes its URL to stdout, restarts at each
 * line of its stdin and says so, and ends when its stdin does, however the other process ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadEmbeddedPostgres } from '../setup/embedded-postgres.ts';
import { freePort } from './free-port.ts';

interface Service {
  url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function postgres(folder: string): Promise<Service> {
  const port = await freePort();
  const EmbeddedPostgres = await loadEmbeddedPostgres();
  const server = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user: 'postgres',
    password: 'soak',
    persistent: true,
    // PostgreSQL does not run as root; in a container that is often all there is.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en-US'],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1'],
      ...['-c', 'unix_socket_directories='],
      ...['-c', 'max_connections=200'],
      ...['-c', 'fsync=off'],
    ],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  return {
    url: `postgresql://postgres:soak@127.0.0.1:${port}/postgres`,
    start: () => server.start(),
    stop: () => server.stop(),
  };
}

async function redis(folder: string): Promise<Service> {
  const port = await freePort();
  let server: ChildProcess | undefined;
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.end();
    });
  return {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], {
        stdio: 'ignore',
      });
      await once(server, 'spawn');
      while (!(await answers())) await sleep(20);
    },
    async stop() {
      if (!server) return;
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
    },
  };
}

const folder = await mkdtemp(join(tmpdir(), 'rollcall-soak-'));
const service = await (process.argv[2] === 'redis' ? redis(folder) : postgres(folder));
await service.start();
console.log(service.url);
for await (const _ of createInterface({ input: process.stdin })) {
  await service.stop();
  await service.start();
  console.log('restarted');
}
await service.stop();
await rm(folder, { recursive: true, force: true });
process.exit();
