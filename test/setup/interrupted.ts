import type { Database } from '../../src/db/client.ts';
import type { Caller } from '../../src/db/operation.ts';
import type { Given, Sql, Statement, Tx } from '../../src/db/sql.ts';

/** The database with some of its methods replaced, for all callers. */
export function altered<D extends Database>(db: D, parts: Partial<Database>): D {
  return Object.assign(
    Object.create(db),
    { as: (caller: Caller, atOnce?: number) => altered(db.as(caller, atOnce), parts) },
    parts,
  );
}

/** The database of a gateway that nobody hears of: what it leaves for after a commit is not done. */
export function quiet<D extends Database>(db: D): D {
  const within =
    <T>(run: (tx: Tx) => Promise<T>) =>
    (tx: Tx) =>
      run({
        inTransaction: true,
        hints: tx.hints,
        afterCommit: () => {},
        waitFor: tx.waitFor,
        query: (statement, ...given) => tx.query(statement, ...given),
      });
  return altered(db, {
    transaction: (run) => db.transaction(within(run)),
    exclusive: (key, run) => db.exclusive(key, within(run)),
  });
}

/** The database; something happens once after the first statement of that name, as if by another gateway. */
export function interrupted<D extends Database>(db: D, name: string, happens: () => Promise<unknown>): D {
  let waiting = true;
  const query = (sql: Sql) =>
    async function query<Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>) {
      const rows = await sql.query(statement, ...given);
      if (!waiting || statement.name !== name) return rows;
      waiting = false;
      await happens();
      return rows;
    };
  const within =
    <T>(run: (tx: Tx) => Promise<T>) =>
    (tx: Tx) =>
      run({
        inTransaction: true,
        hints: tx.hints,
        afterCommit: (task) => tx.afterCommit(task),
        waitFor: tx.waitFor,
        query: query(tx),
      });
  return altered(db, {
    query: query(db),
    transaction: (run) => db.transaction(within(run)),
    exclusive: (key, run) => db.exclusive(key, within(run)),
  });
}
