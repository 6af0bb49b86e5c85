import type { IncomingMessage, ServerResponse } from 'node:http';
import { OpError } from '../ops/codes.ts';

/** How long a client may go on sending a body that was refused, in milliseconds. */
const LINGER = 10_000;

/**
 * The whole body.
 * @throws OpError TOOLARGE: before anything is read when the announced length is over `limit` bytes, else as soon as it is;
 * any other error: the client went away
 */
export function readBody(req: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = () => reject(new OpError('TOOLARGE'));
    if (Number(req.headers['content-length'] ?? 0) > limit) return tooLarge();
    let chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= limit) return;
      chunks = [];
      req.off('data', take);
      tooLarge();
    };
    req.on('data', take);
    req.once('end', () => resolve(Buffer.concat(chunks)));
    req.once('error', reject);
    req.once('close', () => reject(new Error('The client went away')));
  });
}

/**
 * Ends an answer whose bytes are written. What the client still sends is thrown away for a while first: a connection that
 * is closed on unread bytes is reset, and most clients would never see the answer.
 */
export function endAfterBody(req: IncomingMessage, res: ServerResponse, linger = LINGER): void {
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
  req.resume();
}
