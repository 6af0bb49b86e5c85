import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createYoga } from 'graphql-yoga';
import type { Logger } from 'pino';
import { Authenticator } from './access/tokens.ts';
import { type HubOptions, WatchHub } from './changes/streams/hub.ts';
import type { Config } from './config.ts';
import type { Database } from './db/client.ts';
import { pendingMigrations, readMigrations } from './db/migrate.ts';
import { createContext } from './graphql/context.ts';
import { schema } from './graphql/schema.ts';
import { GRAPHIQL } from './http/graphiql.ts';
import { createOpEndpoint, OP_PATHS } from './http/op-endpoint.ts';
import { currentRequestId, withRequestId } from './http/request-id.ts';
import { attachWebSocket, type WebSocketOptions } from './http/websocket.ts';
import { requestState, useAuthentication } from './http/yoga/authentication.ts';
import { useCors } from './http/yoga/cors.ts';
import { useDocumentSize } from './http/yoga/document-size.ts';
import { useListLimit } from './http/yoga/list-limit.ts';
import { useLogging } from './http/yoga/logging.ts';
import { maskErrors } from './http/yoga/masking.ts';
import { useRequestBody } from './http/yoga/request-body.ts';
import { useServerSentEvents } from './http/yoga/sse.ts';

export interface GatewayDeps {
  db: Database;
  log: Logger;
  config: Pick<Config, 'allowedOrigins' | 'bodyLimit' | 'opEndpoint' | 'production'> & {
    watching?: Pick<HubOptions, 'pollInterval' | 'checkpointInterval' | 'hints'> & Pick<WebSocketOptions, 'pingInterval'>;
  };
}

/** The gateway without a port: one handler of requests. */
export interface Gateway {
  /** Answers a request given as fetch has it. */
  fetch(request: Request): Promise<Response>;
  /** A server that answers requests, within BODY_LIMIT, and WebSockets. It does not listen yet. */
  createServer(): Server;
  /** Ends all streams with SERVER_STOPPING and closes all sockets; requests that run are left to finish. */
  stop(): Promise<void>;
  /** Ends what runs beside requests; before the database closes. */
  close(): Promise<void>;
}

const HOUR = 3600;
/** For streams to say why they end, in milliseconds. */
const STREAMS_END_WITHIN = 300;
/** For clients to take the end of their streams, in milliseconds. Who reads nothing is cut off then: it has its cursor. */
const STREAMS_CLOSE_WITHIN = 3_000;

export function createGateway({ db, log, config }: GatewayDeps): Gateway {
  const authenticator = new Authenticator(db, (error) => log.warn({ err: error }, 'could not read whether tokens were revoked'));
  authenticator.start();
  // The revocation stands whatever comes of this: the counter is read again soon.
  const readRevocations = () => authenticator.refresh().catch(() => {});
  const unsubscribe = db.hints.onRevocation((own) => void (own || readRevocations()));
  const tokensRevoked = () => {
    db.hints.publishRevocation();
    return readRevocations();
  };
  const mask = maskErrors(log);
  const hub = new WatchHub({ db, log, ...config.watching });
  const eventStreams = new Set<ServerResponse>();
  const yoga = createYoga({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    logging: false,
    cors: false, // useCors
    maxRequestBodySize: false, // useRequestBody: Yoga's own copies every body
    multipart: false,
    maskedErrors: { maskError: mask },
    graphiql: GRAPHIQL,
    renderGraphiQL: async (options) => (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options), // 9 MB
    context: ({ request }) =>
      createContext({
        db,
        hub,
        tokensRevoked,
        viewer: requestState(request).viewer,
        requestId: currentRequestId(),
        lastEventId: request.headers.get('last-event-id'),
      }),
    plugins: [
      useLogging(log),
      useCors(config.allowedOrigins),
      useAuthentication((authorization) => authenticator.authenticate(authorization), config.production),
      useRequestBody(config.bodyLimit),
      useDocumentSize(),
      useListLimit(),
      useServerSentEvents(mask, eventStreams),
      {
        // GraphiQL's page is 9 MB and the same for everybody; other answers of its URL are not.
        onResponse({ response }) {
          if (response.headers.get('content-type')?.startsWith('text/html')) {
            response.headers.set('Cache-Control', `public, max-age=${HOUR}`);
            response.headers.append('Vary', 'Accept');
          }
        },
      },
    ],
  });

  async function fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === '/healthz') return new Response('ok\n');
    if (pathname === '/readyz') return readiness(db, log);
    return withRequestId(request.headers.get('x-request-id'), () => yoga.fetch(request));
  }

  const ops = createOpEndpoint({
    db,
    log,
    mode: config.opEndpoint,
    bodyLimit: config.bodyLimit,
    authenticate: (authorization) => authenticator.authenticate(authorization),
    tokensRevoked,
    requestId: currentRequestId,
  });

  const listener: RequestListener = (req, res) => {
    const path = req.url?.split('?', 1)[0];
    if (path === '/healthz' || path === '/readyz') {
      void fetch(new Request(`http://gateway${path}`)).then((response) => sendText(res, response));
      return;
    }
    if (config.opEndpoint !== 'off' && OP_PATHS.has(path ?? '')) {
      withRequestId(req.headers['x-request-id']?.toString(), () => ops(req, res));
      return;
    }
    // Yoga makes a URL of them, and answers with a stack trace when it cannot.
    if (!URL.canParse(`http://${req.headers.host || 'gateway'}${req.url}`)) {
      void sendText(res, new Response('The URL or the Host header is malformed\n', { status: 400 }));
      return;
    }
    void withRequestId(req.headers['x-request-id']?.toString(), () => yoga(req, res));
  };

  const closeSockets: ((within: number) => Promise<void>)[] = [];
  return {
    fetch,
    createServer() {
      // Other upgrades are offers that a server may pass over, such as that of HTTP/2 which Java's client makes each time.
      const server = createServer({ shouldUpgradeCallback: (req) => /^websocket$/i.test(req.headers.upgrade ?? '') }, listener);
      const { allowedOrigins, bodyLimit } = config;
      const pingInterval = config.watching?.pingInterval;
      const authenticate = (authorization: string | null | undefined) => authenticator.authenticate(authorization);
      closeSockets.push(attachWebSocket(server, { yoga, hub, log, authenticate, mask, allowedOrigins, bodyLimit, pingInterval }));
      return server;
    },
    async stop() {
      hub.stop();
      await sleep(STREAMS_END_WITHIN);
      setTimeout(() => eventStreams.forEach((response) => void response.destroy()), STREAMS_CLOSE_WITHIN).unref();
      await Promise.all(closeSockets.map((close) => close(STREAMS_CLOSE_WITHIN)));
    },
    close() {
      unsubscribe();
      return authenticator.close();
    },
  };
}

async function sendText(res: ServerResponse, response: Response): Promise<void> {
  res
    .writeHead(response.status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
    .end(await response.text());
}

/** Ready: the database answers, and has what this checkout needs. */
async function readiness(db: Database, log: Logger): Promise<Response> {
  try {
    const pending = await pendingMigrations(db, await readMigrations());
    if (pending.length === 0) return new Response('ready\n');
    log.warn({ pending }, 'not ready: migrations are not applied');
  } catch (error) {
    log.warn({ err: error }, 'not ready');
  }
  return new Response('not ready\n', { status: 503 });
}
