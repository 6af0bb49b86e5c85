import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestUserConfig } from 'vitest/config';

const DATABASE_TESTS: TestUserConfig = {
  include: ['test/**/*.test.ts'],
  globalSetup: ['test/setup/databases.ts'],
};

if (Number.parseInt(process.versions.node, 10) < 24) throw new Error('The tests need the Node of this package: npm test');

/** Every test runs on both databases, but for those in the folders that say otherwise. `unit` and `last` have none of these. */
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    // Node runs the sources as it does in production: no transformation in between.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // A process keeps what it loaded: most files would take longer to load than to run.
    isolate: false,
    setupFiles: ['test/setup/each-file.ts'],
    // Many files wait, for clocks and processes, more than they work.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // The same each time that this process loads this file, which it does for every project.
    provide: { ran: join(tmpdir(), `rollcall-ran-${process.pid}-${Math.round(performance.timeOrigin)}`) },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'pglite',
          ...DATABASE_TESTS,
          exclude: ['test/unit/**', 'test/last/**', 'test/only-postgres/**'],
          provide: { databaseKind: 'pglite' },
        },
      },
      {
        extends: true,
        test: {
          name: 'postgres',
          ...DATABASE_TESTS,
          exclude: ['test/unit/**', 'test/last/**', 'test/only-pglite/**'],
          provide: { databaseKind: 'postgres' },
        },
      },
      // After all others: what they ran together.
      { extends: true, test: { name: 'last', include: ['test/last/**/*.test.ts'], sequence: { groupOrder: 1 } } },
    ],
  },
});
