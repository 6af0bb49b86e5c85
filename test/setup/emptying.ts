/** Makes a database that a test file had like a new one, for the next: that is faster than a new one. */

/** Runs a query on it. */
export type Rows = <Row>(text: string) => Promise<Row[]>;

// Whatever changes a schema writes or deletes a row of one of these. To empty a table only writes to pg_class.
const CATALOGS = [
  'pg_attribute',
  'pg_attrdef',
  'pg_constraint',
  'pg_depend',
  'pg_proc',
  'pg_trigger',
  'pg_type',
  'pg_db_role_setting',
];
const SCHEMA = `select concat_ws(' ', ${CATALOGS.map((name) => `(select count(*) || ':' || max(xmin::text::bigint) from ${name})`)},
  (select md5(string_agg(concat_ws(' ', oid, relname, reloptions), ',' order by oid)) from pg_class)) as schema`;

/** Another text whenever the schema was changed. */
export async function schemaOf(rows: Rows): Promise<string> {
  return (await rows<{ schema: string }>(SCHEMA))[0]?.schema ?? '';
}

const TABLES = `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`;

/** The script that makes the tables what they are now. */
export async function emptying(rows: Rows): Promise<string> {
  const names = (await rows<{ name: string }>(TABLES)).map(({ name }) => name);
  const inserts: string[] = [];
  for (const name of names) {
    const found = await rows<{ sql: string }>(
      `select format('insert into ${name} select * from jsonb_populate_record(null::${name}, %L)', to_jsonb(t)) as sql from ${name} t`,
    );
    inserts.push(...found.map(({ sql }) => sql));
  }
  return [
    `truncate ${names.join()} restart identity`,
    ...inserts,
    // What `analyze` found is of rows that are gone.
    `delete from pg_statistic where starelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)`,
  ].join(';\n');
}
