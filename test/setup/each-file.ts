/** Loaded anew for each test file, whereas modules that files share are loaded once per process. */
import { enableCompileCache } from 'node:module';
import { afterAll, expect, inject } from 'vitest';
import { endAll } from './at-end.ts';
import { writeBegun, writeRan } from './ran.ts';
import { NODE_COMPILE_CACHE } from './server.ts';

// For what is loaded from here on: nine processes load the same sources.
enableCompileCache(NODE_COMPILE_CACHE);

const kind = inject('databaseKind');
// Not at the end: if all of a file's tests are skipped, for want of a browser, its end is, too.
if (kind) writeBegun(inject('ran'), kind, expect.getState().testPath ?? '');

afterAll(async () => {
  await endAll();
  if (kind) writeRan(inject('ran'));
});
