import type { Database } from '../../src/db/client.ts';
import type { Given, Sql, Statement, Tx } from '../../src/db/sql.ts';

/** The database with some of its methods replaced. */
export function altered<D extends Database>(db: D, parts: Partial<Database>): D {
  return Object.assign(Object.create(db), parts);
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
      run({ inTransaction: true, hints: tx.hints, afterCommit: (task) => tx.afterCommit(task), query: query(tx) });
  return altered(db, {
    query: query(db),
    transaction: (run) => db.transaction(within(run)),
    exclusive: (key, run) => db.exclusive(key, within(run)),
  });
}
