import { sqlState } from './driver-errors.ts';
import { DatabaseSetupError, quoted } from './server-url.ts';
import { type Sql, statement } from './sql.ts';
import { bool, catalogName, nullable } from './types.ts';

const FIND = statement({
  name: 'schema_find',
  parameters: [catalogName],
  columns: { role: catalogName, may_create: nullable(bool) },
  // null: there is no such schema
  text: `select current_user as role,
    (select has_schema_privilege(oid, 'create') from pg_namespace where nspname = $1) as may_create`,
  only: 'postgres',
});
const PRIVILEGE_MISSING = '42501';

/**
 * Creates the schema if needed, then runs `makeTables`.
 * @throws DatabaseSetupError that says what to do if the role may not do this
 */
export async function withinSchema<T>(
  sql: Sql,
  schema: string,
  execute: (script: string) => Promise<unknown>,
  makeTables: (sql: Sql) => Promise<T>,
): Promise<T> {
  const [found] = await sql.query(FIND, [schema]);
  if (!found) throw new Error('The database did not tell of the schema');
  const role = quoted(found.role);
  if (found.may_create === null) {
    await execute(`create schema ${quoted(schema)}`).catch((error: unknown) => {
      if (sqlState(error) !== PRIVILEGE_MISSING) throw error;
      throw new DatabaseSetupError(
        `The schema ${schema} does not exist and the role may not create it: run create schema ${quoted(schema)} authorization ${role};`,
      );
    });
  }
  try {
    return await makeTables(sql);
  } catch (error) {
    if (found.may_create !== false) throw error;
    throw new DatabaseSetupError(
      `The role may not create tables in the schema ${schema}: run grant create, usage on schema ${quoted(schema)} to ${role}; or name a schema of its own by ?schema= in DATABASE_URL.`,
      { cause: error },
    );
  }
}
