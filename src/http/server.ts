import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
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

export function createServers({ listener, eventStreams, ...options }: ServersOptions): Servers {
  const closeSockets: ((within: number) => Promise<void>)[] = [];
  return {
    createServer() {
      // Other upgrades are offers that a server may ignore, such as HTTP/2, which Java's client offers each time.
      const server = createServer({ shouldUpgradeCallback: (req) => /^websocket$/i.test(req.headers.upgrade ?? '') }, listener);
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
