import type { HintBus } from './hint-bus.ts';
import type { Migration } from './migrate.ts';
import type { RecordKeeping } from './records.ts';
import type { DatabaseKind, Sql, StatementObserver, Tx } from './sql.ts';

/** The database, PGlite or PostgreSQL. Services take this for reads and a `Tx` for writes. */
export interface Database extends Sql, RecordKeeping {
  readonly kind: DatabaseKind;
  /** The schema that holds the tables. */
  readonly schema: string;
  /** Gets a hint after every commit that changed a group. */
  readonly hints: HintBus;
  /** Runs a transaction, with retries. Throws TimeoutError or OverloadedError when the database is too slow or too busy. */
  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T>;
  /** The same, one transaction at a time for each key in this process; the others wait without a connection. */
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
