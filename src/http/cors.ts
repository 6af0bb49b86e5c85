const LOOPBACK = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** What a page of another origin may read of an answer besides its body. */
export const EXPOSED_HEADERS = 'X-Request-Id, RateLimit, RateLimit-Policy, Retry-After';

/** Whether a browser page of another origin may call the gateway; without a list, pages from this machine. */
export function isAllowedOrigin(origin: string, allowedOrigins: readonly string[] | undefined): boolean {
  return allowedOrigins ? allowedOrigins.includes(origin) : LOOPBACK.test(origin);
}

/** The headers of the answer to a preflight, except the origin. Browsers cache it for an hour. */
export function preflightHeaders(methods: string, headers: string): Record<string, string> {
  return {
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': headers,
    'Access-Control-Max-Age': '3600',
  };
}
