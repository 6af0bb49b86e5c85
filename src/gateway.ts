import type { Logger } from 'pino';
import { Authenticator } from './access/tokens.ts';
import type { Viewer } from './access/viewer.ts';
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
import { OwnBuckets } from './http/rates/buckets.ts';
import { Gate } from './http/rates/gate.ts';
import { SharedBuckets } from './http/rates/shared-buckets.ts';
import { createRouter } from './http/router.ts';
import { createServers, type Servers } from './http/server.ts';
import { Strangers } from './http/strangers.ts';
import type { WebSocketOptions } from './http/websocket.ts';
import type { Authenticate } from './http/yoga/authentication.ts';
import { errorTexts } from './http/yoga/error-texts.ts';
import { maskErrors } from './http/yoga/masking.ts';

export interface GatewayDeps {
  db: Database;
  log: Logger;
  config: Pick<Config, 'allowedOrigins' | 'bodyLimit' | 'graphiql' | 'introspection' | 'opEndpoint' | 'production'> &
    Partial<typeof OPERATION_LIMITS & Limits & Pick<Config, 'trustedProxies' | 'hintsUrl'>> & {
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
  const authenticator = new Authenticator(db, {
    onError: (err) => log.warn({ err }, 'could not read whether tokens were revoked'),
    lookUps: db.as(STRANGERS, Number.POSITIVE_INFINITY),
    wrong: config,
  });
  authenticator.start();
  // The revocation is committed, so a failure here does no harm: the counter is read again soon.
  const unsubscribe = db.hints.onRevocation(() => authenticator.refresh().catch(() => {}));
  const { hintsUrl } = config;
  const gate = new Gate(config, hintsUrl && hintsUrl !== 'off' ? new SharedBuckets(hintsUrl, log) : new OwnBuckets(), log);
  const chargeSnapshot = (viewer: Viewer, points: number) => gate.charge(viewer, points);
  const hub = new WatchHub({ db, log, limits: config, chargeSnapshot, ...config.watching });
  const authenticate: Authenticate = (authorization, address) => authenticator.authenticate(authorization, address);
  const told = errorTexts(!config.production);
  const bodies = new Bodies(config, config.bodyLimit);
  const strangers = new Strangers(createAddresses(config.trustedProxies), config.strangers);
  const shared = { db, log, config, hub, gate, bodies, strangers, authenticate, told, mask: maskErrors(log, told) };
  const graphql = createGraphQLEndpoint(shared);
  const { fetch, listener } = createRouter(
    {
      health: createHealth(),
      readiness: createReadiness({ log, pendingMigrations: async () => pendingMigrations(db, await readMigrations()) }),
      ops: config.opEndpoint === 'off' ? undefined : createOpEndpoint(shared),
      graphql,
      notFound: createNotFound(log),
    },
    strangers,
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
      gate.close();
      return authenticator.close();
    },
  };
}
