import type { Logger } from 'pino';
import type { Viewer } from '../access/viewer.ts';
import { currentRequestId, currentRequestMs } from './request-id.ts';

export interface Answered {
  method: string;
  /** Without the query, which may hold a token. */
  path: string;
  status: number;
  viewer: Viewer | null | undefined;
}

const REFUSED_EVERY = 1_000; // milliseconds

/** How many of those that are nobody's were refused since the last line about one. */
const refused = new WeakMap<Logger, number>();

/**
 * Logs a request that is being answered: never its query or body. Of those that are refused and of no known token a second
 * has one line, and one with the number of the others.
 */
export function logRequest(
  log: Logger,
  kind: 'request' | 'op',
  { viewer, ...answered }: Answered,
  more: { op?: string; error?: string } = {},
): void {
  if (!viewer && (answered.status >= 400 || more.error)) {
    const others = refused.get(log);
    refused.set(log, (others ?? -1) + 1);
    if (others !== undefined) return;
    setTimeout(() => {
      const count = refused.get(log) ?? 0;
      refused.delete(log);
      if (count > 0) log.info({ count }, 'more requests without a valid token were refused');
    }, REFUSED_EVERY).unref();
  }
  log.info({ requestId: currentRequestId(), ...answered, ms: currentRequestMs(), app: viewer?.appName, ...more }, kind);
}
