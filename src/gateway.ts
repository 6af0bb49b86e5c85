import type { Logger } from 'pino';
import { Authenticator } from './access/tokens.ts';
import { type HubOptions, WatchHub } from './changes/streams/hub.ts';
import { type Config, DEFAULT_LIMITS, type Limits, OPERATION_LIMITS } from './config.ts';
import type { Database } from './db/client.ts';
import { pendingMigrations, readMigrations } from './db/migrate.ts';
import type { Caller } from './db/operation.ts';
import { createAddresses } from './http/addresses.ts';
import { Bodies } from './http/bodies.ts';
import type { Endpoint } from './http/endpoint.ts';
import { createGraphQLEndpoint } from './http/graphql-endpoint.ts';
import { createHealth, createReadiness } from './http/health.ts';
import { createNotFound } from './http/not-found.ts';
import { createOpEndpoint } from './http/op-endpoint.ts';
import { createRouter } from './http/router.ts';
import { createServers, type Servers } from './http/server.ts';
import { Strangers } from './http/strangers.ts';
import type { WebSocketOptions } from './http/websocket.ts';
import { errorTexts } from './http/yoga/error-texts.ts';
import { maskErrors } from './http/yoga/masking.ts';

export interface GatewayDeps {
  db: Database;
  log: Logger;
  config: Pick<Config, 'allowedOrigins' | 'bodyLimit' | 'graphiql' | 'introspection' | 'opEndpoint' | 'production'> &
    Partial<typeof OPERATION_LIMITS & Limits & Pick<Config, 'trustedProxies'>> & {
      watching?: Pick<HubOptions, 'pollInterval' | 'checkpointInterval' | 'hints'> & Pick<WebSocketOptions, 'pingInterval'>;
    };
}

/** Who causes look-ups of tokens: anybody, in turn with the apps. */
const STRANGERS: Caller = { app: 0, token: '', user: null };

/** The gateway without a port: `fetch` answers everything that its servers do, except WebSockets. */
export interface Gateway extends Servers, Pick<Endpoint, 'fetch'> {
  /** Stops the background work of authentication; to be called before the database closes. */
  close(): Promise<void>;
}

export function createGateway({ db, log, config: given }: GatewayDeps): Gateway {
  const config = { ...OPERATION_LIMITS, ...DEFAULT_LIMITS, ...given };
  const authenticator = new Authenticator(
    db,
    (error) => log.warn({ err: error }, 'could not read whether tokens were revoked'),
    db.as(STRANGERS, Number.POSITIVE_INFINITY),
  );
  authenticator.start();
  // The revocation is committed, so a failure here does no harm: the counter is read again soon.
  const unsubscribe = db.hints.onRevocation(() => authenticator.refresh().catch(() => {}));
  const hub = new WatchHub({ db, log, limits: config, ...config.watching });
  const authenticate = (authorization: string | null | undefined) => authenticator.authenticate(authorization);
  const told = errorTexts(!config.production);
  const bodies = new Bodies(config, config.bodyLimit);
  const strangers = new Strangers(createAddresses(config.trustedProxies), config.strangers);
  const shared = { db, log, config, hub, bodies, strangers, authenticate, told, mask: maskErrors(log, told) };
  const graphql = createGraphQLEndpoint(shared);
  const { fetch, listener } = createRouter(
    {
      health: createHealth(),
      readiness: createReadiness({ log, pendingMigrations: async () => pendingMigrations(db, await readMigrations()) }),
      ops: config.opEndpoint === 'off' ? undefined : createOpEndpoint(shared),
      graphql,
      notFound: createNotFound(log),
    },
    { bodyChunks: config.bodyChunks, strangers },
  );
  return {
    fetch,
    ...createServers({
      ...shared,
      listener,
      yoga: graphql.yoga,
      eventStreams: graphql.eventStreams,
      pingInterval: config.watching?.pingInterval,
    }),
    close() {
      unsubscribe();
      return authenticator.close();
    },
  };
}
