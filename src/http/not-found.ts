import type { Logger } from 'pino';
import { createEndpoint, type Endpoint } from './endpoint.ts';
import { currentRequestId } from './request-id.ts';
import { logRequest } from './request-log.ts';

/** Answers on paths where nothing is. */
export function createNotFound(log: Logger): Endpoint {
  return createEndpoint(({ method, path }) => {
    logRequest(log, 'request', { method, path, status: 404, viewer: undefined });
    return { status: 404, headers: { 'Content-Length': '0', 'X-Request-Id': currentRequestId() } };
  });
}
