import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import type { MigrationList } from '@prisma/schema-engine-wasm';
import { openSchemaEngine } from './schema-engine.ts';
import type { Sql } from './sql.ts';

const PRISMA_DIR = join(dirname(fileURLToPath(import.meta.url)), '../../prisma');
export const MIGRATIONS_DIR = join(PRISMA_DIR, 'migrations');
export const SCHEMA_FILE = join(PRISMA_DIR, 'schema.prisma');

/** The migrations of this checkout, oldest first, in the shape that Prisma's engine takes. */
export async function readMigrations(): Promise<MigrationList> {
  const entries = await readdir(MIGRATIONS_DIR, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  const migrationDirectories = await Promise.all(
    names.map(async (name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok' as const, value: await readFile(join(MIGRATIONS_DIR, name, 'migration.sql'), 'utf8') },
      },
    })),
  );
  const lockfile = await readFile(join(MIGRATIONS_DIR, 'migration_lock.toml'), 'utf8');
  return {
    baseDir: MIGRATIONS_DIR,
    lockfile: { path: 'migration_lock.toml', content: lockfile },
    shadowDbInitScript: '',
    migrationDirectories,
  };
}

interface AppliedMigration {
  migration_name: string;
  checksum: string;
}

const HAS_TABLE = { name: 'migrations_table', text: `select to_regclass('_prisma_migrations') is not null as found` };
const APPLIED = {
  name: 'migrations_applied',
  text: 'select migration_name, checksum from _prisma_migrations where finished_at is not null and rolled_back_at is null',
};

/** The names of this checkout's migrations that the database does not have. A changed migration is an error. */
export async function pendingMigrations(sql: Sql, migrations: MigrationList): Promise<string[]> {
  const [table] = await sql.query<{ found: boolean }>(HAS_TABLE);
  const applied = table?.found ? await sql.query<AppliedMigration>(APPLIED) : [];
  const checksums = new Map(applied.map((row) => [row.migration_name, row.checksum]));
  return migrations.migrationDirectories
    .filter(({ path, migrationFile }) => {
      const checksum = checksums.get(path);
      if (checksum === undefined) return true;
      const content = migrationFile.content.tag === 'ok' ? migrationFile.content.value : '';
      if (checksum !== createHash('sha256').update(content).digest('hex')) {
        throw new Error(`Migration ${path} was changed after it was applied to this database`);
      }
      return false;
    })
    .map(({ path }) => path);
}

// A migration that failed, or whose process was killed, left nothing: its script is one transaction. The engine wants it said.
const FORGET_INTERRUPTED = {
  name: 'migrations_forget_interrupted',
  text: 'update _prisma_migrations set rolled_back_at = now() where finished_at is null and rolled_back_at is null',
};
// Whatever bears an xid (groups, members, former members) was written with a record, and records are pruned from the oldest
// on. So an app's highest is that of its last record, or where its log was pruned to: two look-ups an app, and no scan.
const RAISE_GENERATION = {
  name: 'raise_generation',
  text: `update gateway_state s set generation = generation + 1
    where exists (select from apps a left join lateral (
        select c.generation, c.xid from changes c where c.app_id = a.id
        order by c.generation desc, c.xid desc, c.id desc limit 1) l on true
      where (a.pruned_generation = s.generation and a.pruned_xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
        or (l.generation = s.generation and l.xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint))
    returning generation`,
};

/**
 * Brings the database up to this checkout. Call it under a lock that keeps other gateways out. Prisma's engine is loaded
 * only when something is to be done. Returns the names of the migrations it applied.
 */
export async function migrate(sql: Sql, adapter: SqlMigrationAwareDriverAdapterFactory): Promise<string[]> {
  const migrationsList = await readMigrations();
  const pending = await pendingMigrations(sql, migrationsList);
  if (pending.length > 0) {
    const [table] = await sql.query<{ found: boolean }>(HAS_TABLE);
    if (table?.found) await sql.query(FORGET_INTERRUPTED);
    const engine = await openSchemaEngine(adapter);
    try {
      await engine.applyMigrations({ migrationsList, filters: { externalTables: [], externalEnums: [] } });
    } finally {
      engine.free();
    }
  }
  // A log with transaction ids from the future comes from another server: positions from before must not match.
  await sql.query(RAISE_GENERATION);
  return pending;
}
