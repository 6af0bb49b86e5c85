import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql';
import { handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { TokenPlaces } from '../access/token-places.ts';
import type { Viewer } from '../access/viewer.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Config, Limits } from '../config.ts';
import { limitExceeded } from '../graphql/limits.ts';
import { RateLimitedError, StreamEndError } from '../model/errors.ts';
import { isAllowedOrigin } from './cors.ts';
import type { Yoga } from './graphql-endpoint.ts';
import type { Gate } from './rates/gate.ts';
import { joinSocket } from './socket.ts';
import { SocketOperations } from './socket-operations.ts';
import type { Strangers } from './strangers.ts';
import { type Authenticate, requestState } from './yoga/authentication.ts';

export interface WebSocketOptions {
  yoga: Yoga;
  hub: WatchHub;
  log: Logger;
  authenticate: Authenticate;
  mask: (error: unknown) => GraphQLError;
  strangers: Strangers;
  gate: Gate;
  config: Pick<Config, 'allowedOrigins'> & Limits;
  /** How often clients are pinged, in milliseconds. */
  pingInterval?: number;
}

/** How long a client may take from the handshake to a valid `connection_init`, in milliseconds. */
const INIT_WITHIN = 5_000;
/** How many operations in a row may be refused because of MAX_OPERATIONS before the socket is closed. */
const MAX_REFUSALS = 10_000;
/**
 * How many chunks, or fragments, a message may come in: each is kept as a buffer of its own until it is whole. Networks deliver
 * a MESSAGE_LIMIT in a quarter of them.
 */
const MAX_CHUNKS = 8_192;
/** In characters: each answer repeats the id. */
const MAX_ID = 100;
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;
const BAD_REQUEST = 4400;
const FORBIDDEN = 4403;
const TOO_MANY = 4429;
/** How long a client may take to read the last message before its connection is closed, in milliseconds. */
const LINGER = 200;

interface Extra extends Record<PropertyKey, unknown> {
  socket: WebSocket;
  request: IncomingMessage;
  authorization?: string | null;
  unguard?: () => void;
  /** Leaves the place among the token's sockets. */
  leave?: () => void;
  /** Whether connection_init came. */
  greeted: boolean;
  /** How many operations run or have unsent results, and how many were refused in a row. */
  operations: number;
  running: SocketOperations;
  refusals: number;
  /** The length of the message that is being handled. */
  bytes: number;
}

/**
 * Answers WebSockets on `/graphql` with the graphql-transport-ws protocol. Returns a function that closes them all, and cuts off
 * those that are not closed within the given milliseconds.
 */
export function attachWebSocket(server: Server, options: WebSocketOptions): (within: number) => Promise<void> {
  const { log, mask, config, pingInterval } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: config.message,
    maxBufferedChunks: MAX_CHUNKS,
    maxFragments: MAX_CHUNKS,
    autoPong: false,
    // One message of a socket at a time, with the event loop given back between them.
    allowSynchronousEvents: false,
    handleProtocols,
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refusalOf(request, options);
    if (refusal) {
      // node:http has handed the socket over: its errors, further bytes and its end are up to us.
      socket.on('error', () => socket.destroy()).resume();
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      setTimeout(() => socket.destroy(), LINGER);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request, socket));
  });

  const places = new TokenPlaces({
    what: 'WebSockets',
    user: ['USER_SOCKETS', config.userSockets],
    app: ['APP_SOCKETS', config.appSockets],
  });
  const protocol = makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: INIT_WITHIN,
    onConnect: ({ extra, connectionParams }) => admit(options, places, extra, connectionParams),
    onClose: ({ extra }) => {
      extra.unguard?.();
      extra.leave?.();
    },
    onSubscribe: ({ extra }, id, params) => beginOperation(options, extra, id, params),
    onComplete: ({ extra }, id) => {
      extra.running.end(id);
      extra.operations--;
    },
    execute: (args) => (args as unknown as Prepared).run.execute(args),
    subscribe: (args) => (args as unknown as Prepared).run.subscribe(args),
    onError: (_, __, ___, errors) => errors.map((error) => mask(error).toJSON()),
  });
  sockets.on('connection', (socket: WebSocket, request: IncomingMessage, connection: Duplex) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a WebSocket failed'));
    const extra: Extra = {
      socket,
      request,
      greeted: false,
      operations: 0,
      running: new SocketOperations(),
      refusals: 0,
      bytes: 0,
    };
    boundGreeting(extra, connection, config.initMessage);
    socket.once('close', () => extra.running.close());
    joinSocket(protocol, extra, {
      mask,
      clientBacklog: config.clientBacklog,
      pingInterval,
      heard(message) {
        extra.bytes = message.length;
        extra.running.heard(message);
      },
    });
  });

  return async (within) => {
    for (const socket of sockets.clients) socket.close(GOING_AWAY, 'Going away');
    const cut = setTimeout(() => sockets.clients.forEach((socket) => void socket.terminate()), within);
    await new Promise((resolve) => sockets.close(resolve));
    clearTimeout(cut);
  };
}

/** Nobody who has not said who it is needs more than this many bytes to do so. */
function boundGreeting(extra: Extra, connection: Duplex, most: number): void {
  let left = most;
  const count = (data: Buffer) => {
    if (extra.greeted) {
      connection.off('data', count);
      return;
    }
    left -= data.length;
    if (left >= 0) return;
    connection.off('data', count).pause();
    extra.socket.close(BAD_REQUEST, 'Too much before connection_init');
    setTimeout(() => connection.destroy(), LINGER);
  };
  connection.prependListener('data', count);
}

