import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { requestState } from './authentication.ts';

const requests = new AsyncLocalStorage<{ id: string; begun: number }>();

/** Runs the handling of a request under its id: the caller's, when it has a decent form, or a new one. */
export function withRequestId<T>(given: string | null | undefined, handle: () => T): T {
  const id = given && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
  return requests.run({ id, begun: performance.now() }, handle);
}

/** The id of the request that is being handled. */
export function currentRequestId(): string {
  return requests.getStore()?.id ?? '';
}

/** Logs each request, never its query string or body, and gives its answer the id as X-Request-Id. */
export function useLogging(log: Logger): Plugin {
  return {
    onResponse({ request, response }) {
      const { id: requestId, begun } = requests.getStore() ?? { id: '', begun: 0 };
      response.headers.set('X-Request-Id', requestId);
      const ms = Math.round((performance.now() - begun) * 10) / 10;
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
