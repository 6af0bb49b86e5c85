import type { Given, Sql, Statement, StatementObserver } from './sql.ts';

/** Runs a statement on a driver, which returns its rows as the statement's columns say. */
export type Run = (statement: Statement, values: readonly unknown[]) => Promise<unknown[]>;

/** Makes `Sql.query` of a driver; the observer is called before each statement. */
export function observed(observe: StatementObserver | undefined, run: Run): Sql['query'] {
  return async <Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>) => {
    const values = given[0] ?? [];
    observe?.(statement, values);
    return (await run(statement, values)) as Row[];
  };
}
