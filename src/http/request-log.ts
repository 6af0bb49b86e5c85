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

/** Logs a request that is being answered: never its query or body. */
export function logRequest(log: Logger, kind: 'request' | 'op', { viewer, ...answered }: Answered, more: object = {}): void {
  log.info({ requestId: currentRequestId(), ...answered, ms: currentRequestMs(), app: viewer?.appName, ...more }, kind);
}
