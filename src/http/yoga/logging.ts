import type { Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { currentRequestId } from '../request-id.ts';
import { logRequest } from '../request-log.ts';
import { requestState } from './authentication.ts';

/** Logs each request, and gives its answer the id as X-Request-Id. */
export function useLogging(log: Logger): Plugin {
  return {
    onResponse({ request, response }) {
      response.headers.set('X-Request-Id', currentRequestId());
      const { viewer } = requestState(request);
      logRequest(log, 'request', { method: request.method, path: pathOf(request.url), status: response.status, viewer });
    },
  };
}

function pathOf(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2);
  const end = url.search(/[?#]/);
  return from < 0 ? '/' : url.slice(from, end < 0 ? undefined : end);
}
