import type { HintBus } from './hint-bus.ts';
import type { Columns, RowOf, SqlType, ValuesOf } from './types.ts';

/** The databases that a statement may run on. */
export type DatabaseKind = 'pglite' | 'postgres';

/** A statement with a fixed text. PostgreSQL keeps its plan under the name, at most 63 bytes. */
export interface Statement<Values extends readonly unknown[] = readonly unknown[], Row = unknown> {
  readonly name: string;
  readonly text: string;
  readonly parameters: readonly SqlType[];
  /** The columns of its rows, in their order. */
  readonly columns: Columns;
  /** Planned anew for the values of each run: for a statement whose best plan depends on them. */
  readonly planEachTime?: boolean;
  /** For a statement with several forms: the beginning of all of their names (`where.ts`). */
  readonly family?: string;
  /** The only database that it runs on; not given: both. */
  readonly only?: DatabaseKind;
  /** Never set: it carries the types of the values and of a row. */
  readonly types?: { values: Values; row: Row };
}

const registered = new Map<string, Statement>();

/** Every statement of the loaded modules, by name; those with several forms are families (`where.ts`). */
export const registeredStatements: ReadonlyMap<string, Statement> = registered;

/**
 * Registers a statement. The types of its values and rows follow from its parameters and columns, which a test compares with
 * what the database reports for the text.
 */
export function statement<const P extends readonly SqlType[], const C extends Columns>(given: {
  name: string;
  parameters: P;
  columns: C;
  text: string;
  only?: DatabaseKind;
}): Statement<ValuesOf<P>, RowOf<C>> {
  if (registered.has(given.name)) throw new Error(`There are two statements ${given.name}`);
  registered.set(given.name, given);
  return given;
}

/** The values of a statement; one without parameters needs none. */
export type Given<Values extends readonly unknown[]> = [Values] extends [readonly []] ? [values?: Values] : [values: Values];

/** What statements run on: the database or a transaction on it. */
export interface Sql {
  /**
   * Runs one statement. `bigint` columns come as numbers (all of ours stay below 2⁵³), `timestamptz` as Date,
   * `jsonb` parsed, `bytea` as bytes. `jsonb` parameters go in as text.
   */
  query<Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>): Promise<Row[]>;
}

/** The same, with all statements planned anew for their values. */
export function planningEachTime(sql: Sql): Sql {
  return { query: (statement, ...given) => sql.query({ ...statement, planEachTime: true }, ...given) };
}

/** A transaction. Functions that write take one of these, so that nothing can be written outside a transaction. */
export interface Tx extends Sql {
  readonly inTransaction: true;
  /** Where to publish hints about the transaction, after its commit. */
  readonly hints: HintBus;
  /**
   * Waits for a lock that another gateway holds, on this connection, where one more may do so; false: none may. The statement
   * takes the lock.
   */
  waitFor<Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>): Promise<boolean>;
  /** Runs a task after the commit, before the transaction's caller goes on. Errors of the task are ignored. */
  afterCommit(task: () => unknown): void;
}

/** Called before every statement, with its values unless Prisma runs it: for tests. */
export type StatementObserver = (statement: Statement, values?: readonly unknown[]) => void;

export const INT8 = 20;

/** The one parser of `bigint`, for both drivers. */
export function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint out of range: ${text}`);
  return value;
}
