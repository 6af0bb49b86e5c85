import { type Config, ConfigError } from './config.ts';
import type { Database } from './db/client.ts';
import { openEmbedded } from './db/embedded.ts';
import { type DataDirLock, DataDirLockedError, lockDataDir } from './db/lock.ts';
import { openPostgres } from './db/postgres.ts';
import { DatabaseSetupError } from './db/server-url.ts';
import type { StatementObserver } from './db/sql.ts';

export interface OpenedDatabase {
  db: Database;
  /** Of the embedded database's folder. */
  lock?: DataDirLock;
  close(): Promise<void>;
}

export interface OpenOptions {
  observe?: StatementObserver;
  onError?: (error: Error) => void;
}

/**
 * Opens PostgreSQL if DATABASE_URL is set, else the embedded database, with its folder locked. Applies pending migrations;
 * `migrations` are their names.
 * @throws DataDirLockedError, ConfigError, MigrationError
 */
export async function openConfiguredDatabase(
  config: Config,
  options: OpenOptions = {},
): Promise<OpenedDatabase & { migrations: string[] }> {
  const opened = config.databaseUrl ? openServer(config, config.databaseUrl, options) : await openFolder(config, options);
  try {
    return { ...opened, migrations: await opened.db.migrate() };
  } catch (error) {
    await opened.close();
    throw config.databaseUrl ? explained(error, config) : error;
  }
}

function openServer(config: Config, url: string, { observe, onError }: OpenOptions): OpenedDatabase {
  const { directDatabaseUrl: directUrl, databasePoolSize: poolSize, statementTimeout, transactionTimeout } = config;
  try {
    const db = openPostgres({ url, directUrl, poolSize, statementTimeout, transactionTimeout, shares: config, observe, onError });
    return { db, close: () => db.close() };
  } catch (error) {
    throw explained(error, config);
  }
}

// No connection; wrong user or password; no such database; starting, stopping, or out of connections.
const NO_ENTRY = /^(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|E(HOST|NET)UNREACH|28P01|28000|3D000|57P03|53300)$/;

function explained(error: unknown, config: Config): unknown {
  if (error instanceof DatabaseSetupError) return new ConfigError(error.message);
  const { code = '', message } = error as { code?: string; message?: string };
  if (!NO_ENTRY.test(code)) return error;
  // Migrations are what connects first, and this is the URL that they use.
  const name = config.directDatabaseUrl ? 'DIRECT_DATABASE_URL' : 'DATABASE_URL';
  return new ConfigError(`${name} must lead to a PostgreSQL database that answers: ${message || code}`);
}

async function openFolder(config: Config, { observe }: OpenOptions): Promise<OpenedDatabase> {
  const { dataDir, statementTimeout, transactionTimeout } = config;
  const lock = await lockDataDir(dataDir).catch((error: Error) => {
    if (error instanceof DataDirLockedError) throw error;
    throw new ConfigError(`DATA_DIR must be a folder that this process can write to. It is ${dataDir}: ${error.message}`);
  });
  try {
    const db = await openEmbedded({ data: dataDir, statementTimeout, transactionTimeout, shares: config, observe });
    return {
      db,
      lock,
      async close() {
        await db.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
