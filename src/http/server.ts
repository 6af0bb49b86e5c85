import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Limits } from '../config.ts';
import { boundBacklog } from './backlog.ts';
import { cutCrumbs } from './bodies.ts';
import { inTurn } from './in-turn.ts';
import { attachWebSocket, type WebSocketOptions } from './websocket.ts';

export interface ServersOptions extends WebSocketOptions {
  listener: RequestListener;
  /** The responses that are event streams, while they are open. */
  eventStreams: ReadonlySet<ServerResponse>;
}

export interface Servers {
  /** A server that answers requests, within BODY_LIMIT, and WebSockets. It does not listen yet. */
  createServer(): Server;
  /** Ends all streams with SERVER_STOPPING and closes all sockets; running requests may finish. */
  stop(): Promise<void>;
}

/** How long streams may take to send why they end, in milliseconds. */
const STREAMS_END_WITHIN = 300;
/** How long clients may take to read that, in milliseconds. A client that reads nothing is cut off then: it has its cursor. */
const STREAMS_CLOSE_WITHIN = 3_000;

/** How often Node looks for clients that are late, in milliseconds. */
const LATE_CHECK = 1_000;

/** What Node itself bounds. A body's time is kept where it is read; this is for one that nobody reads. */
function serverLimits(limits: Limits): ServerOptions {
  return {
    // Node refuses what has as many bytes as that: of the URL, the names and the values, and none of the signs between them.
    maxHeaderSize: limits.headersLimit + 1,
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.headersTimeout + limits.bodyTimeout + limits.bodyWait,
    keepAliveTimeout: limits.keepAlive,
    connectionsCheckingInterval: LATE_CHECK,
  };
}

/** Answers before there is a request, so that nothing is read for it. */
function refuse(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.end('HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n');
  socket.destroySoon();
}

export function createServers({ listener, eventStreams, ...options }: ServersOptions): Servers {
  const closeSockets: ((within: number) => Promise<void>)[] = [];
  return {
    createServer() {
      // Other upgrades are offers that a server may pass over, such as that of HTTP/2 which Java's client makes each time.
      const shouldUpgradeCallback = (req: IncomingMessage) => /^websocket$/i.test(req.headers.upgrade ?? '');
      const handle = inTurn(listener, options.config.pipelined);
      const server = createServer({ shouldUpgradeCallback, ...serverLimits(options.config) }, (req, res) => {
        cutCrumbs(req, options.config.bodyChunks);
        handle(req, res);
      });
      server.prependListener('connection', (socket: Socket) => {
        if (!options.strangers.connected(socket)) refuse(socket);
      });
      boundBacklog(server, options.config.allBacklog, options.log);
      closeSockets.push(attachWebSocket(server, options));
      return server;
    },
    async stop() {
      options.hub.stop();
      await sleep(STREAMS_END_WITHIN);
      setTimeout(() => eventStreams.forEach((response) => void response.destroy()), STREAMS_CLOSE_WITHIN).unref();
      await Promise.all(closeSockets.map((close) => close(STREAMS_CLOSE_WITHIN)));
    },
  };
}
