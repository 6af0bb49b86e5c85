import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { openSchemaEngine, withScripts } from '../../prisma/schema-engine.ts';
import { MIGRATIONS_DIR, type Migration } from '../../src/db/migrate.ts';
import type { TestDatabase } from './database.ts';

/** Runs something with Prisma's schema engine on a test's database. */
export async function withSchemaEngine<T>(
  db: TestDatabase,
  run: (engine: SchemaEngine) => Promise<T>,
  datamodel?: { path: string; content: string },
): Promise<T> {
  const pool = db.pglite ? undefined : new pg.Pool({ connectionString: db.url });
  const adapter = pool ? postgresAdapter(pool) : pgliteAdapter(db.pglite as NonNullable<typeof db.pglite>);
  const engine = await openSchemaEngine(adapter, datamodel);
  try {
    return await run(engine);
  } finally {
    engine.free();
    await pool?.end();
  }
}

/** Migrations in the shape that the engine takes. */
export async function migrationList(migrations: readonly Migration[]): Promise<MigrationList> {
  const path = 'migration_lock.toml';
  return {
    baseDir: MIGRATIONS_DIR,
    lockfile: { path, content: await readFile(join(MIGRATIONS_DIR, path), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, script }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: script } },
    })),
  };
}

function pgliteAdapter(pglite: NonNullable<TestDatabase['pglite']>): SqlMigrationAwareDriverAdapterFactory {
  return withScripts(new PrismaPGlite(pglite), (script) => pglite.exec(script));
}

type Query = (query: pg.QueryArrayConfig) => Promise<pg.QueryArrayResult>;

/** Prisma's adapter for pg does not know the type "char" of the catalogs, which the engine reads for a diff. */
function postgresAdapter(pool: pg.Pool): SqlMigrationAwareDriverAdapterFactory {
  const query = pool.query.bind(pool) as unknown as Query;
  let chars: boolean[] = [];
  const asText: Query = async (config) => {
    const result = await query(config);
    chars = (result.fields ?? []).map((field) => field.dataTypeID === pg.types.builtins.CHAR);
    for (const [index, field] of (result.fields ?? []).entries()) if (chars[index]) field.dataTypeID = pg.types.builtins.TEXT;
    return result;
  };
  const factory = new PrismaPg(Object.assign(pool, { query: asText }));
  const connect = async () => {
    const adapter = await factory.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (sql) => {
      const result = await queryRaw(sql); // the engine runs one query at a time
      return {
        ...result,
        columnTypes: result.columnTypes.map((type, index) => (chars[index] ? ColumnTypeEnum.Character : type)),
      };
    };
    return adapter;
  };
  return withScripts(
    { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect },
    (script) => pool.query(script),
  );
}
