import type { GraphQLError } from 'graphql';
import type { Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { withRequestId } from './request-id.ts';

/**
 * How often a client is pinged, in milliseconds. Who has neither answered nor read by the next ping is cut, so the dead are
 * found within two of them. Who was only stalled comes back with its cursor.
 */
const PING_EVERY = 12_000;
const BAD_REQUEST = 4400;
const INTERNAL_ERROR = 4500;
/** In bytes, by the protocol of WebSockets. The longer ones repeat what the client sent. */
const MAX_REASON = 123;
/** What graphql-ws throws for a message that only servers send: the client's mistake. */
const UNEXPECTED = /^Unexpected message of type /;

export interface JoinOptions {
  mask: (error: unknown) => GraphQLError;
  /** How many bytes may wait for a client before nothing is read of it: it would only make more of them. */
  clientBacklog: number;
}

/**
 * Joins a socket to the protocol, which hears of messages and sends its own one by one as the client reads them. Each message
 * is handled under an id of its own, and so is the operation that it begins.
 */
export function joinSocket<Extra extends { socket: WebSocket }>(
  { opened }: Server<Extra>,
  extra: Extra,
  { mask, clientBacklog }: JoinOptions,
): void {
  const { socket } = extra;
  let alive = true;

  /** Never over for who is gone: nothing more is asked of the streams, which end with the socket. */
  const send = (way: (written: (error?: Error | null) => void) => void) =>
    new Promise<void>((resolve) => {
      let waits = false;
      way((error) => {
        if (error) return;
        if (waits) alive = true; // there was no room, and the client made some
        if (socket.isPaused && socket.bufferedAmount <= clientBacklog) socket.resume();
        resolve();
      });
      waits = socket.bufferedAmount > 0;
      if (socket.bufferedAmount > clientBacklog) socket.pause();
    });

  const closed = opened(
    {
      protocol: socket.protocol,
      send: (data) => send((written) => socket.send(data, written)),
      close: (code, reason) => socket.close(code, Buffer.byteLength(reason ?? '') > MAX_REASON ? '' : reason),
      onMessage: (handle) =>
        socket.on('message', (data) => {
          if (socket.readyState !== socket.OPEN) return;
          void withRequestId(null, async () => {
            try {
              await handle(String(data));
            } catch (error) {
              if (error instanceof Error && UNEXPECTED.test(error.message))
                return socket.close(BAD_REQUEST, 'Unexpected message');
              mask(error);
              return socket.close(INTERNAL_ERROR, 'Internal server error');
            }
          });
        }),
    },
    extra,
  );
  const pings = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, PING_EVERY);
  socket.on('ping', (data) => void send((written) => socket.pong(data, false, written)));
  socket.on('pong', () => {
    alive = true;
  });
  socket.once('close', (code, reason) => {
    clearInterval(pings);
    closed(code, String(reason)).catch(mask);
  });
}
