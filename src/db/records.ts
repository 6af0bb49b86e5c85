import type { PrismaPg } from '@prisma/adapter-pg';
import type { PrismaPGlite } from 'pglite-prisma-adapter';
import { type Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { OverloadedError, TimeoutError } from '../model/errors.ts';
import { translateDriverError } from './driver-errors.ts';
import type { HintBus } from './hint-bus.ts';
import { type Given, parseInt8, type Sql, type Statement, type StatementObserver, type Tx } from './sql.ts';
import { OpenTx, withRetries } from './transaction.ts';

/** Prisma's client, for what is shorter in Prisma than in SQL. */
export type Records = PrismaClient;
/** The same within a transaction. */
export type RecordsTx = Prisma.TransactionClient;

/** @param timeout longest wait for a transaction and longest run of one, in milliseconds */
export function openRecords(
  adapter: PrismaPg | PrismaPGlite,
  timeout: number,
  observe: StatementObserver | undefined,
): PrismaClient {
  const transactionOptions = { isolationLevel: 'ReadCommitted' as const, maxWait: timeout, timeout };
  if (!observe) return new PrismaClient({ adapter, transactionOptions });
  const client = new PrismaClient({ adapter, transactionOptions, log: [{ emit: 'event', level: 'query' }] });
  // The observer gets all of Prisma's statements under the name "prisma"; ours within them also under their own names.
  client.$on('query', ({ query }) => observe({ name: 'prisma', text: query, parameters: [], columns: {} }));
  return client;
}

/** Runs statements of ours within a transaction of Prisma's: for what Prisma cannot express, such as locks. */
function sqlWithin(tx: RecordsTx, observe: StatementObserver | undefined): Sql['query'] {
  return async <Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>) => {
    const values = given[0] ?? [];
    observe?.(statement, values);
    const rows = await tx.$queryRawUnsafe<Record<string, unknown>[]>(statement.text, ...values);
    return rows.map((row) => {
      for (const [name, value] of Object.entries(row)) if (typeof value === 'bigint') row[name] = parseInt8(String(value));
      return row as Row;
    });
  };
}

interface OpenRecordsTx {
  records: RecordsTx;
  sql: OpenTx;
  committed(): Promise<void>;
}

/** The parts of Prisma's errors that we go by. */
interface PrismaError extends Error {
  code?: string;
  meta?: { driverAdapterError?: { cause?: { originalCode?: string; originalMessage?: string } } };
}

const TRANSACTION_FAILED = 'P2028';

/** Converts an error of Prisma's client to one like the driver's, with its SQLSTATE, or to one of ours; others unchanged. */
export function withoutPrisma(error: unknown): unknown {
  if (!(error instanceof Error) || !error.name.startsWith('PrismaClient')) return error;
  const { code, meta, message } = error as PrismaError;
  if (code === TRANSACTION_FAILED && message.includes('Unable to start')) {
    return new OverloadedError('No database connection came free in time', { cause: error });
  }
  if (code === TRANSACTION_FAILED && /expired|already closed/.test(message)) {
    return new TimeoutError('The transaction ran too long', { cause: error });
  }
  const { originalCode, originalMessage } = meta?.driverAdapterError?.cause ?? {};
  return Object.assign(new Error(originalMessage ?? 'The database did not answer as it should', { cause: error }), {
    code: originalCode,
  });
}

/** What services do through Prisma's client. */
export interface RecordKeeping {
  /** The client itself, which throws Prisma's own errors: services use `records`. */
  readonly prisma: Records;
  /** Runs calls of Prisma's client; errors are like those of SQL. Never inside a transaction: PGlite has one connection. */
  records<T>(run: (records: Records) => Promise<T>): Promise<T>;
  /** A transaction of Prisma's, retried like others; `sql` is for what Prisma cannot express. */
  recordsTransaction<T>(run: (tx: RecordsTx, sql: Tx) => Promise<T>): Promise<T>;
}

/** @param placed runs something with a place on the database's connections */
export function recordKeeping(
  prisma: Records,
  hints: HintBus,
  observe: StatementObserver | undefined,
  placed: <T>(run: () => Promise<T>) => Promise<T>,
): Omit<RecordKeeping, 'prisma'> {
  const attempt = async <T>(run: (opened: OpenRecordsTx) => Promise<T>): Promise<T> => {
    try {
      return await placed(() =>
        prisma.$transaction((records) => {
          const sql = new OpenTx(hints, sqlWithin(records, observe));
          return run({ records, sql, committed: () => sql.committed() });
        }),
      );
    } catch (error) {
      throw withoutPrisma(error);
    }
  };
  return {
    async records(run) {
      try {
        return await placed(() => run(prisma));
      } catch (error) {
        throw translateDriverError(withoutPrisma(error));
      }
    },
    recordsTransaction: (run) => withRetries(attempt, ({ records, sql }) => run(records, sql)),
  };
}
