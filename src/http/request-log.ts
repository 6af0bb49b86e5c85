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

const WINDOW = 1_000; // milliseconds
/** How many lines a window has of wrong tokens, 401s and 429s; and of other requests that are refused and of no known token. */
const LINES = { 401: 1, other: 100 };

interface Refused {
  401: number;
  other: number;
  untold: number;
}

const refused = new WeakMap<Logger, Refused>();

/**
 * Logs a request that is being answered: never its query or body. What nobody known is refused has a few lines a second, and
 * one with the number of the others.
 */
export function logRequest(
  log: Logger,
  kind: 'request' | 'op',
  { viewer, ...answered }: Answered,
  more: { op?: string; error?: string } = {},
): void {
  const { status } = answered;
  if (!viewer && (status >= 400 || more.error) && !hasLine(log, status === 401 || status === 429 ? 401 : 'other')) return;
  log.info({ requestId: currentRequestId(), ...answered, ms: currentRequestMs(), app: viewer?.appName, ...more }, kind);
}

function hasLine(log: Logger, kind: keyof typeof LINES): boolean {
  const counts = refused.get(log) ?? { 401: 0, other: 0, untold: 0 };
  if (!refused.has(log)) {
    refused.set(log, counts);
    setTimeout(() => {
      refused.delete(log);
      if (counts.untold > 0) log.info({ count: counts.untold }, 'more requests without a valid token were refused');
    }, WINDOW).unref();
  }
  if (++counts[kind] <= LINES[kind]) return true;
  counts.untold++;
  return false;
}
