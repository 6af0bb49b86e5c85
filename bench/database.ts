import { randomBytes } from 'node:crypto';
import type { Database } from '../src/db/client.ts';
import { openPostgres } from '../src/db/postgres.ts';
import { databaseUrl, startServer, withClient } from '../test/setup/databases.ts';

export interface BenchDatabase extends AsyncDisposable {
  db: Database;
  /** For a gateway in a process of its own. */
  url: string;
}

/** A new database on the PostgreSQL of DATABASE_URL, or on one that is started for it and goes with it. */
export async function openBenchDatabase(): Promise<BenchDatabase> {
  const given = process.env['DATABASE_URL'];
  const server = given ? undefined : await startServer();
  const root = given ?? server?.url ?? '';
  const name = `rollcall_bench_${randomBytes(5).toString('hex')}`;
  const url = databaseUrl(root, name);
  await withClient(root, (client) => client.query(`create database ${name}`));
  const db = openPostgres({ url, poolSize: 4, statementTimeout: 600_000, transactionTimeout: 600_000 });
  await db.migrate();
  return {
    db,
    url,
    async [Symbol.asyncDispose]() {
      await db.close();
      if (server) await server.stop();
      else await withClient(root, async (client) => void (await client.query(`drop database ${name} with (force)`)));
    },
  };
}
