import { ComplexityErrorKind } from '@pothos/plugin-complexity';
import { GraphQLError } from 'graphql';
import { type PageArgs, pageSize } from '../model/page.ts';

/** The most nodes that an operation may select, page sizes multiplied, and its greatest depth. */
export const MAX_NODES = 100_000;
export const MAX_DEPTH = 12;

/** The largest document that is parsed: brackets within each other; operations and fragments; fields and other names. */
export const MAX_NESTING = 200;
export const MAX_DEFINITIONS = 500;
export const MAX_NAMES = 10_000;

/** The most lists and mutations in an operation: each costs statements of its own. */
export const MAX_LISTS = 200;

/** The weight of one node. The plugin counts 1 for each `__typename`; these must not add up to a node. */
export const NODE = 10_000_000;

/** The weight of a list field: as many nodes as the page may have, each with its selected fields. */
export function pageComplexity(args: PageArgs): { field: number; multiplier: number } {
  const size = pageSize(args);
  return { field: size * NODE, multiplier: size };
}

export function limitExceeded(limit: string, max: number, message: string, status?: number): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: 'LIMIT_EXCEEDED', limit, max, ...(status ? { http: { status } } : {}) },
  });
}

export function complexityError(kind: string, { depth, complexity }: { depth: number; complexity: number }): GraphQLError {
  if (kind === ComplexityErrorKind.Depth) {
    return limitExceeded('MAX_DEPTH', MAX_DEPTH, `The operation is ${depth} levels deep; at most ${MAX_DEPTH} are allowed`, 400);
  }
  const nodes = Math.floor(complexity / NODE);
  return limitExceeded(
    'MAX_NODES',
    MAX_NODES,
    `The operation asks for up to ${nodes} nodes; at most ${MAX_NODES} are allowed`,
    400,
  );
}
