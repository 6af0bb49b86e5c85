import { GraphQLError } from 'graphql';

/** The largest document that is parsed: brackets within each other; operations and fragments; fields and other names. */
export const MAX_NESTING = 200;
export const MAX_DEFINITIONS = 500;
export const MAX_NAMES = 10_000;
/** In characters, comments included. Long lists and texts belong into variables. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;

/** A refusal. `asked` is what the caller asked for, where that is known; `status` that of HTTP. */
export function limitExceeded(
  limit: string,
  max: number,
  message: string,
  { asked, status }: { asked?: number; status?: number } = {},
): GraphQLError {
  return new GraphQLError(message, {
    extensions: {
      code: 'LIMIT_EXCEEDED',
      limit,
      max,
      ...(asked === undefined ? {} : { asked }),
      ...(status === undefined ? {} : { http: { status } }),
    },
  });
}
