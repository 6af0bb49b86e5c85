import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite, type PGliteOptions, type Transaction } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { bind, type Driver } from './bind.ts';
import type { Database, DatabaseOptions } from './client.ts';
import { HintBus } from './hint-bus.ts';
import { migrate } from './migrate.ts';
import { observed } from './observe.ts';
import { openRecords } from './records.ts';
import { sessionScript } from './session.ts';
import { INT8, parseInt8 } from './sql.ts';
import { OpenTx } from './transaction.ts';

export interface EmbeddedOptions extends DatabaseOptions {
  /** A folder of the gateway's own, or a PGlite made elsewhere. */
  data: string | PGlite;
}

export const PGLITE_OPTIONS: PGliteOptions = { extensions: { pg_trgm } };

/** PGlite, PostgreSQL in this process, with one connection for all. The caller holds the lock on the folder. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Database> {
  const { data, transactionTimeout, observe } = options;
  if (typeof data === 'string') await mkdir(data, { recursive: true, mode: 0o700 });
  const pglite = typeof data === 'string' ? await PGlite.create(join(data, 'pglite'), PGLITE_OPTIONS) : data;
  await pglite.exec(sessionScript('public'));
  const run = (client: PGlite | Transaction) =>
    observed(observe, async ({ text }, values) => {
      const { rows } = await client.query(text, [...values], { parsers: { [INT8]: parseInt8 } });
      return rows;
    });
  const query = run(pglite);
  const hints = new HintBus();
  const driver: Driver = {
    kind: 'pglite',
    schema: 'public',
    hints,
    prisma: openRecords(new PrismaPGlite(pglite), transactionTimeout, observe),
    observe,
    places: 1,
    // What runs cannot be cancelled: it has this process.
    query: () => query,
    attempt: (operation) => (body) =>
      pglite.transaction(async (tx) => {
        const result = await body(new OpenTx(hints, run(tx), { timeout: transactionTimeout, operation }));
        operation.check();
        return result;
      }),
    migrate: (migrations) => migrate({ query }, (statements) => pglite.exec(statements), migrations),
    async close() {
      await driver.prisma.$disconnect();
      await pglite.close();
    },
  };
  return bind(driver, options);
}
