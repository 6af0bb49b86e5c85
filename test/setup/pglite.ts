/**
 * The PGlite of a test file: one that an earlier file of this process had, emptied, because to load one takes longer than
 * many files. One whose schema was changed, or that was closed in the middle of something, is not lent again.
 */
import { openAsBlob } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { inject } from 'vitest';
import { PGLITE_OPTIONS } from '../../src/db/embedded.ts';

/** A file and one of its tests have one each; more at a time are rare. */
const MOST_KEPT = 2;

interface Kept {
  pglite: PGlite;
  /** What it was like when it was new. */
  schema: string;
  /** Brings back every row and sequence of then. */
  empty: string;
}

const kept: Kept[] = [];

/** A migrated PGlite without apps, like a new one. To close it is to give it back. */
export async function lendPGlite(): Promise<PGlite> {
  const chosen = (await emptied()) ?? (await load());
  let running = 0;
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    if (running === 0 && kept.length < MOST_KEPT) kept.push(chosen);
    else await chosen.pglite.close();
  };
  return new Proxy(chosen.pglite, {
    get(pglite, name) {
      if (name === 'close') return close;
      if (name === 'closed') return closed;
      if (closed) throw new Error('PGlite is closed');
      const value: unknown = Reflect.get(pglite, name, pglite);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        const result: unknown = value.apply(pglite, given);
        if (!(result instanceof Promise)) return result;
        running++;
        const done = () => void running--;
        result.then(done, done);
        return result;
      };
    },
  });
}

/** One that is not migrated. It is not kept. */
export async function unmigratedPGlite(): Promise<PGlite> {
  return PGlite.create({ ...PGLITE_OPTIONS, loadDataDir: await openAsBlob(inject('pglite').unmigrated) });
}

async function load(): Promise<Kept> {
  const pglite = await PGlite.create({ ...PGLITE_OPTIONS, loadDataDir: await openAsBlob(inject('pglite').migrated) });
  return { pglite, schema: await schemaOf(pglite), empty: await emptying(pglite) };
}

async function emptied(): Promise<Kept | undefined> {
  for (let next = kept.pop(); next; next = kept.pop()) {
    const { pglite, schema, empty } = next;
    const unchanged = await schemaOf(pglite).then(
      (now) => now === schema,
      () => false,
    );
    if (unchanged) {
      await pglite.exec(empty);
      return next;
    }
    await pglite.close();
  }
  return undefined;
}

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

async function schemaOf(pglite: PGlite): Promise<string> {
  const { rows } = await pglite.query<{ schema: string }>(SCHEMA);
  return rows[0]?.schema ?? '';
}

const TABLES = `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`;

/** The script that makes the tables what they are now. */
async function emptying(pglite: PGlite): Promise<string> {
  const names = (await pglite.query<{ name: string }>(TABLES)).rows.map(({ name }) => name);
  const inserts: string[] = [];
  for (const name of names) {
    const { rows } = await pglite.query<{ sql: string }>(
      `select format('insert into ${name} select * from jsonb_populate_record(null::${name}, %L)', to_jsonb(t)) as sql from ${name} t`,
    );
    inserts.push(...rows.map(({ sql }) => sql));
  }
  // A checkpoint lets go of the log of what was written; what `analyze` found is of rows that are gone.
  return [
    `truncate ${names.join()} restart identity`,
    ...inserts,
    `delete from pg_statistic where starelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)`,
    'checkpoint',
  ].join(';\n');
}
