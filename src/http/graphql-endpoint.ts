import type { ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import { createYoga } from 'graphql-yoga';
import type { Logger } from 'pino';
import type { Viewer } from '../access/viewer.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { createContext } from '../graphql/context.ts';
import { schema } from '../graphql/schema.ts';
import { type Endpoint, plain, send } from './endpoint.ts';
import { GRAPHIQL } from './graphiql.ts';
import { currentRequestId } from './request-id.ts';
import { requestState, useAuthentication } from './yoga/authentication.ts';
import { useCors } from './yoga/cors.ts';
import { useDocumentSize } from './yoga/document-size.ts';
import { useGraphiqlCaching } from './yoga/graphiql-caching.ts';
import { useLogging } from './yoga/logging.ts';
import { type PriceLimits, usePrice } from './yoga/price.ts';
import { useRequestBody } from './yoga/request-body.ts';
import { useServerSentEvents } from './yoga/sse.ts';
import { useVariableIssues } from './yoga/variables.ts';

export interface GraphQLDeps {
  db: Database;
  log: Logger;
  hub: WatchHub;
  config: Pick<Config, 'allowedOrigins' | 'bodyLimit' | 'production' | keyof PriceLimits | 'maxTokens'>;
  /** The viewer of an Authorization header's value. */
  authenticate: (authorization: string | null | undefined) => Promise<Viewer | null>;
  mask: (error: unknown) => GraphQLError;
}

/** A Yoga server with all its plugins, which also runs the operations of WebSockets. */
export type Yoga = ReturnType<typeof createYogaServer>;

export interface GraphQLEndpoint extends Endpoint {
  yoga: Yoga;
  /** The responses on node:http that are event streams, while they are open. */
  eventStreams: ReadonlySet<ServerResponse>;
}

/** GraphQL on `/graphql`, with GraphiQL for browsers; 404 on other paths. */
export function createGraphQLEndpoint(deps: GraphQLDeps): GraphQLEndpoint {
  const eventStreams = new Set<ServerResponse>();
  const yoga = createYogaServer(deps, eventStreams);
  return {
    yoga,
    eventStreams,
    fetch: async (request) => yoga.fetch(request),
    listener(req, res) {
      // Yoga makes a URL of these, and answers with a stack trace if that fails.
      if (URL.canParse(`http://${req.headers.host || 'gateway'}${req.url}`)) return void yoga(req, res);
      send(res, plain(400, 'The URL or the Host header is malformed'));
      res.end();
    },
  };
}

function createYogaServer({ db, log, hub, config, authenticate, mask }: GraphQLDeps, eventStreams: Set<ServerResponse>) {
  return createYoga({
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
        viewer: requestState(request).viewer,
        requestId: currentRequestId(),
        lastEventId: request.headers.get('last-event-id'),
      }),
    plugins: [
      useLogging(log),
      useCors(config.allowedOrigins),
      useAuthentication(authenticate, config.production),
      useRequestBody(config.bodyLimit),
      useDocumentSize(config),
      usePrice(config),
      useVariableIssues(),
      useServerSentEvents(mask, eventStreams),
      useGraphiqlCaching(),
    ],
  });
}
