import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite, type PGliteOptions, type Transaction } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import type { Database, DatabaseOptions } from './client.ts';
import { HintBus } from './hint-bus.ts';
import { migrate } from './migrate.ts';
import { observed } from './observe.ts';
import { openRecords, recordKeeping } from './records.ts';
import { sessionScript } from './session.ts';
import { INT8, parseInt8 } from './sql.ts';
import { KeyedQueue, MAX_WAITING_WRITERS, OpenTx, withRetries } from './transaction.ts';

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
  const hints = new HintBus();
  const attempt = <T>(body: (tx: OpenTx) => Promise<T>): Promise<T> =>
    pglite.transaction((tx) => body(new OpenTx(hints, run(tx), transactionTimeout)));
  const queue = new KeyedQueue(MAX_WAITING_WRITERS);
  const transaction: Database['transaction'] = (body) => withRetries(attempt, body);
  const query = run(pglite);
  const prisma = openRecords(new PrismaPGlite(pglite), transactionTimeout, observe);
  return {
    kind: 'pglite',
    schema: 'public',
    hints,
    ...recordKeeping(prisma, hints, observe),
    query,
    transaction,
    exclusive: (key, body) => queue.run(key, () => transaction(body)),
    migrate: (migrations) => migrate({ query }, (statements) => pglite.exec(statements), migrations),
    async close() {
      await prisma.$disconnect();
      await pglite.close();
    },
  };
}
