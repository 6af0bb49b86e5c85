import type { ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import { createYoga } from 'graphql-yoga';
import type { Logger } from 'pino';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { createContext } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import type { Bodies } from './bodies.ts';
import type { Endpoint } from './endpoint.ts';
import { asksForPage, createGraphiqlPage } from './graphiql-page.ts';
import type { Gate } from './rates/gate.ts';
import { currentRequestId } from './request-id.ts';
import type { Strangers } from './strangers.ts';
import { type Authenticate, requestState, useAuthentication } from './yoga/authentication.ts';
import { useConnection } from './yoga/connection.ts';
import { useCors } from './yoga/cors.ts';
import { createDocumentCache } from './yoga/document-cache.ts';
import { useDocumentSize } from './yoga/document-size.ts';
import { useErrorTexts } from './yoga/error-texts.ts';
import { useFieldMerging } from './yoga/field-merging.ts';
import { useIntrospection } from './yoga/introspection.ts';
import { useLocations } from './yoga/locations.ts';
import { useLogging } from './yoga/logging.ts';
import { type PriceLimits, usePrice } from './yoga/price.ts';
import { useRates } from './yoga/rates.ts';
import { useRequestBody } from './yoga/request-body.ts';
import { useServerSentEvents } from './yoga/sse.ts';
import { useStatus } from './yoga/status.ts';
import { useSubscriptionRoot } from './yoga/subscription-root.ts';
import { useVariableIssues } from './yoga/variables.ts';

export interface GraphQLDeps {
  db: Database;
  log: Logger;
  hub: WatchHub;
  config: Pick<
    Config,
    'allowedOrigins' | 'bodyLimit' | 'graphiql' | 'introspection' | 'production' | keyof PriceLimits | 'maxTokens' | 'maxValues'
  >;
  bodies: Bodies;
  strangers: Strangers;
  gate: Gate;
  authenticate: Authenticate;
  mask: (error: unknown) => GraphQLError;
  /** What callers are told of an error of GraphQL. */
  told: (error: GraphQLError) => GraphQLError;
}

/** A Yoga server with all its plugins, which also runs the operations of WebSockets. */
export type Yoga = ReturnType<typeof createYogaServer>;

export interface GraphQLEndpoint extends Endpoint {
  yoga: Yoga;
  /** The responses on node:http that are event streams, while they are open. */
  eventStreams: ReadonlySet<ServerResponse>;
}

/** GraphQL, with GraphiQL for browsers. */
export function createGraphQLEndpoint(deps: GraphQLDeps): GraphQLEndpoint {
  const eventStreams = new Set<ServerResponse>();
  const yoga = createYogaServer(deps, eventStreams);
  const page = deps.config.graphiql ? createGraphiqlPage(deps.log) : undefined;
  return {
    yoga,
    eventStreams,
    fetch: async (request) =>
      page && asksForPage(request.method, request.headers.get('accept')) ? page.fetch(request) : yoga.fetch(request),
    listener(req, res) {
      if (page && asksForPage(req.method, req.headers.accept)) return page.listener(req, res);
      void yoga(req, res);
    },
  };
}

function createYogaServer(
  { db, log, hub, config, bodies, authenticate, mask, told, strangers, gate }: GraphQLDeps,
  eventStreams: Set<ServerResponse>,
) {
  const parsed = createDocumentCache();
  return createYoga({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    logging: false,
    cors: false, // useCors
    maxRequestBodySize: false, // useRequestBody: Yoga's own copies every body
    multipart: false,
    parserAndValidationCache: parsed,
    maskedErrors: { maskError: mask },
    graphiql: false, // graphiql-page.ts
    context: ({ request }) =>
      createContext({
        db,
        hub,
        limits: config,
        viewer: requestState(request).viewer,
        requestId: currentRequestId(),
        signal: requestState(request).signal ?? request.signal,
        lastEventId: request.headers.get('last-event-id'),
      }),
    plugins: [
      useLogging(log),
      useCors(config.allowedOrigins),
      useConnection(),
      useAuthentication(authenticate, config.production, strangers),
      useRequestBody(bodies, config),
      useIntrospection(config.introspection),
      useErrorTexts(told),
      useDocumentSize(config, (document) => parsed.documentCache.has(document)),
      useLocations(),
      useFieldMerging(),
      usePrice(config),
      useSubscriptionRoot(),
      useRates(gate, mask),
      useVariableIssues(),
      useStatus(),
      useServerSentEvents(mask, eventStreams),
    ],
  });
}
