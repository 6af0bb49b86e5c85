import type { Logger } from 'pino';
import { createEndpoint, type Endpoint, plain } from './endpoint.ts';

/** Answers 200 as long as the process runs. */
export function createHealth(): Endpoint {
  return createEndpoint(() => plain(200, 'ok'));
}

export interface ReadinessDeps {
  log: Logger;
  /** The migrations that are not applied yet; throws if the database does not answer. */
  pendingMigrations: () => Promise<readonly string[]>;
}

/** Answers 200 if the database answers and is migrated, else 503. */
export function createReadiness({ log, pendingMigrations }: ReadinessDeps): Endpoint {
  return createEndpoint(async () => {
    try {
      const pending = await pendingMigrations();
      if (pending.length === 0) return plain(200, 'ready');
      log.warn({ pending }, 'not ready: migrations are not applied');
    } catch (error) {
      log.warn({ err: error }, 'not ready');
    }
    return plain(503, 'not ready');
  });
}
