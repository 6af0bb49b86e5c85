import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { connectHints, listenNotify, redisHints } from './changes/hints.ts';
import { pruneChanges } from './changes/log/retention.ts';
import type { Config } from './config.ts';
import type { Database } from './db/client.ts';
import { statement } from './db/sql.ts';
import { pruneRoutings } from './groups/routing/routed-messages.ts';
import { sweepDue } from './groups/write/due.ts';
import { pruneOutcomes } from './groups/write/idempotency.ts';
import { purgeGroup } from './groups/write/purge.ts';

export const SWEEP_EVERY = 1_000;
const PRUNE_EVERY = 10 * 60 * 1000;
const ANALYZE_EVERY = 5 * 60 * 1000;
const ANALYZE = statement({ name: 'analyze', parameters: [], columns: {}, text: 'analyze', only: 'pglite' });

type BackgroundConfig = Pick<Config, 'databaseUrl' | 'directDatabaseUrl' | 'hintsUrl' | 'changesRetention'>;

/** Starts a gateway's background work: hints, starts and expiries, pruning. Returns a function that stops it. */
export async function startBackground(db: Database, config: BackgroundConfig, log: Logger): Promise<() => Promise<void>> {
  const stopHints = await startHints(db, config, log);
  const stops = [
    every(SWEEP_EVERY, () => sweepDue(db), log, 'could not record starts and expiries'),
    every(PRUNE_EVERY, () => pruneOutcomes(db), log, 'could not prune idempotency keys'),
    every(PRUNE_EVERY, () => pruneRoutings(db), log, 'could not prune the ids of messages'),
    every(PRUNE_EVERY, () => pruneChanges(db, config.changesRetention, purgeGroup), log, 'could not prune change records'),
  ];
  // PostgreSQL does this by itself; without it the planner picks an index that reads a whole group for one member.
  if (db.kind === 'pglite') stops.push(every(ANALYZE_EVERY, () => db.query(ANALYZE), log, 'could not analyze the tables'));
  return async () => {
    await stopHints?.();
    await Promise.all(stops.map((stop) => stop()));
  };
}

/** The embedded database needs no hints: it has only this gateway. */
function startHints(db: Database, config: BackgroundConfig, log: Logger): Promise<() => Promise<void>> | undefined {
  const { databaseUrl, directDatabaseUrl, hintsUrl } = config;
  if (!databaseUrl || hintsUrl === 'off') return undefined;
  return hintsUrl
    ? connectHints(db, (hear) => redisHints(hintsUrl, hear, log, db.schema), log)
    : connectHints(db, (hear) => listenNotify(db, directDatabaseUrl ?? databaseUrl, hear, log), log);
}

/** Runs a task repeatedly, each time `ms` after its end. Returns a function that stops it and waits for a running task. */
function every(ms: number, task: () => Promise<unknown>, log: Logger, failure: string): () => Promise<void> {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await task().catch((error: unknown) => log.warn({ err: error }, failure));
      await sleep(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  })();
  return () => {
    stopping.abort();
    return running;
  };
}
