import type { HintBus } from './hint-bus.ts';
import type { Migration } from './migrate.ts';
import type { Caller } from './operation.ts';
import type { RecordKeeping } from './records.ts';
import type { Shares } from './shares.ts';
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
  /**
   * Runs one task at a time for each key in this process, in the order of arrival; what waits has no connection.
   * @throws OverloadedError when too many wait, ClientGoneError
   */
  inTurn<T>(key: string, task: () => Promise<T>): Promise<T>;
  /** The same with a transaction, which begins again while another gateway holds a lock that it needs. */
  exclusive<T>(key: string, run: (tx: Tx) => Promise<T>): Promise<T>;
  /** Runs a task, and again while it throws a RequestHeldError. @throws TimeoutError, ClientGoneError */
  untilFree<T>(task: () => Promise<T>): Promise<T>;
  /**
   * The database for one operation of a caller, whose statements get connections in turn with those of others, and are given up
   * when its client leaves. Without a caller, work is the gateway's own.
   * @param atOnce how many of its statements may be under way; not given: OPERATION_STATEMENTS
   */
  as(caller: Caller, atOnce?: number): Database;
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
  /** How much of the database one caller may take; not given: the defaults. */
  shares?: Shares;
}
