/**
 * A PostgreSQL server of the tests' own. It writes its URL to stdout and ends when its stdin does: a pipe closes however
 * the other process ends, so the server never outlives it.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEmbeddedPostgres } from './embedded-postgres.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

const EmbeddedPostgres = await loadEmbeddedPostgres();
const port = await freePort();
const password = randomBytes(12).toString('hex');
const server = new EmbeddedPostgres({
  databaseDir: mkdtempSync(join(tmpdir(), 'rollcall-postgres-')),
  port,
  user: 'postgres',
  password,
  persistent: false,
  // PostgreSQL does not run as root; in a container root is often the only user.
  createPostgresUser: process.getuid?.() === 0,
  // Not the collation "C": whatever must sort by code point has to say so itself.
  initdbFlags: [
    ...['--encoding=UTF8', '--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en-US'],
    ...['--no-sync', '--no-data-checksums'],
  ],
  postgresFlags: [
    ...['-c', 'listen_addresses=127.0.0.1'],
    ...['-c', 'unix_socket_directories='],
    ...['-c', 'max_connections=200'],
    ...['-c', 'deadlock_timeout=100ms'],
    // Its data need not survive a crash.
    ...['-c', 'fsync=off'],
    ...['-c', 'full_page_writes=off'],
    // It would go through a hundred small databases again and again; tests that need statistics say `analyze`.
    ...['-c', 'autovacuum=off'],
  ],
  onLog: () => {},
});

const ended = once(process.stdin.resume(), 'close');
await server.initialise();
await server.start();
console.log(`postgresql://postgres:${password}@127.0.0.1:${port}/postgres`);
await ended;
await server.stop();
process.exit();
