import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from 'pino';
import { giveBack, isLong } from '../graphql/pace.ts';
import { type Answer, createEndpoint, type Endpoint } from './endpoint.ts';
import { GRAPHIQL } from './graphiql.ts';
import { currentRequestId } from './request-id.ts';
import { logRequest } from './request-log.ts';

/** Compressed: 9 MB of text become 2.4. */
interface Page {
  bytes: Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
}

const HOUR = 3600;
let page: Promise<Page> | undefined;

/** Whether a request is a browser's for a page, and not one for an operation's answer. */
export function asksForPage(method: string | undefined, accept: string | null | undefined): boolean {
  return method === 'GET' && (accept ?? '').includes('text/html');
}

/**
 * GraphiQL's page: made and compressed once, when the first browser asks, and sent to everybody as the same bytes.
 * Who refuses gzip gets it too: there is no browser that does, and another copy would wait for each who does not read.
 */
export function createGraphiqlPage(log: Logger): Endpoint {
  return createEndpoint(async ({ method, path, header }) => {
    page ??= makePage().catch((error: unknown) => {
      page = undefined;
      throw error;
    });
    const { bytes, headers } = await page;
    const kept = header('if-none-match').includes(headers['ETag'] as string);
    const answer: Answer = { status: kept ? 304 : 200, headers: { ...headers, 'X-Request-Id': currentRequestId() } };
    logRequest(log, 'request', { method, path, status: answer.status, viewer: null });
    if (kept) return answer;
    // Its bytes are copied to the kernel at a stretch, for everybody who asked in this turn.
    if (isLong()) await giveBack();
    const about = { 'Content-Type': 'text/html', 'Content-Encoding': 'gzip', 'Content-Length': String(bytes.length) };
    return { ...answer, headers: { ...answer.headers, ...about }, body: bytes };
  });
}

async function makePage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql'); // 9 MB
  const html = renderGraphiQL(GRAPHIQL).trim();
  const bytes = new Uint8Array(await promisify(gzip)(html));
  const tag = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return {
    bytes,
    headers: {
      ETag: `"${tag}"`,
      'Cache-Control': `public, max-age=${HOUR}`,
      Vary: 'Accept, Accept-Encoding',
      'Content-Security-Policy': policyOf(html),
      'Referrer-Policy': 'no-referrer',
    },
  };
}

/** Its one script, which makes its workers itself and adds styles; requests to this gateway; nothing of anybody else. */
function policyOf(html: string): string {
  const script = html.slice(html.indexOf('<script>') + '<script>'.length, html.lastIndexOf('</script>'));
  const hash = createHash('sha256').update(script).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'sha256-${hash}'`,
    'worker-src blob:',
    "style-src 'unsafe-inline'",
    'img-src data:',
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
