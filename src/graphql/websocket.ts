import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, type ExecutionResult, GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import type { YogaServerInstance } from 'graphql-yoga';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Viewer } from '../access/viewer.ts';
import { StreamEndError } from '../changes/errors.ts';
import type { WatchHub } from '../changes/hub.ts';
import { limitExceeded } from './limits.ts';
import { requestState } from './plugins/authentication.ts';
import { isAllowedOrigin } from './plugins/cors.ts';
import { withRequestId } from './plugins/logging.ts';

export interface WebSocketOptions {
  // biome-ignore lint/suspicious/noExplicitAny: any server context will do
  yoga: YogaServerInstance<any, any>;
  hub: WatchHub;
  log: Logger;
  authenticate: (authorization: string | null | undefined) => Promise<Viewer | null>;
  mask: (error: unknown) => Error;
  allowedOrigins: readonly string[] | undefined;
  /** Largest message, in bytes. */
  bodyLimit: number;
}

/** How long a client may take from the handshake to a valid `connection_init`, in milliseconds. */
const INIT_WITHIN = 5_000;
const MAX_OPERATIONS = 100;
const GOING_AWAY = 1001;
const FORBIDDEN = 4403;
/** For the last messages of the streams before their socket closes. */
const LINGER = 200;

interface Extra extends Record<PropertyKey, unknown> {
  socket: WebSocket;
  request: IncomingMessage;
  authorization?: string | null;
  unguard?: () => void;
}

/** Answers WebSockets on `/graphql` with the graphql-transport-ws protocol. Gives what closes them all. */
export function attachWebSocket(server: Server, options: WebSocketOptions): () => Promise<void> {
  const { hub, log, authenticate, bodyLimit } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: bodyLimit });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refusalOf(request, options);
    if (refusal) {
      // node:http hears no more of it: its errors, and what else it sends, are ours.
      socket.on('error', () => socket.destroy()).resume();
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request));
  });
  sockets.on('connection', (socket) => socket.on('error', (error) => log.debug({ err: error }, 'a WebSocket failed')));

  const { dispose } = useServer<Record<string, unknown>, Extra>(
    {
      connectionInitWaitTimeout: INIT_WITHIN,
      async onConnect({ extra, connectionParams }) {
        const given = connectionParams?.['authorization'] ?? connectionParams?.['Authorization'];
        extra.authorization = typeof given === 'string' ? given : extra.request.headers.authorization;
        const viewer = await authenticate(extra.authorization);
        if (!viewer) return false; // closes with 4403
        extra.unguard = hub.guard(viewer, (reason) => {
          const stopping = reason instanceof StreamEndError && reason.code === 'SERVER_STOPPING';
          setTimeout(() => extra.socket.close(stopping ? GOING_AWAY : FORBIDDEN, reason.message), LINGER);
        });
        if (extra.socket.readyState !== extra.socket.OPEN) extra.unguard();
        return true;
      },
      onClose: ({ extra }) => extra.unguard?.(),
      onSubscribe: ({ extra, subscriptions }, _id, params) =>
        withRequestId(null, async () => {
          if (Object.keys(subscriptions).length > MAX_OPERATIONS) {
            return [limitExceeded('MAX_OPERATIONS', MAX_OPERATIONS, `A socket may have ${MAX_OPERATIONS} operations at once`)];
          }
          const viewer = await authenticate(extra.authorization);
          if (!viewer) {
            extra.socket.close(FORBIDDEN, 'Forbidden');
            return [new GraphQLError('The token is not valid any more', { extensions: { code: 'UNAUTHENTICATED' } })];
          }
          return prepare(options, viewer, params);
        }),
      execute: (args) => (args as unknown as Prepared).run.execute(args),
      subscribe: (args) => (args as unknown as Prepared).run.subscribe(args),
      onError: (_, __, ___, errors) => errors.map((error) => toJson(options.mask(error))),
    },
    sockets,
  );
  return async () => {
    await dispose();
  };
}

/** The arguments of an operation with Yoga's way to run it, plugins and all. */
interface Prepared extends ExecutionArgs {
  run: {
    execute(args: ExecutionArgs): Promise<ExecutionResult>;
    subscribe(args: ExecutionArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;
  };
}

async function prepare(
  { yoga }: WebSocketOptions,
  viewer: Viewer,
  params: { query: string; operationName?: string | null; variables?: object | null },
): Promise<Prepared | readonly GraphQLError[]> {
  const request = new Request('http://gateway/graphql', { method: 'POST' }); // over GET there are no mutations
  requestState(request).viewer = viewer;
  const enveloped = yoga.getEnveloped({ request, params });
  let document: ExecutionArgs['document'];
  try {
    document = enveloped.parse(params.query);
  } catch (error) {
    return [error as GraphQLError];
  }
  const errors = enveloped.validate(enveloped.schema, document) as readonly GraphQLError[];
  if (errors.length > 0) return errors;
  return {
    schema: enveloped.schema,
    document,
    operationName: params.operationName,
    variableValues: params.variables as Record<string, unknown>,
    contextValue: await enveloped.contextFactory(),
    run: { execute: enveloped.execute, subscribe: enveloped.subscribe },
  };
}

/** Why a handshake is refused, as a status line has it. A browser always sends its origin. */
function refusalOf({ url, headers }: IncomingMessage, { allowedOrigins }: WebSocketOptions): string | undefined {
  if (url?.split('?', 1)[0] !== '/graphql') return '404 Not Found';
  const { origin, host } = headers;
  if (origin === undefined || isAllowedOrigin(origin, allowedOrigins)) return undefined;
  const own = URL.canParse(origin) && new URL(origin).host === host;
  return own ? undefined : '403 Forbidden';
}

function toJson(error: Error) {
  return error instanceof GraphQLError ? error.toJSON() : { message: error.message };
}
