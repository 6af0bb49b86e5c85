import type { Plugin } from 'graphql-yoga';
import { EXPOSED_HEADERS, isAllowedOrigin, preflightHeaders } from '../cors.ts';

const PREFLIGHT = preflightHeaders('GET, POST', 'Authorization, Content-Type, Last-Event-ID, X-Request-Id, X-Rollcall-Cost');

/**
 * Lets browser pages of the allowed origins call the gateway; without a list, pages from this machine. Tokens travel in a
 * header, so credentials are never allowed. A page of the gateway's own origin needs none of this.
 */
export function useCors(allowedOrigins: readonly string[] | undefined): Plugin {
  const allowed = (origin: string) => isAllowedOrigin(origin, allowedOrigins);
  return {
    onRequest({ request, fetchAPI, endResponse }) {
      const origin = request.headers.get('origin');
      if (request.method !== 'OPTIONS' || !origin || !request.headers.has('access-control-request-method')) return;
      const headers = allowed(origin) ? PREFLIGHT : undefined;
      endResponse(new fetchAPI.Response(null, { status: 204, headers }));
    },
    onResponse({ request, response }) {
      const origin = request.headers.get('origin');
      response.headers.append('Vary', 'Origin');
      if (!origin || !allowed(origin)) return;
      response.headers.set('Access-Control-Allow-Origin', origin);
      response.headers.set('Access-Control-Expose-Headers', EXPOSED_HEADERS);
    },
  };
}
