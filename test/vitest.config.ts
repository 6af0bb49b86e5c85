import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './setup/longest-first.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * What runs on both databases, because what it tests depends on the database: on SQL (orders, collations, keysets, joins, sets,
 * batches), on transactions and locks, on the database's clock, or on what a driver makes of values and errors.
 *
 * Everything else runs on PostgreSQL alone, which needs less of the processor: what is refused before a statement runs, rules
 * that are applied to rows after they were read, the shape of answers, transports, limits, and how many statements something
 * takes. So a new file runs there. If it has a statement, or a form of one, that runs nowhere on PGlite, `test/last` names it:
 * then the file belongs here, or what needs the statement does in one that is (`test/statement-forms.test.ts`).
 */
const BOTH_DATABASES = [
  // Orders, filters, pages and their cursors; what statements decide that have the rules in them.
  'test/{lists-groups,lists-groups-filter,lists-members,reads,reads-access,history}.test.ts',
  'test/{statement-forms,allowed,decisions,decisions-generated,permissions,routing,routing-turns,turns-generated}.test.ts',
  // Writes whole: every operation by both endpoints, generated ones; batches; every plain setting; what a group leaves.
  'test/{group-edit-bulk,plain-settings,group-del,recorded-types}.test.ts',
  'test/ops/{equivalence,round-trip}.test.ts',
  // Transactions, retries, what waits for what.
  'test/{idempotency,idempotency-keys,lost-answer,routing-retries,transactions}.test.ts',
  // Constraints, migrations, the schema.
  'test/{constraints,migrations}.test.ts',
  // Prisma's adapters: apps, tokens, users; the two ways of `npm run app`.
  'test/{accounts,app-process,apps,tokens,users}.test.ts',
  // Arrays of bytes, as tokens that are looked up together.
  'test/server/wrong-tokens.test.ts',
  // The database's clock.
  'test/{group-set-validity,routing-activity}.test.ts',
  'test/watching/{clock,expiry,permission-changes}.test.ts',
  // The log's order, its end, and snapshots beside writers, where one database has one connection for all.
  'test/watching/{big-snapshot,history-lost,memberships,membership-watchers,pruned-meanwhile,snapshot-entries}.test.ts',
  'test/watching/watchers-generated.test.ts',
  'test/watching/promise-{01-records,02-order,04-snapshot,05-read-your-writes,07-too-old}.test.ts',
  'test/ops/watching.test.ts',
];
const lost = BOTH_DATABASES.filter((pattern) => globSync(pattern, { cwd: ROOT }).length === 0);
if (lost.length > 0) throw new Error(`No test file is ${lost.join(' or ')}`);

if (Number.parseInt(process.versions.node, 10) < 24) throw new Error('The tests need the Node of this package: npm test');

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
          include: [...BOTH_DATABASES, 'test/only-pglite/**/*.test.ts'],
          globalSetup: ['test/setup/databases.ts'],
          provide: { databaseKind: 'pglite' },
        },
      },
      {
        extends: true,
        test: {
          name: 'postgres',
          include: ['test/**/*.test.ts'],
          exclude: ['test/unit/**', 'test/last/**', 'test/only-pglite/**'],
          globalSetup: ['test/setup/databases.ts'],
          provide: { databaseKind: 'postgres' },
        },
      },
      // After all others: what they ran together.
      { extends: true, test: { name: 'last', include: ['test/last/**/*.test.ts'], sequence: { groupOrder: 1 } } },
    ],
  },
});
