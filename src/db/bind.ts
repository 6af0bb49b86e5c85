import type { Database } from './client.ts';
import { translateDriverError } from './driver-errors.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { Operation } from './operation.ts';
import { Places } from './places.ts';
import { type Records, recordKeeping } from './records.ts';
import { DEFAULT_SHARES, type Shares } from './shares.ts';
import type { Sql, StatementObserver } from './sql.ts';
import { type Attempt, type OpenTx, untilFree, withRetries } from './transaction.ts';

/** What a database is made of: it runs what has a place. */
export interface Driver extends Pick<Database, 'kind' | 'schema' | 'hints' | 'migrate' | 'close'> {
  prisma: Records;
  observe: StatementObserver | undefined;
  /** How many statements and transactions it runs at a time. */
  places: number;
  query(operation: Operation): Sql['query'];
  attempt(operation: Operation): Attempt<OpenTx>;
}

export interface BindOptions {
  shares?: Shares;
  statementTimeout: number;
  transactionTimeout: number;
}

/** The database for the gateway's own work; `as` makes those for the operations of callers, which share its places. */
export function bind(driver: Driver, { shares = DEFAULT_SHARES, statementTimeout, transactionTimeout }: BindOptions): Database {
  const { kind, schema, hints, migrate, close, prisma, observe } = driver;
  const places = new Places({ ...shares, places: driver.places, wait: transactionTimeout });
  const queue = new KeyedQueue(shares.groupQueue);
  const fixed = { kind, schema, hints, migrate, close, prisma };
  function databaseFor(operation: Operation): Database {
    const placed = <T>(run: () => Promise<T>) => operation.send(() => places.run(operation, run));
    const query = driver.query(operation);
    const begin = driver.attempt(operation);
    const retries = { operation, patience: statementTimeout };
    const attempt: Attempt<OpenTx> = (run) => placed(() => begin(run));
    const transaction: Database['transaction'] = (body) => withRetries(attempt, body, retries);
    return {
      ...fixed,
      ...recordKeeping(prisma, hints, observe, placed),
      query: async (statement, ...given) => {
        try {
          return await placed(() => query(statement, ...given));
        } catch (error) {
          throw translateDriverError(error);
        }
      },
      transaction,
      untilFree: (task) => untilFree(task, operation, statementTimeout),
      inTurn: (key, task) => queue.run(key, task, operation),
      exclusive: (key, body) => queue.run(key, () => transaction(body), operation),
      as: (caller, atOnce = shares.operationStatements) => databaseFor(new Operation(caller, atOnce)),
    };
  }
  return databaseFor(new Operation());
}
