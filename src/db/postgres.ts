import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Database, DatabaseOptions } from './client.ts';
import { translateDriverError } from './driver-errors.ts';
import { HintBus } from './hint-bus.ts';
import { migrate } from './migrate.ts';
import { observed } from './observe.ts';
import { openRecords, recordKeeping } from './records.ts';
import { withinSchema } from './schema.ts';
import { DatabaseSetupError, readServerUrl } from './server-url.ts';
import { checkSession, ownSessions, pooledSessions } from './session.ts';
import { INT8, parseInt8, type Sql, type StatementObserver } from './sql.ts';
import { KeyedQueue, MAX_WAITING_WRITERS, OpenTx, withRetries } from './transaction.ts';

export interface PostgresOptions extends DatabaseOptions {
  url: string;
  /** Past a pooler: for migrations and LISTEN. With it, `url` is taken to be a pooler's. */
  directUrl?: string;
  poolSize: number;
  onError?: (error: Error) => void;
}

const BEGIN = 'begin isolation level read committed read write';
const MIGRATION_LOCK = "select pg_advisory_lock(hashtext('rollcall'), hashtext('migrations'))";
const READ_ONLY_FAILED = 'The transaction was rolled back by the database';

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

/** PostgreSQL through one pool, which Prisma shares. */
export function openPostgres(options: PostgresOptions): Database {
  const { statementTimeout, transactionTimeout, observe } = options;
  const server = readServerUrl(options.url);
  const direct = options.directUrl === undefined ? server : readServerUrl(options.directUrl);
  const schema = server.schema ?? 'public';
  if ((direct.schema ?? schema) !== schema) {
    throw new DatabaseSetupError('DIRECT_DATABASE_URL must have the same schema= as DATABASE_URL, or none.');
  }
  const pooled = direct !== server;
  const timeouts = { statement_timeout: statementTimeout, idle_in_transaction_session_timeout: transactionTimeout };
  const pool = new pg.Pool({
    ...(pooled ? pooledSessions(server) : { ...ownSessions(server, schema), ...timeouts }),
    application_name: 'rollcall',
    max: options.poolSize,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: transactionTimeout,
  });
  pool.on('error', (error) => options.onError?.(error));
  // Without it, a connection that ends while it is in use ends the process; the next statement on it fails anyway.
  pool.on('connect', (client) => client.on('error', () => {}));
  const hints = new HintBus();
  const query = queryOn(pool, observe);

  async function attempt<T>(body: (tx: OpenTx) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(BEGIN);
      const result = await body(new OpenTx(hints, queryOn(client, observe), transactionTimeout));
      const { command } = await client.query('commit');
      if (command !== 'COMMIT') throw new Error(READ_ONLY_FAILED);
      return result;
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => {
        broken = failure;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }
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
      // Neither the wait for another gateway nor a long migration is to be cut off, whatever the role's setting.
      const onConnect = async (opened: pg.ClientBase) => void (await opened.query('set statement_timeout = 0'));
      const migrating = new pg.Pool({ ...ownSessions(direct, schema), application_name: 'rollcall-migrate', max: 1, onConnect });
      const client = await migrating.connect();
      try {
        await client.query(MIGRATION_LOCK);
        const execute = (script: string) => client.query(script);
        const applied = await withinSchema({ query: queryOn(client, observe) }, schema, execute, (sql) =>
          migrate(sql, execute, migrations),
        );
        await checkSession({ query }, schema);
        return applied;
      } finally {
        client.release(true); // the lock goes with the session
        await migrating.end();
      }
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}
