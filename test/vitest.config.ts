import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestUserConfig } from 'vitest/config';
import { LongestFirst } from './setup/longest-first.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * What runs on one database, for what it tests is the same code with either. PostgreSQL: it needs less of the processor.
 * Not here belongs what depends on SQL, on transactions, or on what a driver says.
 */
const ONE_DATABASE = [
  // HTTP, its limits, and the pages.
  'test/server/{access,bad-requests,body-limit,cors,upgrades}.test.ts',
  'test/{graphiql,http-audit}.test.ts',
  // What is refused before anything is asked of a database, and by the schema alone.
  'test/{document-limits,limits,schema-walk,variable-paths}.test.ts',
  // How the op endpoint takes and answers; what its operations do is in equivalence, round-trip and users.
  'test/ops/{errors,fuzz,quirks,styles,transport}.test.ts',
  // What comes over sockets of all that can be generated.
  'test/fuzz/fuzz.test.ts',
  // How WebSocket and server-sent events carry streams.
  'test/watching/{sockets,transports}.test.ts',
  // How much a token may send, and when it is its turn.
  'test/server/{rates,shared-rates,concurrency,shedding}.test.ts',
  // Programs and pages that speak to a gateway.
  'test/{examples,examples-decisions,readme,watch-example}.test.ts',
  'test/ops/examples.test.ts',
  // Who may do what: rules that are applied to rows after they were read.
  'test/{rights,rights-property}.test.ts',
];
const lost = ONE_DATABASE.filter((pattern) => globSync(pattern, { cwd: ROOT }).length === 0);
if (lost.length > 0) throw new Error(`No test file is ${lost.join(' or ')}`);

const DATABASE_TESTS: TestUserConfig = {
  include: ['test/**/*.test.ts'],
  globalSetup: ['test/setup/databases.ts'],
};

if (Number.parseInt(process.versions.node, 10) < 24) throw new Error('The tests need the Node of this package: npm test');

/**
 * Every test runs on both databases, but for the list above and for the folders that say otherwise. `unit` and `last` have
 * none of these.
 */
export default defineConfig({
  root: ROOT,
  test: {
    // Node runs the sources as it does in production: no transformation in between.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // A process keeps what it loaded: most files would take longer to load than to run.
    isolate: false,
    sequence: { sequencer: LongestFirst },
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
          exclude: ['test/unit/**', 'test/last/**', 'test/only-postgres/**', ...ONE_DATABASE],
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
