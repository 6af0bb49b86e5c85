/**
 * `npm run migration -- NAME`: writes the next migration, from the migrated database to schema.prisma, with Prisma's own
 * engine on a throwaway embedded database. Add by hand what Prisma cannot express, and commit it with the schema.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { openEmbedded, PGLITE_OPTIONS } from '../src/db/embedded.ts';
import { MIGRATIONS_DIR } from '../src/db/migrate.ts';
import { openSchemaEngine, SCHEMA_FILE } from './schema-engine.ts';

const name = process.argv[2];
if (!name || !/^[a-z0-9_]+$/.test(name)) {
  console.error('Usage: npm run migration -- NAME   (lower case letters, digits, _)');
  process.exit(2);
}
const pglite = await PGlite.create(PGLITE_OPTIONS);
const db = await openEmbedded({ data: pglite, statementTimeout: 60_000, transactionTimeout: 60_000 });
await db.migrate();
const datamodel = { path: 'schema.prisma', content: await readFile(SCHEMA_FILE, 'utf8') };
const engine = await openSchemaEngine(new PrismaPGlite(pglite), datamodel);
const { stdout } = await engine.diff({
  from: { tag: 'schemaDatasource', files: [datamodel], configDir: dirname(SCHEMA_FILE) },
  to: { tag: 'schemaDatamodel', files: [datamodel] },
  script: true,
  exitCode: null,
  filters: { externalTables: [], externalEnums: [] },
});
if (!stdout || stdout.includes('This is an empty migration')) {
  console.log('schema.prisma and the migrations agree; nothing to write.');
} else {
  const at = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const folder = join(MIGRATIONS_DIR, `${at}_${name}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'migration.sql'), stdout);
  console.log(`Wrote ${folder}`);
}
await db.close();
