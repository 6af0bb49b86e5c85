import type { GraphQLError } from 'graphql';
import type { Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { withRequestId } from './request-id.ts';
import { turnToParse } from './turn-to-parse.ts';

/**
 * How often a client is pinged, in milliseconds. A client that has neither answered nor read by the next ping is cut off, so dead
 * ones are found within two pings. One that was only stalled reconnects with its cursor.
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
  /** How many bytes may wait for a client before the gateway stops reading from it: its requests would only add more. */
  clientBacklog: number;
  /** How often the client is pinged, in milliseconds; default 12,000. */
  pingInterval?: number;
  /** Told of each message before it is handled. */
  heard?: (message: string) => void;
}

type Send = (way: (written: (error?: Error | null) => void) => void) => Promise<void>;

/**
 * Sends messages, each resolving when the client has taken it. Never resolves for a client that is gone: nothing more is read
 * from its streams, which end with the socket.
 * @param onRead called when the buffer was full and the client has read from it
 */
function senderTo(socket: WebSocket, clientBacklog: number, onRead: () => void): Send {
  return (way) =>
    new Promise((resolve) => {
      let waits = false;
      way((error) => {
        if (error) return;
        if (waits) onRead();
        if (socket.isPaused && socket.bufferedAmount <= clientBacklog) socket.resume();
        resolve();
      });
      waits = socket.bufferedAmount > 0;
      if (socket.bufferedAmount > clientBacklog) socket.pause();
    });
}

/**
 * Has messages handled in their order; a long one, and those behind it, when it is its turn to be parsed. Meanwhile nothing more
 * is read.
 */
function inOrder(socket: WebSocket, clientBacklog: number): (message: string, handle: (message: string) => void) => void {
  let before: Promise<void> | undefined;
  return (message, handle) => {
    const turn = before ? before.then(() => turnToParse(message)) : turnToParse(message);
    if (!turn) return handle(message);
    socket.pause();
    const handled = turn.then(() => {
      handle(message);
      if (before !== handled) return;
      before = undefined;
      if (socket.bufferedAmount <= clientBacklog) socket.resume();
    });
    before = handled;
  };
}

/** Pings a client until its socket is closed. Returns a function to be called when the client shows that it is alive. */
function startPings(socket: WebSocket, every: number): () => void {
  let alive = true;
  const pings = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, every);
  socket.once('close', () => clearInterval(pings));
  return () => {
    alive = true;
  };
}

/**
 * Connects a socket to the protocol, which gets the client's messages and sends its own one by one as the client reads them.
 * Each message, and the operation that it begins, is handled under a request id of its own.
 */
export function joinSocket<Extra extends { socket: WebSocket }>(
  { opened }: Server<Extra>,
  extra: Extra,
  { mask, clientBacklog, pingInterval = PING_EVERY, heard = () => {} }: JoinOptions,
): void {
  const { socket } = extra;
  const markAlive = startPings(socket, pingInterval);
  const send = senderTo(socket, clientBacklog, markAlive);
  const receive = async (handle: (message: string) => Promise<void>, message: string) => {
    try {
      heard(message);
      await handle(message);
    } catch (error) {
      if (error instanceof Error && UNEXPECTED.test(error.message)) return socket.close(BAD_REQUEST, 'Unexpected message');
      mask(error);
      socket.close(INTERNAL_ERROR, 'Internal server error');
    }
  };
  const closed = opened(
    {
      protocol: socket.protocol,
      send: (data) => send((written) => socket.send(data, written)),
      close: (code, reason) => socket.close(code, Buffer.byteLength(reason ?? '') > MAX_REASON ? '' : reason),
      async onPing(payload) {
        const pong = pongOf(payload);
        if (pong === undefined) socket.close(BAD_REQUEST, 'Invalid message received');
        else await send((written) => socket.send(pong, written));
      },
      onMessage(handle) {
        const inTurn = inOrder(socket, clientBacklog);
        socket.on('message', (data) =>
          inTurn(String(data), (message) => {
            if (socket.readyState === socket.OPEN) void withRequestId(null, () => receive(handle, message));
          }),
        );
      },
    },
    extra,
  );
  socket.on('ping', (data) => void send((written) => socket.pong(data, false, written)));
  socket.on('pong', markAlive);
  socket.once('close', (code, reason) => {
    closed(code, String(reason)).catch(mask);
  });
}

/** The answer to a ping, which repeats what it bears; undefined: that is nested so deep that it can be read but not written. */
function pongOf(payload: unknown): string | undefined {
  try {
    return JSON.stringify({ type: 'pong', payload: payload ?? undefined });
  } catch {
    return undefined;
  }
}
