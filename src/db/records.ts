import type { PrismaPg } from '@prisma/adapter-pg';
import type { PrismaPGlite } from 'pglite-prisma-adapter';
import { type Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { OverloadedError, TimeoutError } from '../model/errors.ts';
import { type Given, parseInt8, type Statement, type StatementObserver, type Tx } from './sql.ts';

/** Prisma's client: for record keeping, which is short in it. */
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
  // Prisma's own statements reach the observer too, under the name "prisma".
  client.$on('query', ({ query }) => observe({ name: 'prisma', text: query, parameters: [], columns: {} }));
  return client;
}

/** Runs statements of ours within a transaction of Prisma's: for what Prisma cannot say, such as locks. */
export function sqlWithin(tx: RecordsTx): Tx {
  return {
    inTransaction: true,
    async query<Values extends readonly unknown[], Row>({ text }: Statement<Values, Row>, ...[values]: Given<Values>) {
      const rows = await tx.$queryRawUnsafe<Record<string, unknown>[]>(text, ...(values ?? []));
      return rows.map((row) => {
        for (const [name, value] of Object.entries(row)) if (typeof value === 'bigint') row[name] = parseInt8(String(value));
        return row as Row;
      });
    },
  };
}

/** The parts of Prisma's errors that we go by. */
interface PrismaError extends Error {
  code?: string;
  meta?: { driverAdapterError?: { cause?: { originalCode?: string; originalMessage?: string } } };
}

const TRANSACTION_FAILED = 'P2028';

/** An error of Prisma's client as the driver would have told it, with its SQLSTATE, or as one of ours; others as they are. */
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
