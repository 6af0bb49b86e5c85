import type { Logger } from 'pino';
import { createEndpoint, type Endpoint, plain } from './endpoint.ts';

/** Answers while the process runs. */
export function createHealth(): Endpoint {
  return createEndpoint(() => plain(200, 'ok'));
}

export interface ReadinessDeps {
  log: Logger;
  /** The migrations that the database lacks; throws when it does not answer. */
  pendingMigrations: () => Promise<readonly string[]>;
}

/** Ready: the database answers, and has what this checkout needs. */
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
