import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { inject } from 'vitest';
import { PGLITE_OPTIONS } from '../../src/db/embedded.ts';
import { temporaryFolder } from './folder.ts';

/** A data folder of a gateway that ended before it made its first token: the first start is then six seconds shorter. */
export async function migratedDataDir(): Promise<string> {
  const folder = temporaryFolder();
  const loadDataDir = await openAsBlob(inject('pgliteDump'));
  await (await PGlite.create(join(folder, 'pglite'), { ...PGLITE_OPTIONS, loadDataDir })).close();
  return folder;
}
