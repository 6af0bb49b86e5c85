import type { Database } from '../../src/db/client.ts';
import type { Sql, Statement, Tx } from '../../src/db/sql.ts';

/** The database with parts of it as given. */
export function altered<Given extends Database>(db: Given, parts: Partial<Database>): Given {
  return Object.assign(Object.create(db), parts);
}

/** The database, where something happens once behind the first statement of that name, as by another gateway. */
export function interrupted<Given extends Database>(db: Given, name: string, happens: () => Promise<unknown>): Given {
  let waiting = true;
  const query = (sql: Sql) =>
    async function query<Row>(statement: Statement, values?: readonly unknown[]): Promise<Row[]> {
      const rows = await sql.query<Row>(statement, values);
      if (!waiting || statement.name !== name) return rows;
      waiting = false;
      await happens();
      return rows;
    };
  const within =
    <T>(run: (tx: Tx) => Promise<T>) =>
    (tx: Tx) =>
      run({ inTransaction: true, query: query(tx) });
  return altered(db, {
    query: query(db),
    transaction: (run) => db.transaction(within(run)),
    exclusive: (key, run) => db.exclusive(key, within(run)),
  });
}
