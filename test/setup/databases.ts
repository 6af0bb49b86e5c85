/** Runs once before the tests of a project: creates the migrated database of which each test file gets a copy. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { openEmbedded, PGLITE_OPTIONS } from '../../src/db/embedded.ts';
import { openPostgres } from '../../src/db/postgres.ts';
import { forgetRan, writeMigrated, writeThere } from './ran.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseKind: 'pglite' | 'postgres';
    pglite: PGliteTemplates;
    postgres: PostgresServer;
  }
}

export interface PGliteTemplates {
  /** A file with a PGlite that is not migrated. */
  unmigrated: string;
  /** The same with one that is. */
  migrated: string;
  /** A data folder of a gateway that ended before it made its first token. */
  dataDir: string;
}

/** Where the tests' databases are created. */
export interface PostgresServer {
  /** A database that exists, to connect to. */
  url: string;
  /** A migrated database, to be copied. */
  template: string;
  /** The prefix of the names of this run's databases. */
  prefix: string;
  /** Whether the server is the tests' own, started for this run. */
  own: boolean;
}

type Teardown = () => Promise<void>;

type Server = Awaited<ReturnType<typeof startServer>>;

/** Started beside what the setup of another project takes. */
let starting: Promise<Server> | undefined;

const TIMEOUTS = { statementTimeout: 60_000, transactionTimeout: 60_000 };

export default async function setup(project: TestProject): Promise<Teardown> {
  const { databaseKind, ran } = project.getProvidedContext();
  writeThere(ran, databaseKind, (await project.globTestFiles()).testFiles);
  const wanted = project.vitest.projects.some((each) => each.getProvidedContext().databaseKind === 'postgres');
  if (wanted && !process.env['DATABASE_URL']) {
    starting ??= startServer();
    starting.catch(() => {}); // of the setup that waits for it
  }
  const teardown = await (databaseKind === 'postgres' ? setupPostgres(project) : setupPGlite(project));
  return async () => {
    forgetRan(ran);
    await teardown();
    // Perhaps no file of the project that it was started for was chosen.
    const server = await starting?.catch(() => undefined);
    await server?.stop();
  };
}

async function setupPGlite(project: TestProject): Promise<Teardown> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-test-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const templates = {
      unmigrated: join(folder, 'new.tar'),
      migrated: join(folder, 'migrated.tar'),
      dataDir: join(folder, 'data'),
    };
    await mkdir(templates.dataDir, { mode: 0o700 });
    const pglite = await PGlite.create(join(templates.dataDir, 'pglite'), PGLITE_OPTIONS);
    const dump = async (file: string) => writeFile(file, (await pglite.dumpDataDir('none')).stream());
    await dump(templates.unmigrated);
    const db = await openEmbedded({ data: pglite, ...TIMEOUTS });
    await db.migrate();
    await pglite.exec('checkpoint');
    await dump(templates.migrated);
    await db.close();
    project.provide('pglite', templates);
    writeMigrated(project.getProvidedContext().ran, templates.migrated);
    return remove;
  } catch (error) {
    await remove();
    throw error;
  }
}

async function setupPostgres(project: TestProject): Promise<Teardown> {
  const own = await starting;
  const url = own?.url ?? (process.env['DATABASE_URL'] as string);
  const prefix = `rollcall_test_${randomBytes(5).toString('hex')}`;
  const template = `${prefix}_template`;
  const teardown = async () => {
    if (own) await own.stop();
    else await dropDatabases(url, prefix);
  };
  try {
    await withClient(url, (client) => client.query(`create database ${template}`));
    const db = openPostgres({ url: databaseUrl(url, template), poolSize: 1, ...TIMEOUTS });
    await db.migrate();
    await db.close();
    project.provide('postgres', { url, template, prefix, own: own !== undefined });
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}

/** Starts a PostgreSQL for this run. */
export async function startServer(): Promise<{ url: string; stop: Teardown }> {
  // In a process group of its own: Ctrl-C must end only vitest, which closes the pipe when the tests' connections are closed.
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL('postgres-server.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const exit = once(child, 'exit');
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const [url] = (await Promise.race([once(lines, 'line'), exit.then(() => [])])) as string[];
  if (!url) throw new Error('PostgreSQL for the tests did not start');
  return {
    url,
    async stop() {
      child.stdin?.end();
      await exit;
    },
  };
}

/** The same server, another database. */
export function databaseUrl(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

export async function withClient<T>(url: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

/** Drops databases that files left behind, by failing or by Ctrl-C, and the template. */
async function dropDatabases(url: string, prefix: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query('select datname from pg_database where starts_with(datname, $1)', [prefix]);
    for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
  });
}
