import type { Endpoint } from './endpoint.ts';
import { withRequestId } from './request-id.ts';

export interface Endpoints {
  health: Endpoint;
  readiness: Endpoint;
  /** undefined: switched off. */
  ops: Endpoint | undefined;
  graphql: Endpoint;
}

const ROUTES: ReadonlyMap<string, keyof Endpoints> = new Map([
  ['/healthz', 'health'],
  ['/readyz', 'readiness'],
  ['/backend', 'ops'],
  ['/backend/', 'ops'],
  ['/api.php', 'ops'],
]);

/** Passes each request, under its id, to the endpoint of its path. All other paths are GraphQL's, which answers 404 if unknown. */
export function createRouter(endpoints: Endpoints): Endpoint {
  const at = (path: string) => endpoints[ROUTES.get(path) ?? 'graphql'] ?? endpoints.graphql;
  return {
    listener(req, res) {
      const path = req.url?.split('?', 1)[0] ?? '';
      withRequestId(req.headers['x-request-id']?.toString(), () => at(path).listener(req, res));
    },
    async fetch(request) {
      const { pathname } = new URL(request.url);
      return withRequestId(request.headers.get('x-request-id'), () => at(pathname).fetch(request));
    },
  };
}
