import type { Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { currentRequestId, currentRequestMs } from '../request-id.ts';
import { requestState } from './authentication.ts';

/** Logs each request, never its query string or body, and gives its answer the id as X-Request-Id. */
export function useLogging(log: Logger): Plugin {
  return {
    onResponse({ request, response }) {
      const requestId = currentRequestId();
      response.headers.set('X-Request-Id', requestId);
      const ms = currentRequestMs();
      const { viewer } = requestState(request);
      const { method } = request;
      log.info({ requestId, method, path: pathOf(request.url), status: response.status, ms, app: viewer?.appName }, 'request');
    },
  };
}

function pathOf(url: string): string {
  const from = url.indexOf('/', url.indexOf('//') + 2);
  const end = url.search(/[?#]/);
  return from < 0 ? '/' : url.slice(from, end < 0 ? undefined : end);
}
