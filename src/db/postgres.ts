import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { ClientGoneError } from '../model/errors.ts';
import { bind, type Driver } from './bind.ts';
import { cancellable } from './cancel.ts';
import type { Database, DatabaseOptions } from './client.ts';
import { HintBus } from './hint-bus.ts';
import { Waits } from './locks.ts';
import { type Migration, migrate } from './migrate.ts';
import { observed } from './observe.ts';
import type { Operation } from './operation.ts';
import { openRecords } from './records.ts';
import { withinSchema } from './schema.ts';
import { DatabaseSetupError, readServerUrl } from './server-url.ts';
import { checkSession, ownSessions, pooledSessions } from './session.ts';
import { INT8, parseInt8, type Sql, type StatementObserver } from './sql.ts';
import { type Attempt, OpenTx } from './transaction.ts';

export interface PostgresOptions extends DatabaseOptions {
  url: string;
  /** Direct, without the pooler: for migrations and LISTEN. If given, `url` is taken to be a pooler's. */
  directUrl?: string;
  poolSize: number;
  /** How many connections may wait for a lock that another gateway holds; not given: a quarter. */
  lockWaits?: number;
  onError?: (error: Error) => void;
}

const BEGIN = 'begin isolation level read committed read write';
const MIGRATION_LOCK = "select pg_advisory_lock(hashtext('rollcall'), hashtext('migrations'))";
const ROLLED_BACK = 'The transaction was rolled back by the database';

const pgTypes = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? parseInt8 : pg.types.getTypeParser(oid, format as 'text'),
};

function queryOn(client: pg.Pool | pg.PoolClient, observe: StatementObserver | undefined): Sql['query'] {
  return observed(observe, async ({ name, text, planEachTime }, values) => {
    const kept = planEachTime ? undefined : name;
    const { rows } = await client.query({ name: kept, text, values: [...values], types: pgTypes });
    return rows;
  });
}

/** The URLs of the server, by way of a pooler if there is one and directly, and the schema of both. */
function serverUrls({ url, directUrl }: PostgresOptions) {
  const server = readServerUrl(url);
  const direct = directUrl === undefined ? server : readServerUrl(directUrl);
  const schema = server.schema ?? 'public';
  if ((direct.schema ?? schema) !== schema) {
    throw new DatabaseSetupError('DIRECT_DATABASE_URL must have the same schema= as DATABASE_URL, or none.');
  }
  return { server, direct, schema };
}

type ServerUrls = ReturnType<typeof serverUrls>;

function openPool({ server, direct, schema }: ServerUrls, options: PostgresOptions): pg.Pool {
  const { statementTimeout, transactionTimeout } = options;
  const timeouts = { statement_timeout: statementTimeout, idle_in_transaction_session_timeout: transactionTimeout };
  const pool = new pg.Pool({
    ...(direct === server ? { ...ownSessions(server, schema), ...timeouts } : pooledSessions(server)),
    application_name: 'rollcall',
    max: options.poolSize,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: transactionTimeout,
  });
  pool.on('error', (error) => options.onError?.(error));
  // Without a listener, a connection lost while in use would end the process; the next statement on it fails anyway.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Runs statements on the pool's connections: reads, which are cancelled when their client leaves. */
function queryIn(pool: pg.Pool, operation: Operation, { observe }: PostgresOptions): Sql['query'] {
  return async (statement, ...given) => {
    const client = await pool.connect();
    let spoilt: Error | boolean = false;
    try {
      const spoil = () => {
        spoilt = true;
      };
      return await cancellable(client, operation, () => queryOn(client, observe)(statement, ...given), spoil);
    } catch (error) {
      if (!(error instanceof ClientGoneError)) spoilt = error as Error;
      throw error;
    } finally {
      client.release(spoilt);
    }
  };
}

/** Runs transactions on the pool's connections. What has not begun to commit when its client leaves is rolled back. */
function attemptOn(
  pool: pg.Pool,
  operation: Operation,
  hints: HintBus,
  waits: Waits,
  { transactionTimeout, observe }: PostgresOptions,
): Attempt<OpenTx> {
  return async (body) => {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(BEGIN);
      const query = queryOn(client, observe);
      const spoil = () => {
        broken = new Error('A cancel may be under way');
      };
      const waitFor: OpenTx['waitFor'] = (statement, ...given) =>
        waits.run(() => cancellable(client, operation, () => query(statement, ...given), spoil));
      const result = await body(new OpenTx(hints, query, { timeout: transactionTimeout, operation, waitFor }));
      operation.check();
      const { command } = await client.query('commit');
      if (command !== 'COMMIT') throw new Error(ROLLED_BACK);
      return result;
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  };
}

/** Creates the schema and the tables, on a connection of its own. */
async function migrateDirectly(
  { direct, schema }: ServerUrls,
  observe: StatementObserver | undefined,
  migrations: readonly Migration[] | undefined,
): Promise<string[]> {
  // Neither the wait for another gateway nor a long migration may time out, whatever the role's setting.
  const onConnect = async (opened: pg.ClientBase) => void (await opened.query('set statement_timeout = 0'));
  const migrating = new pg.Pool({ ...ownSessions(direct, schema), application_name: 'rollcall-migrate', max: 1, onConnect });
  const client = await migrating.connect();
  try {
    await client.query(MIGRATION_LOCK);
    const execute = (script: string) => client.query(script);
    return await withinSchema({ query: queryOn(client, observe) }, schema, execute, (sql) => migrate(sql, execute, migrations));
  } finally {
    client.release(true); // the lock goes with the session
    await migrating.end();
  }
}

/** PostgreSQL through one pool, which Prisma shares. */
export function openPostgres(options: PostgresOptions): Database {
  const { transactionTimeout, observe, poolSize, lockWaits = Math.max(1, Math.floor(poolSize / 4)) } = options;
  const urls = serverUrls(options);
  const { schema } = urls;
  const pool = openPool(urls, options);
  const hints = new HintBus();
  const waits = new Waits(lockWaits);
  const driver: Driver = {
    kind: 'postgres',
    schema,
    hints,
    prisma: openRecords(new PrismaPg(pool, { schema }), transactionTimeout, observe),
    observe,
    places: poolSize,
    query: (operation) => queryIn(pool, operation, options),
    attempt: (operation) => attemptOn(pool, operation, hints, waits, options),
    async migrate(migrations) {
      const applied = await migrateDirectly(urls, observe, migrations);
      await checkSession({ query: queryOn(pool, observe) }, schema);
      return applied;
    },
    async close() {
      await driver.prisma.$disconnect();
      await pool.end();
    },
  };
  return bind(driver, options);
}
