import { GraphQLError } from 'graphql';

/** Of a document that is parsed, in characters, comments included. Long lists and texts belong into variables. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;
/** The same: brackets within each other; operations and fragments; names, see document-size.ts. */
export const MAX_NESTING = 200;
export const MAX_DEFINITIONS = 500;
export const MAX_NAMES = 10_000;
export const MAX_ARGUMENT_NAMES = 20_000;
/** What the operations of a document select, fragments counted wherever they are spread, twice over. */
export const MAX_SELECTIONS = 100_000;

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
