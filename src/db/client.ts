import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite, type PGliteOptions, type Transaction } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { translateDriverError } from './driver-errors.ts';
import { HintBus } from './hint-bus.ts';
import { migrate } from './migrate.ts';
import { openRecords, type Records, type RecordsTx, sqlWithin, withoutPrisma } from './records.ts';
import { withinSchema } from './schema.ts';
import { withScripts } from './schema-engine.ts';
import { DatabaseSetupError, readServerUrl } from './server-url.ts';
import { checkSession, ownSessions, pooledSessions, sessionScript } from './session.ts';
import {
  type DatabaseKind,
  type Given,
  INT8,
  parseInt8,
  type Sql,
  type Statement,
  type StatementObserver,
  type Tx,
} from './sql.ts';
import { KeyedQueue, withDeadline, withRetries } from './transaction.ts';

/** The database, whichever it is. Services take this for reads and a `Tx` for writes. */
export interface Database extends Sql {
  readonly kind: DatabaseKind;
  /** The schema that holds the tables. */
  readonly schema: string;
  /** Told of every commit that changed a group. */
  readonly hints: HintBus;
  /** As it is, with errors of its own: services use `records`. */
  readonly prisma: Records;
  /**
   * Record keeping through Prisma's client; its errors come as those of SQL do. Never inside a transaction: PGlite has one
   * connection.
   */
  records<T>(run: (records: Records) => Promise<T>): Promise<T>;
  /** A transaction of Prisma's, retried like others; `sql` is for what Prisma cannot say in it. */
  recordsTransaction<T>(run: (tx: RecordsTx, sql: Tx) => Promise<T>): Promise<T>;
  /** Runs, retries, commits. Throws TimeoutError or OverloadedError when the database is too slow or too busy. */
  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /** One transaction at a time for each key in this process; the others wait without a connection. */
  exclusive<T>(key: string, run: (tx: Tx) => Promise<T>): Promise<T>;
  /** Migrates, under a lock that keeps other gateways out. Returns the names of the migrations that it applied. */
  migrate(): Promise<string[]>;
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
const BEGIN = 'begin isolation level read committed read write';
const MIGRATION_LOCK = "select pg_advisory_lock(hashtext('rollcall'), hashtext('migrations'))";
const READ_ONLY_FAILED = 'The transaction was rolled back by the database';

/** Runs a statement on a driver, which returns its rows as the statement's columns say. */
type Run = (statement: Statement, values: readonly unknown[]) => Promise<unknown[]>;

function observed(observe: StatementObserver | undefined, run: Run): Sql['query'] {
  return async <Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>) => {
    const values = given[0] ?? [];
    observe?.(statement, values);
    return (await run(statement, values)) as Row[];
  };
}

/** What services do through Prisma's client. */
function recordKeeping(prisma: Records): Pick<Database, 'prisma' | 'records' | 'recordsTransaction'> {
  const attempt = async <T>(run: (tx: RecordsTx) => Promise<T>): Promise<T> => {
    try {
      return await prisma.$transaction(run);
    } catch (error) {
      throw withoutPrisma(error);
    }
  };
  return {
    prisma,
    async records(run) {
      try {
        return await run(prisma);
      } catch (error) {
        throw translateDriverError(withoutPrisma(error));
      }
    },
    recordsTransaction: (run) => withRetries(attempt, (tx: RecordsTx) => run(tx, sqlWithin(tx))),
  };
}

const pgTypes = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? parseInt8 : pg.types.getTypeParser(oid, format as 'text'),
};

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
  const run = (client: pg.Pool | pg.PoolClient) =>
    observed(observe, async ({ name, text, planEachTime }, values) => {
      const kept = planEachTime ? undefined : name;
      const { rows } = await client.query({ name: kept, text, values: [...values], types: pgTypes });
      return rows;
    });
  const query = run(pool);

  async function attempt<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(BEGIN);
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
  const prisma = openRecords(new PrismaPg(pool, { schema }), transactionTimeout, observe);

  return {
    kind: 'postgres',
    schema,
    hints: new HintBus(),
    ...recordKeeping(prisma),
    transaction,
    exclusive: (key, body) => queue.run(key, () => transaction(body)),
    query: async (statement, ...given) => {
      try {
        return await query(statement, ...given);
      } catch (error) {
        throw translateDriverError(error);
      }
    },
    async migrate() {
      // Two: one holds the lock, the engine works on the other. Neither the wait for another gateway nor a long migration is
      // to be cut off, whatever the role's setting.
      const onConnect = async (opened: pg.ClientBase) => void (await opened.query('set statement_timeout = 0'));
      const migrating = new pg.Pool({ ...ownSessions(direct, schema), application_name: 'rollcall-migrate', max: 2, onConnect });
      const client = await migrating.connect();
      try {
        await client.query(MIGRATION_LOCK);
        const applied = await withinSchema(
          { query: run(client) },
          schema,
          (script) => client.query(script),
          (sql) =>
            migrate(
              sql,
              withScripts(new PrismaPg(migrating, { schema }), (script) => migrating.query(script)),
            ),
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

export const PGLITE_OPTIONS: PGliteOptions = { extensions: { pg_trgm } };

/** PGlite, PostgreSQL in this process, with one connection for all. The caller holds the lock on the folder. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Database> {
  const { data, transactionTimeout, observe } = options;
  if (typeof data === 'string') await mkdir(data, { recursive: true, mode: 0o700 });
  const pglite = typeof data === 'string' ? await PGlite.create(join(data, 'pglite'), PGLITE_OPTIONS) : data;
  await pglite.exec(sessionScript('public'));
  const run = (client: PGlite | Transaction) =>
    observed(observe, async ({ text }, values) => {
      const { rows } = await client.query(text, [...values], { parsers: { [INT8]: parseInt8 } });
      return rows;
    });
  const attempt = <T>(body: (tx: Tx) => Promise<T>): Promise<T> =>
    pglite.transaction((tx) => body(withDeadline({ inTransaction: true, query: run(tx) }, transactionTimeout)));
  const queue = new KeyedQueue(MAX_WAITING_WRITERS);
  const transaction: Database['transaction'] = (body) => withRetries(attempt, body);
  const query = run(pglite);
  const adapter = new PrismaPGlite(pglite);
  const prisma = openRecords(adapter, transactionTimeout, observe);
  return {
    kind: 'pglite',
    schema: 'public',
    hints: new HintBus(),
    ...recordKeeping(prisma),
    query,
    transaction,
    exclusive: (key, body) => queue.run(key, () => transaction(body)),
    migrate: () =>
      migrate(
        { query },
        withScripts(adapter, (script) => pglite.exec(script)),
      ),
    async close() {
      await prisma.$disconnect();
      await pglite.close();
    },
  };
}
