import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { temporaryFolder } from './folder.ts';

/** A data folder of a gateway that ended before it made its first token: the first start is then six seconds shorter. */
export async function migratedDataDir(): Promise<string> {
  const folder = join(temporaryFolder(), 'data');
  cpSync(inject('pglite').dataDir, folder, { recursive: true });
  chmodSync(folder, 0o700); // as a gateway makes it
  return folder;
}
