/** A statement with a fixed text. PostgreSQL keeps its plan under the name, at most 63 bytes. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Planned for its values each time and not kept: for one whose best plan depends on them. */
  readonly planEachTime?: boolean;
}

/** What can be asked: the database itself or a transaction on it. */
export interface Sql {
  /**
   * Runs one statement. `bigint` columns come as numbers (all of ours stay below 2⁵³), `timestamptz` as Date,
   * `jsonb` parsed, `bytea` as bytes. `jsonb` parameters go in as text.
   */
  query<Row>(statement: Statement, values?: readonly unknown[]): Promise<Row[]>;
}

/** The same, with all statements planned for their values. */
export function planningEachTime(sql: Sql): Sql {
  return { query: (statement, values) => sql.query({ ...statement, planEachTime: true }, values) };
}

/** A transaction: what writes takes one of these, so that nothing can be written outside. */
export interface Tx extends Sql {
  readonly inTransaction: true;
}

/** Told of every statement before it runs, with its values unless Prisma runs it: for tests. */
export type StatementObserver = (statement: Statement, values?: readonly unknown[]) => void;

export const INT8 = 20;

/** The one parser of `bigint`, for both drivers. */
export function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint out of range: ${text}`);
  return value;
}
