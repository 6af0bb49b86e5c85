import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Database, DatabaseOptions } from './client.ts';
import { translateDriverError } from './driver-errors.ts';
import { HintBus } from './hint-bus.ts';
import { type Migration, migrate } from './migrate.ts';
import { observed } from './observe.ts';
import { openRecords, recordKeeping } from './records.ts';
import { withinSchema } from './schema.ts';
import { DatabaseSetupError, readServerUrl } from './server-url.ts';
import { checkSession, ownSessions, pooledSessions } from './session.ts';
import { INT8, parseInt8, type Sql, type StatementObserver } from './sql.ts';
import { type Attempt, KeyedQueue, MAX_WAITING_WRITERS, OpenTx, withRetries } from './transaction.ts';

export interface PostgresOptions extends DatabaseOptions {
  url: string;
  /** Direct, without the pooler: for migrations and LISTEN. If given, `url` is taken to be a pooler's. */
  directUrl?: string;
  poolSize: number;
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

/** Runs transactions on the pool's connections. */
function attemptOn(pool: pg.Pool, hints: HintBus, { transactionTimeout, observe }: PostgresOptions): Attempt<OpenTx> {
  return async (body) => {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(BEGIN);
      const result = await body(new OpenTx(hints, queryOn(client, observe), transactionTimeout));
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
  const { transactionTimeout, observe } = options;
  const urls = serverUrls(options);
  const { schema } = urls;
  const pool = openPool(urls, options);
  const query = queryOn(pool, observe);
  const hints = new HintBus();
  const attempt = attemptOn(pool, hints, options);
  const queue = new KeyedQueue(MAX_WAITING_WRITERS);
  const transaction: Database['transaction'] = (body) => withRetries(attempt, body);
  const prisma = openRecords(new PrismaPg(pool, { schema }), transactionTimeout, observe);
  return {
    kind: 'postgres',
    schema,
    hints,
    ...recordKeeping(prisma, hints, observe),
    transaction,
    exclusive: (key, body) => queue.run(key, () => transaction(body)),
    query: async (statement, ...given) => {
      try {
        return await query(statement, ...given);
      } catch (error) {
        throw translateDriverError(error);
      }
    },
    async migrate(migrations) {
      const applied = await migrateDirectly(urls, observe, migrations);
      await checkSession({ query }, schema);
      return applied;
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}
