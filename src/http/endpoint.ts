import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { endAfterBody, readBody } from './body.ts';

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
  /** The whole body, to be read once; null for one of more than `limit` bytes. */
  readBody: (limit: number) => Promise<Buffer | null>;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  text?: string;
}

export type Answerer = (request: Incoming) => Answer | Promise<Answer>;

/** @param linger how long a client may continue to send a body that was refused, in milliseconds; body.ts has the default */
export function createEndpoint(answerTo: Answerer, linger?: number): Endpoint {
  return {
    listener: (req, res) => void handle(answerTo, req, res, linger),
    async fetch(request) {
      const { pathname: path, search } = new URL(request.url);
      const { method, headers: sent, body } = request;
      const { status, headers, text } = await answerTo({
        method,
        path,
        query: search.slice(1),
        contentType: sent.get('content-type') ?? '',
        readBody: async (limit) => (body ? readBody(body, sent.get('content-length'), limit) : Buffer.alloc(0)),
      });
      return new Response(method === 'HEAD' ? null : text, { status, headers });
    },
  };
}

async function handle(answerTo: Answerer, req: IncomingMessage, res: ServerResponse, linger?: number): Promise<void> {
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
      readBody: (limit) => {
        reads = true;
        // Keeps the connection open for the answer when a body is too long.
        return readBody(req.iterator({ destroyOnReturn: false }), headers['content-length'], limit);
      },
    });
  } catch (error) {
    if (req.destroyed && !req.complete) return; // the client is gone
    throw error;
  }
  send(res, reads && !req.complete ? { ...answer, headers: { ...answer.headers, Connection: 'close' } } : answer);
  if (reads) endAfterBody(req, res, linger);
  else res.end();
}

function splitUrl(url: string): [path: string, query: string] {
  const from = url.indexOf('?');
  return from < 0 ? [url, ''] : [url.slice(0, from), url.slice(from + 1)];
}

/** Sends an answer, but does not end it. */
export function send(res: ServerResponse, { status, headers, text }: Answer): void {
  res.writeHead(status, headers);
  if (text !== undefined) res.write(text);
}

/** An answer in plain text. */
export function plain(status: number, text: string): Answer {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }, text: `${text}\n` };
}
