import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sqlState } from './driver-errors.ts';
import { type Sql, statement } from './sql.ts';
import { bool, int4, varchar } from './types.ts';

export const MIGRATIONS_DIR = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** One script of prisma/migrations. */
export interface Migration {
  /** The name of its folder: 14 digits of the time, `_`, what it is about. */
  name: string;
  script: string;
}

/** A migration cannot be applied; the message says which one and why. Nothing of it was applied. */
export class MigrationError extends Error {
  override name = 'MigrationError';
}

let ofThisCheckout: Promise<readonly Migration[]> | undefined;

/** The migrations of this checkout, oldest first, as they were when the process first asked. */
export function readMigrations(): Promise<readonly Migration[]> {
  ofThisCheckout ??= readFolder();
  return ofThisCheckout;
}

async function readFolder(): Promise<Migration[]> {
  const entries = await readdir(MIGRATIONS_DIR, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return Promise.all(
    names.map(async (name) => ({ name, script: await readFile(join(MIGRATIONS_DIR, name, 'migration.sql'), 'utf8') })),
  );
}

const checksumOf = ({ script }: Migration): string => createHash('sha256').update(script).digest('hex');

const HAS_TABLE = statement({
  name: 'migrations_table',
  parameters: [],
  columns: { found: bool },
  text: `select to_regclass('_prisma_migrations') is not null as found`,
});
const APPLIED = statement({
  name: 'migrations_applied',
  parameters: [],
  columns: { migration_name: varchar, checksum: varchar },
  text: 'select migration_name, checksum from _prisma_migrations where finished_at is not null and rolled_back_at is null',
});

/**
 * The names of those migrations that the database does not have. It may have others, of a later gateway.
 * @throws MigrationError where one was changed after it was applied
 */
export async function pendingMigrations(sql: Sql, migrations: readonly Migration[]): Promise<string[]> {
  const [table] = await sql.query(HAS_TABLE);
  const applied = table?.found ? await sql.query(APPLIED) : [];
  const checksums = new Map(applied.map((row) => [row.migration_name, row.checksum]));
  const changed = migrations.find(
    (migration) => (checksums.get(migration.name) ?? checksumOf(migration)) !== checksumOf(migration),
  );
  if (changed) throw new MigrationError(`Migration ${changed.name} was changed after it was applied to this database`);
  return migrations.filter(({ name }) => !checksums.has(name)).map(({ name }) => name);
}

// The same table as Prisma's, so that `prisma migrate` can go on with a database of ours, and we with one of Prisma's.
const TABLE = `create table if not exists _prisma_migrations (
  id varchar(36) primary key not null,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`;

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * A migration with its bookkeeping, to be sent as one message: without BEGIN the server runs all statements of a message in one
 * transaction. An unfinished row was written by Prisma's engine before it ran the script, which then failed.
 */
function withBookkeeping(migration: Migration): string {
  const name = literal(migration.name);
  return [
    TABLE,
    `update _prisma_migrations set rolled_back_at = now()
      where migration_name = ${name} and finished_at is null and rolled_back_at is null`,
    migration.script,
    `insert into _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
      values (gen_random_uuid()::text, '${checksumOf(migration)}', ${name}, clock_timestamp(), 1)`,
  ].join('\n;\n');
}

const COMMENTS_AND_QUOTED = /--[^\n]*|\/\*.*?\*\/|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$.*?\$\1\$/gs;
const ENDS_TRANSACTION = /(?:^|;)\s*(begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction)\b/i;

async function apply(migration: Migration, execute: Execute): Promise<void> {
  const own = ENDS_TRANSACTION.exec(migration.script.replace(COMMENTS_AND_QUOTED, ' '))?.[1];
  if (own)
    throw new MigrationError(`Migration ${migration.name} may not say ${own.toUpperCase()}: its script is one transaction`);
  try {
    await execute(withBookkeeping(migration));
  } catch (error) {
    if (!sqlState(error)) throw error;
    const { message, detail } = error as Error & { detail?: string };
    const reason = detail ? `${message} (${detail})` : message;
    throw new MigrationError(`Migration ${migration.name} failed and left nothing: ${reason}`, { cause: error });
  }
}

// Every row with an xid (groups, members, former members) was written with a record, and records are pruned oldest first. So an
// app's highest xid is that of its last record, or of the position its log was pruned to: two look-ups per app, and no scan.
const RAISE_GENERATION = statement({
  name: 'raise_generation',
  parameters: [],
  columns: { generation: int4 },
  text: `update gateway_state s set generation = generation + 1
    where exists (select from apps a left join lateral (
        select c.generation, c.xid from changes c where c.app_id = a.id
        order by c.generation desc, c.xid desc, c.id desc limit 1) l on true
      where (a.pruned_generation = s.generation and a.pruned_xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
        or (l.generation = s.generation and l.xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint))
    returning generation`,
});

/** Sends several statements as one message of the simple protocol. */
type Execute = (statements: string) => Promise<unknown>;

/**
 * Brings the database up to these migrations, each a transaction of its own, in order. Call it under a lock that keeps other
 * gateways out. Returns the names of those that it applied.
 * @throws MigrationError
 */
export async function migrate(sql: Sql, execute: Execute, migrations?: readonly Migration[]): Promise<string[]> {
  const all = migrations ?? (await readMigrations());
  const pending = await pendingMigrations(sql, all);
  for (const migration of all) if (pending.includes(migration.name)) await apply(migration, execute);
  // A log with transaction ids from the future comes from another server: older positions must not match.
  await sql.query(RAISE_GENERATION);
  return pending;
}
