/** Loaded anew for each test file, whereas modules that files share are loaded once per process. */
import { enableCompileCache } from 'node:module';
import { afterAll, expect, inject } from 'vitest';
import { endAll } from './at-end.ts';
import { writeRan } from './ran.ts';
import { NODE_COMPILE_CACHE } from './server.ts';

// For what is loaded from here on: nine processes load the same sources.
enableCompileCache(NODE_COMPILE_CACHE);

afterAll(async () => {
  await endAll();
  const kind = inject('databaseKind');
  if (kind) writeRan(inject('ran'), kind, expect.getState().testPath ?? '');
});
