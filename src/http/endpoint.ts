import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Bodies } from './bodies.ts';
import { endAfterBody } from './end-after-body.ts';
import type { Strangers } from './strangers.ts';

/** Answers requests of node:http and of fetch. */
export interface Endpoint {
  listener: RequestListener;
  fetch(request: Request): Promise<Response>;
}

/** A request of node:http or fetch. */
export interface Incoming {
  method: string;
  path: string;
  /** What comes after the `?`, still encoded. */
  query: string;
  contentType: string;
  /** The value of another header, whose name is in lower case; '' without. */
  header(name: string): string;
  /** The whole body, to be read once, as the body of nobody known; throws what `Bodies` throws. */
  readBody: (bodies: Bodies, limit: number) => Promise<Buffer>;
  /** Whose it is; undefined where nothing is counted by it. */
  address?: string;
  /** Aborted when the client leaves before it has its answer. */
  signal: AbortSignal;
}

export interface Answer {
  /** Whether the request has shown a valid token. */
  known?: boolean;
  status: number;
  headers: Record<string, string>;
  /** Bytes are sent as they are, never copied. */
  body?: string | Uint8Array<ArrayBuffer>;
}

export type Answerer = (request: Incoming) => Answer | Promise<Answer>;

export interface EndpointOptions {
  /** How long a client may go on sending a body that was refused, in milliseconds; end-after-body.ts has the default. */
  linger?: number;
  /** Knows whose a request is, and is told of one with a valid token. */
  strangers?: Pick<Strangers, 'addressOf' | 'known'>;
}

export function createEndpoint(answerTo: Answerer, options: EndpointOptions = {}): Endpoint {
  return {
    listener: (req, res) => void handle(answerTo, req, res, options),
    async fetch(request) {
      const { pathname: path, search } = new URL(request.url);
      const { method, headers: sent, body } = request;
      const {
        status,
        headers,
        body: answer,
      } = await answerTo({
        method,
        path,
        query: search.slice(1),
        contentType: sent.get('content-type') ?? '',
        signal: request.signal,
        header: (name) => sent.get(name) ?? '',
        readBody: async (bodies, limit) =>
          body ? bodies.read(body, { limit, contentLength: sent.get('content-length'), token: undefined }) : Buffer.alloc(0),
      });
      return new Response(method === 'HEAD' ? null : answer, { status, headers });
    },
  };
}

async function handle(
  answerTo: Answerer,
  req: IncomingMessage,
  res: ServerResponse,
  { linger, strangers }: EndpointOptions,
): Promise<void> {
  const { method = '', headers } = req;
  const [path, query] = splitUrl(req.url ?? '');
  let reads = false;
  let answer: Answer;
  try {
    answer = await answerTo({
      method,
      path,
      query,
      contentType: headers['content-type'] ?? '',
      signal: leaving(res),
      header: (name) => String(headers[name] ?? ''),
      readBody: (bodies, limit) => {
        reads = true;
        return bodies.read(bodyOf(req), { limit, contentLength: headers['content-length'], token: undefined });
      },
      address: strangers?.addressOf(req),
    });
  } catch (error) {
    if (req.destroyed && !req.complete) return; // the client is gone
    throw error;
  }
  if (answer.known) strangers?.known(req);
  send(res, reads && !req.complete ? { ...answer, headers: { ...answer.headers, Connection: 'close' } } : answer);
  if (reads) endAfterBody(req, res, linger);
  else res.end();
}

/** Aborted when the connection closes before the answer is sent. */
function leaving(res: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const leave = () => controller.abort();
  res.once('close', leave).once('finish', () => res.off('close', leave));
  return controller.signal;
}

/** The connection is still needed when a body is not read to its end. */
export function bodyOf(req: IncomingMessage): AsyncIterable<Uint8Array> {
  return req.iterator({ destroyOnReturn: false });
}

function splitUrl(url: string): [path: string, query: string] {
  const from = url.indexOf('?');
  return from < 0 ? [url, ''] : [url.slice(0, from), url.slice(from + 1)];
}

/** Sends an answer, but does not end it. */
export function send(res: ServerResponse, { status, headers, body }: Answer): void {
  res.writeHead(status, headers);
  if (body !== undefined) res.write(body);
}

/** An answer in plain text. */
export function plain(status: number, text: string): Answer {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }, body: `${text}\n` };
}
