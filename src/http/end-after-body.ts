import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long a client may go on sending a body that was refused, in milliseconds. */
const LINGER = 10_000;

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

/** Closes the connection after its answer, which is not sent yet, and after what the client still sends. */
export function closeAfter(req: IncomingMessage, res: ServerResponse): void {
  res.setHeader('Connection', 'close');
  const end = res.end.bind(res);
  res.end = () => {
    res.end = end;
    endAfterBody(req, res);
    return res;
  };
}
