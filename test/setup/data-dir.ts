import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { copyFolder, temporaryFolder } from './folder.ts';

/** A data folder of a gateway that ended before it made its first token: the first start is then six seconds shorter. */
export async function migratedDataDir(): Promise<string> {
  const folder = join(temporaryFolder(), 'data');
  copyFolder(inject('pglite').dataDir, folder);
  chmodSync(folder, 0o700); // as a gateway makes it
  return folder;
}