/** Admits a client, or closes its socket; false closes it with 4403. */
async function admit(
  { hub, authenticate, mask, strangers }: WebSocketOptions,
  places: TokenPlaces,
  extra: Extra,
  params: Record<string, unknown> = {},
) {
  const { socket, request } = extra;
  extra.greeted = true;
  const given = params['authorization'] ?? params['Authorization'];
  extra.authorization = typeof given === 'string' ? given : request.headers.authorization;
  let viewer: Viewer | null;
  try {
    viewer = await authenticate(extra.authorization, strangers.addressOf(request));
  } catch (error) {
    if (error instanceof RateLimitedError) {
      socket.close(TOO_MANY, error.message);
      return false;
    }
    mask(error);
    socket.close(TRY_AGAIN_LATER, 'Try again later');
    return false;
  }
  if (!viewer) return false;
  strangers.known(request);
  try {
    extra.leave = places.enter(viewer);
  } catch (error) {
    socket.close(TOO_MANY, (error as Error).message);
    return false;
  }
  extra.unguard = hub.guard(viewer, (reason) => {
    const stopping = reason instanceof StreamEndError && reason.code === 'SERVER_STOPPING';
    setTimeout(() => socket.close(stopping ? GOING_AWAY : FORBIDDEN, reason.message), LINGER);
  });
  if (socket.readyState !== socket.OPEN) {
    extra.unguard();
    extra.leave();
  }
  return true;
}

/** Begins an operation, or returns the errors that it is refused with. */
async function beginOperation(options: WebSocketOptions, extra: Extra, id: string, params: SubscribePayload) {
  const { bytes } = extra;
  if (id.length > MAX_ID) {
    const message = `The id of an operation has at most ${MAX_ID} characters`;
    extra.socket.close(BAD_REQUEST, message);
    return [new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' } })];
  }
  // Operations that the client has just completed are about to end.
  const { maxOperations } = options.config;
  if (extra.operations >= maxOperations) await setImmediate();
  if (extra.operations >= maxOperations) {
    if (++extra.refusals > MAX_REFUSALS) extra.socket.close(POLICY_VIOLATION, 'Too many operations');
    return [limitExceeded('MAX_OPERATIONS', maxOperations, `A socket may have ${maxOperations} operations at once`)];
  }
  extra.refusals = 0;
  extra.operations++;
  const request = new Request('http://gateway/graphql', { method: 'POST' }); // over GET there are no mutations
  const state = Object.assign(requestState(request), { signal: extra.running.begin(id), bytes });
  const prepared = await prepare(options, extra, params, request).catch((error: unknown) => [options.mask(error)]);
  if (!Array.isArray(prepared)) return prepared;
  extra.running.end(id);
  extra.operations--;
  options.gate.read(state);
  return prepared;
}

/** The arguments of an operation, and Yoga's functions to run it with all plugins. */
interface Prepared extends ExecutionArgs {
  run: {
    execute(args: ExecutionArgs): Promise<ExecutionResult>;
    subscribe(args: ExecutionArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;
  };
}

/** @throws errors of the database, and GraphQLErrors of the parser and the plugins */
async function prepare(
  { yoga, gate, authenticate }: WebSocketOptions,
  { authorization, socket }: Extra,
  params: SubscribePayload,
  request: Request,
): Promise<Prepared | GraphQLError[]> {
  const viewer = await authenticate(authorization);
  if (!viewer) {
    socket.close(FORBIDDEN, 'Forbidden');
    return [new GraphQLError('The token is not valid any more', { extensions: { code: 'UNAUTHENTICATED' } })];
  }
  gate.check(Object.assign(requestState(request), { viewer }));
  const enveloped = yoga.getEnveloped({ request, params });
  const document: ExecutionArgs['document'] = enveloped.parse(params.query);
  const errors = enveloped.validate(enveloped.schema, document) as readonly GraphQLError[];
  if (errors.length > 0) return [...errors];
  const { operationName } = params;
  if (!getOperationAST(document, operationName)) return [noOperation()];
  return {
    schema: enveloped.schema,
    document,
    operationName,
    variableValues: params.variables as Record<string, unknown>,
    contextValue: await enveloped.contextFactory(),
    run: { execute: enveloped.execute, subscribe: enveloped.subscribe },
  };
}

function noOperation(): GraphQLError {
  const extensions = { code: 'OPERATION_RESOLUTION_FAILURE' };
  return new GraphQLError('There is no such operation, or not one alone', { extensions });
}

/** The status line of a refused handshake; undefined: accepted. A browser always sends its origin. */
function refusalOf(request: IncomingMessage, { config, strangers }: WebSocketOptions): string | undefined {
  const { url, headers } = request;
  if (!strangers.requested(request, (leave) => request.socket.once('close', leave))) return '429 Too Many Requests';
  if (url?.split('?', 1)[0] !== '/graphql') return '404 Not Found';
  const { origin, host } = headers;
  if (origin === undefined || isAllowedOrigin(origin, config.allowedOrigins)) return undefined;
  const own = URL.canParse(origin) && new URL(origin).host === host;
  return own ? undefined : '403 Forbidden';
}
