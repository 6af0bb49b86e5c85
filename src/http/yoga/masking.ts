import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import type { Logger } from 'pino';
import { publicError } from '../../graphql/errors.ts';
import { limitExceeded } from '../../graphql/limits.ts';
import { LimitExceededError } from '../../model/errors.ts';
import { loggedError } from '../logged-error.ts';
import { currentRequestId } from '../request-id.ts';

/** Of an argument, or a directive's, whose variable was found out to be missing or null as late as when it was needed. */
const ARGUMENT = /^Argument "(\w+)" /;

/**
 * What callers see of an error: our own as they are, those of GraphQL itself about what was sent too; anything else is logged
 * whole and answered as INTERNAL_SERVER_ERROR with the id of the request.
 */
export function maskErrors(log: Logger, told: (error: GraphQLError) => GraphQLError) {
  return (error: unknown): GraphQLError => {
    const graphqlError = error instanceof GraphQLError ? error : undefined;
    const cause = graphqlError?.originalError ?? (graphqlError ? undefined : error);
    const own = graphqlError && (cause === undefined || cause instanceof GraphQLError) && withCode(graphqlError);
    if (own) return told(own);
    const place: GraphQLErrorOptions = { nodes: graphqlError?.nodes, path: graphqlError?.path };
    if (cause instanceof LimitExceededError) {
      const { message, extensions } = limitExceeded(cause.limit, cause.max, cause.message);
      return new GraphQLError(message, { ...place, extensions });
    }
    const known = publicError(cause);
    if (known) return told(new GraphQLError(known.message, { ...place, extensions: known.extensions }));
    const requestId = currentRequestId();
    log.error({ err: loggedError(cause ?? graphqlError), requestId, path: graphqlError?.path }, 'unexpected error');
    return new GraphQLError('Something went wrong inside the gateway', {
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR', requestId, ...(graphqlError?.path ? {} : { http: { status: 500 } }) },
    });
  };
}

/** An error of GraphQL with its code; undefined for one that is about what a resolver returned. */
function withCode(error: GraphQLError): GraphQLError | undefined {
  const { message, nodes, source, positions, path, extensions } = error;
  if (extensions['code'] !== undefined) return error;
  const given = { nodes, source, positions, path };
  const [, name] = ARGUMENT.exec(message) ?? [];
  if (name !== undefined) {
    const issues = [{ path: [name], message }];
    const http = path ? {} : { http: { status: 400 } };
    return new GraphQLError(message, { ...given, extensions: { ...extensions, code: 'INVALID_INPUT', issues, ...http } });
  }
  // Yoga's about a request.
  if (extensions['http'] === undefined) return undefined;
  return new GraphQLError(message, { ...given, extensions: { ...extensions, code: 'BAD_REQUEST' } });
}
