import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { AppError, makeFirstToken, setAppToken } from './access/apps.ts';
import { runAppCommand } from './app-commands.ts';
import { startBackground } from './background.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { DataDirLockedError } from './db/lock.ts';
import { MigrationError } from './db/migrate.ts';
import { createGateway } from './gateway.ts';
import { loggedError } from './http/logged-error.ts';
import { startGivingBack } from './memory.ts';
import { type OpenedDatabase, openConfiguredDatabase } from './open-database.ts';

/** How many connections may wait to be taken; the system may have a lower limit. A client beyond it tries again after a second. */
const BACKLOG = 4_096;
const STOP_WITHIN = 25_000;
const ORPHANED_WITHIN = 250;
const IDLE_CHECK = 50;

type Log = pino.Logger;

async function start(config: Config): Promise<void> {
  const log = pino({ level: config.logLevel, serializers: { err: loggedError } });
  const { migrations, ...opened } = await openConfiguredDatabase(config, {
    onError: (error) => log.warn({ err: error }, 'a database connection was lost'),
  });
  if (migrations.length > 0) log.info({ migrations }, 'migrated the database');
  try {
    await serve(config, log, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function serve(config: Config, log: Log, { db, lock, close }: OpenedDatabase): Promise<void> {
  if (config.appToken) await setAppToken(db, config.appToken);
  const watching = { checkpointInterval: config.checkpointInterval, hints: config.hintsUrl !== 'off' };
  const gateway = createGateway({ db, log, config: { ...config, watching } });
  const server = gateway.createServer();
  const stopBackground = await startBackground(db, config, log);
  // Before it listens: a gateway that answers must already handle signals.
  onSignal(config.underNpm, async (signal) => {
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error('requests did not end in time');
      process.exit(1);
    }, STOP_WITHIN).unref();
    // Running requests finish, streams end, and idle connections are closed so that they cannot send another request.
    const closed = new Promise((resolve) => server.close(resolve));
    setInterval(() => server.closeIdleConnections(), IDLE_CHECK).unref();
    await gateway.stop();
    await closed;
    await gateway.close();
    await stopBackground();
    await close();
    log.info('stopped');
    process.exit(0); // everything is closed; PGlite would keep the process for some seconds
  });

  try {
    await listen(server, config);
  } catch (error) {
    await stopBackground();
    throw error;
  }
  // Only now, when nothing can fail before it is shown: it is shown once.
  const secret = config.appToken ? undefined : await makeFirstToken(db);
  await lock?.listen(async (request) => runAppCommand(db, (request as { app?: string[] }).app ?? []));

  startGivingBack();
  const url = urlOf(server.address() as AddressInfo);
  log.info({ url, database: db.kind }, 'listening');
  if (secret) greet(url, secret, config.graphiql);
}

function listen(server: Server, { port, host }: Config): Promise<void> {
  const reasons: Record<string, string> = {
    EADDRINUSE: `PORT must be free, or 0 for any that is. Another process listens on port ${port} of ${host}.`,
    EACCES: `PORT must be one that this process may listen on. It is ${port}.`,
    EADDRNOTAVAIL: `HOST must be an address of this machine. It is ${host}.`,
    ENOTFOUND: `HOST must be an address of this machine. It is ${host}.`,
  };
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = reasons[error.code ?? ''];
      reject(reason ? new ConfigError(reason) : error);
    });
    server.listen({ port, host, backlog: BACKLOG }, resolve);
  });
}

/**
 * Only the first signal counts: Ctrl-C in a terminal arrives twice, directly and through npm. npm passes SIGTERM only to its
 * shell, so the end of that shell counts as a signal.
 */
function onSignal(underNpm: boolean, stop: (signal: string) => Promise<void>): void {
  let stopping = false;
  const once = (signal: string) => {
    if (!stopping) void stop(signal);
    stopping = true;
  };
  process.on('SIGTERM', once);
  process.on('SIGINT', once);
  if (!underNpm) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) once('the end of npm');
  }, ORPHANED_WITHIN).unref();
}

function urlOf({ address, family, port }: AddressInfo): string {
  const host = family === 'IPv6' ? `[${address}]` : address;
  return `http://${host === '0.0.0.0' || host === '[::]' ? 'localhost' : host}:${port}/graphql`;
}

/** The first start's token, shown this once, with something to try it with. */
function greet(url: string, secret: string, graphiql: boolean): void {
  const query = { query: '{ viewer { app { name } } }' };
  console.log(`
Rollcall runs at ${url}${graphiql ? ' (a browser shows GraphiQL there)' : ''}.
This is the application token of the app "default". It is shown this once:

  ${secret}

Try it:

  curl -s ${url} -H 'Authorization: Bearer ${secret}' -H 'Content-Type: application/json' -d '${JSON.stringify(query)}'
`);
}

// What it makes, the embedded database's files above all, is for its own user alone.
process.umask(0o077);
try {
  await start(readConfig());
} catch (error) {
  const expected =
    error instanceof ConfigError ||
    error instanceof DataDirLockedError ||
    error instanceof MigrationError ||
    error instanceof AppError;
  console.error(expected ? `rollcall: ${error.message}` : error);
  process.exit(1);
}
