import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a client may continue to send a body that was refused, in milliseconds. */
const LINGER = 10_000;

/** Whether a Content-Length is more than `limit` bytes. node:http delivers no more bytes than that; without one, count them. */
export function announcesMore(contentLength: string | null | undefined, limit: number): boolean {
  return Number(contentLength) > limit;
}

/**
 * The whole body, or null for one of more than `limit` bytes: before reading if the Content-Length says so, else as soon as too
 * many bytes arrived.
 * @throws when the client disconnects
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
 * Ends an answer whose bytes are written. For a while it first discards what the client still sends: closing a connection with
 * unread bytes resets it, and most clients would never see the answer.
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
