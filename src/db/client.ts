import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite, type PGliteOptions, type Transaction } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { PrismaClient } from '../generated/prisma/client.ts';
import { translateDriverError } from './errors.ts';
import { HintBus } from './hint-bus.ts';
import { type Migration, migrate } from './migrate.ts';
import { INT8, parseInt8, type Sql, type Statement, type StatementObserver, type Tx } from './sql.ts';
import { KeyedQueue, withDeadline, withRetries } from './transaction.ts';

/** The database, whichever it is. Services take this for reads and a `Tx` for writes. */
export interface Database extends Sql {
  readonly kind: 'pglite' | 'postgres';
  /** Told of every commit that changed a group. */
  readonly hints: HintBus;
  /** For the ordinary reads and writes of the access tables. Never inside a `transaction`: PGlite has one connection. */
  readonly prisma: PrismaClient;
  /** Runs, retries, commits. Throws TimeoutError or OverloadedError when the database is too slow or too busy. */
  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /** One transaction at a time for each key in this process; the others wait without a connection. */
  exclusive<T>(key: string, run: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * Applies the migrations of this checkout, unless others are given, under a lock that keeps other gateways out. Returns the
   * names of those that it applied.
   * @throws MigrationError
   */
  migrate(migrations?: readonly Migration[]): Promise<string[]>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Longest run of one statement, in milliseconds. */
  statementTimeout: number;
  /** Longest run of one transaction, in milliseconds. */
  transactionTimeout: number;
  observe?: StatementObserver;
}

export interface PostgresOptions extends DatabaseOptions {
  url: string;
  /** Past a pooler: for migrations and LISTEN. With it, `url` is taken to be a pooler's. */
  directUrl?: string;
  poolSize: number;
  onError?: (error: Error) => void;
}

export interface EmbeddedOptions extends DatabaseOptions {
  /** A folder of the gateway's own, or a PGlite made elsewhere. */
  data: string | PGlite;
}

const MAX_WAITING_WRITERS = 1_000;
const MIGRATION_LOCK = { name: 'migration_lock', text: "select pg_advisory_lock(hashtext('rollcall'), hashtext('migrations'))" };
const READ_ONLY_FAILED = 'The transaction was rolled back by the database';

function observed(observe: StatementObserver | undefined, run: Sql['query']): Sql['query'] {
  return async <Row>(statement: Statement, values?: readonly unknown[]) => {
    observe?.(statement, values);
    return run<Row>(statement, values);
  };
}

/** Prisma's own statements reach the observer too, under the name "prisma". */
function prismaClient(adapter: PrismaPg | PrismaPGlite, observe: StatementObserver | undefined): PrismaClient {
  if (!observe) return new PrismaClient({ adapter });
  const client = new PrismaClient({ adapter, log: [{ emit: 'event', level: 'query' }] });
  client.$on('query', ({ query }) => observe({ name: 'prisma', text: query }));
  return client;
}

const pgTypes = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? parseInt8 : pg.types.getTypeParser(oid, format as 'text'),
};

/** PostgreSQL through one pool, which Prisma shares. */
export function openPostgres(options: PostgresOptions): Database {
  const { url, directUrl, statementTimeout, transactionTimeout, observe } = options;
  // A pooler in transaction mode refuses these at start: there they belong on the role, as the README says.
  const timeouts = directUrl
    ? {}
    : { statement_timeout: statementTimeout, idle_in_transaction_session_timeout: transactionTimeout };
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'rollcall',
    max: options.poolSize,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: transactionTimeout,
    ...timeouts,
  });
  pool.on('error', (error) => options.onError?.(error));
  // Without it, a connection that ends while it is in use ends the process; the next statement on it fails anyway.
  pool.on('connect', (client) => client.on('error', () => {}));
  const run = (client: pg.Pool | pg.PoolClient) =>
    observed(observe, async <Row>({ name, text, planEachTime }: Statement, values: readonly unknown[] = []) => {
      const kept = planEachTime ? undefined : name;
      const result = await client.query({ name: kept, text, values: values as unknown[], types: pgTypes });
      return result.rows as Row[];
    });
  const query = run(pool);

  async function attempt<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await body(withDeadline({ inTransaction: true, query: run(client) }, transactionTimeout));
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
  const prisma = prismaClient(new PrismaPg(pool), observe);
  return {
    kind: 'postgres',
    hints: new HintBus(),
    prisma,
    transaction,
    exclusive: (key, body) => queue.run(key, () => transaction(body)),
    query: async <Row>(statement: Statement, values?: readonly unknown[]) => {
      try {
        return await query<Row>(statement, values);
      } catch (error) {
        throw translateDriverError(error);
      }
    },
    async migrate(migrations) {
      // Neither the wait for another gateway nor a long migration is to be cut off, whatever the role's setting.
      const onConnect = async (opened: pg.ClientBase) => void (await opened.query('set statement_timeout = 0'));
      const direct = new pg.Pool({ connectionString: directUrl ?? url, application_name: 'rollcall-migrate', max: 1, onConnect });
      const client = await direct.connect();
      try {
        await client.query(MIGRATION_LOCK.text);
        return await migrate({ query: run(client) }, (statements) => client.query(statements), migrations);
      } finally {
        client.release(true); // the lock goes with the session
        await direct.end();
      }
    },
    async close() {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

export const PGLITE_OPTIONS: PGliteOptions = { extensions: { pg_trgm } };

/** PGlite, PostgreSQL in this process, with one connection for all. The caller holds the lock on the folder. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Database> {
  const { data, transactionTimeout, observe } = options;
  if (typeof data === 'string') await mkdir(data, { recursive: true, mode: 0o700 });
  const pglite = typeof data === 'string' ? await PGlite.create(join(data, 'pglite'), PGLITE_OPTIONS) : data;
  const run = (client: PGlite | Transaction) =>
    observed(observe, async <Row>({ text }: Statement, values: readonly unknown[] = []) => {
      const result = await client.query<Row>(text, values as unknown[], { parsers: { [INT8]: parseInt8 } });
      return result.rows;
    });
  const attempt = <T>(body: (tx: Tx) => Promise<T>): Promise<T> =>
    pglite.transaction((tx) => body(withDeadline({ inTransaction: true, query: run(tx) }, transactionTimeout)));
  const queue = new KeyedQueue(MAX_WAITING_WRITERS);
  const transaction: Database['transaction'] = (body) => withRetries(attempt, body);
  const query = run(pglite);
  const prisma = prismaClient(new PrismaPGlite(pglite), observe);
  return {
    kind: 'pglite',
    hints: new HintBus(),
    prisma,
    query,
    transaction,
    exclusive: (key, body) => queue.run(key, () => transaction(body)),
    migrate: (migrations) => migrate({ query }, (statements) => pglite.exec(statements), migrations),
    async close() {
      await prisma.$disconnect();
      await pglite.close();
    },
  };
}
