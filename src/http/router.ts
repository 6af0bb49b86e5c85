import { createEndpoint, type Endpoint, plain } from './endpoint.ts';
import { withRequestId } from './request-id.ts';
import type { Strangers } from './strangers.ts';

export interface Endpoints {
  health: Endpoint;
  readiness: Endpoint;
  /** undefined: switched off. */
  ops: Endpoint | undefined;
  graphql: Endpoint;
  notFound: Endpoint;
}

const ROUTES: ReadonlyMap<string, keyof Endpoints> = new Map([
  ['/graphql', 'graphql'],
  ['/healthz', 'health'],
  ['/readyz', 'readiness'],
  ['/backend', 'ops'],
  ['/backend/', 'ops'],
  ['/api.php', 'ops'],
]);

/** No browser is to take an answer for anything but what its type says. */
const NOSNIFF = ['X-Content-Type-Options', 'nosniff'] as const;

/** Yoga makes a URL of them, and answers with a stack trace when it cannot. */
const MALFORMED = createEndpoint(() => plain(400, 'The URL or the Host header is malformed'));

/** Of an address that a proxy passes on: of one that connects itself, the connection is refused. */
const TOO_MANY = createEndpoint(() => {
  const { headers, ...answer } = plain(429, 'Too many requests without a valid token from this address');
  return { ...answer, headers: { ...headers, 'Retry-After': '10' } };
});

/** Has each request handled under its id, by the endpoint of its path, which has to be exact. */
export function createRouter(endpoints: Endpoints, strangers: Strangers): Endpoint {
  const at = (path: string) => endpoints[ROUTES.get(path) ?? 'notFound'] ?? endpoints.notFound;
  return {
    listener(req, res) {
      const url = req.url ?? '';
      const wellFormed = URL.canParse(`http://${req.headers.host || 'gateway'}${url}`);
      const few = strangers.requested(req, (leave) => res.once('close', leave));
      const endpoint = !wellFormed ? MALFORMED : few ? at(url.split('?', 1)[0] as string) : TOO_MANY;
      res.setHeader(...NOSNIFF);
      withRequestId(req.headers['x-request-id']?.toString(), () => endpoint.listener(req, res));
    },
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const response = await withRequestId(request.headers.get('x-request-id'), () => at(pathname).fetch(request));
      response.headers.set(...NOSNIFF);
      return response;
    },
  };
}
