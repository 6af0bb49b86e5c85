import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import type { Logger } from 'pino';
import { publicError } from '../../graphql/errors.ts';
import { limitExceeded } from '../../graphql/limits.ts';
import { LimitExceededError } from '../../model/errors.ts';
import { loggedError } from '../logged-error.ts';
import { currentRequestId } from '../request-id.ts';

/**
 * What callers see of an error: our own as they are, those of GraphQL itself too; anything else is logged whole and
 * answered as INTERNAL_SERVER_ERROR with the id of the request.
 */
export function maskErrors(log: Logger, told: (error: GraphQLError) => GraphQLError) {
  return (error: unknown): GraphQLError => {
    const graphqlError = error instanceof GraphQLError ? error : undefined;
    const cause = graphqlError?.originalError ?? (graphqlError ? undefined : error);
    if (graphqlError && (cause === undefined || cause instanceof GraphQLError)) return told(graphqlError);
    const place: GraphQLErrorOptions = { nodes: graphqlError?.nodes, path: graphqlError?.path };
    if (cause instanceof LimitExceededError) {
      const { message, extensions } = limitExceeded(cause.limit, cause.max, cause.message);
      return new GraphQLError(message, { ...place, extensions });
    }
    const known = publicError(cause);
    if (known) return told(new GraphQLError(known.message, { ...place, extensions: known.extensions }));
    const requestId = currentRequestId();
    log.error({ err: loggedError(cause), requestId, path: graphqlError?.path }, 'unexpected error');
    return new GraphQLError('Something went wrong inside the gateway', {
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, ...(graphqlError?.path ? {} : { http: { status: 500 } }) },
    });
  };
}
