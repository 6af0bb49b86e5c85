import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a client may go on sending a body that was refused, in milliseconds. */
const LINGER = 10_000;

/** Whether a Content-Length is of more than `limit` bytes. No more than that ever comes; without one, bytes have to be counted. */
export function announcesMore(contentLength: string | null | undefined, limit: number): boolean {
  return Number(contentLength) > limit;
}

/**
 * The whole body, or null for one of more than `limit` bytes: before anything is read when so many are announced, else as soon
 * as they came.
 * @throws when the client goes away
 */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  contentLength: string | null | undefined,
  limit: number,
): Promise<Buffer | null> {
  if (announcesMore(contentLength, limit)) return null;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Ends an answer whose bytes are written. What the client still sends is thrown away for a while first: a connection that
 * is closed on unread bytes is reset, and most clients would never see the answer.
 */
export function endAfterBody(req: IncomingMessage, res: ServerResponse, linger = LINGER): void {
  req.resume();
  if (req.complete) {
    res.end();
    return;
  }
  const end = () => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(end, linger);
  req.once('end', end);
  req.once('close', end);
}
