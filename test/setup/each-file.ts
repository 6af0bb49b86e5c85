/** Loaded anew for each test file, whereas modules that files share are loaded once per process. */
import { afterAll, expect, inject } from 'vitest';
import { endAll } from './at-end.ts';
import { writeRan } from './ran.ts';

afterAll(async () => {
  await endAll();
  const kind = inject('databaseKind');
  if (kind) writeRan(inject('ran'), kind, expect.getState().testPath ?? '');
});
