import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import { GraphQLError, Kind } from 'graphql';
import { PAGE_ARGS } from './connection.ts';
import type { Context } from './context.ts';
import { complexityError, MAX_DEPTH, MAX_NODES, NODE } from './limits.ts';
import { NODE_OPTIONS } from './node.ts';

/** The schema under construction. It knows no type of the domain: those are in their own files. */
export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  Scalars: {
    ID: { Input: string; Output: string | number };
    DateTime: { Input: Date; Output: Date };
    Cursor: { Input: string; Output: string };
  };
}>({
  plugins: [ComplexityPlugin, ErrorsPlugin, RelayPlugin],
  defaultFieldNullability: false,
  complexity: {
    defaultComplexity: 0,
    defaultListMultiplier: 1,
    // Less than one more node: fields other than nodes weigh next to nothing.
    limit: { complexity: (MAX_NODES + 1) * NODE - 1, depth: MAX_DEPTH },
    complexityError,
  },
  errors: { directResult: true, defaultTypes: [] },
  relay: {
    cursorType: 'String',
    ...NODE_OPTIONS,
    firstArgOptions: { description: PAGE_ARGS.first },
    afterArgOptions: { description: PAGE_ARGS.after },
    lastArgOptions: { description: PAGE_ARGS.last },
    beforeArgOptions: { description: PAGE_ARGS.before },
    nodeTypeOptions: { description: 'An object with an id of its own, by which `node` reads it again.' },
    idFieldOptions: { description: 'An id that is unique in the app, for `node` and for caches.' },
    edgesFieldOptions: { description: 'The items of the page, in order, each with its cursor.', nullable: false },
    nodeFieldOptions: { description: 'The item.', nullable: false },
    cursorFieldOptions: { description: 'The position of the item in this list, for `after` and `before`.' },
    pageInfoFieldOptions: { description: 'Where the page begins and ends, and whether there are items before and after it.' },
    pageInfoTypeOptions: { description: 'Where a page begins and ends, and whether there are items before and after it.' },
    hasNextPageFieldOptions: { description: 'Whether items follow this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether items come before this page.' },
    startCursorFieldOptions: { description: 'The cursor of the first item; null: the page is empty.' },
    endCursorFieldOptions: { description: 'The cursor of the last item; null: the page is empty.' },
  },
});

builder.queryType({ description: 'What can be read. Needs a token with the scope READ.' });
builder.mutationType({ description: 'The operations. Each is one transaction: it happens as a whole or not at all.' });

builder.scalarType('DateTime', {
  description: "A time by the database's clock: RFC 3339 in UTC with milliseconds, like `2026-01-31T12:00:00.000Z`.",
  serialize: (value) => (value as Date).toISOString(),
  parseValue: (value) => {
    const time = typeof value === 'string' ? new Date(value) : undefined;
    if (!time || Number.isNaN(time.getTime())) throw new GraphQLError('DateTime must be an RFC 3339 string');
    return time;
  },
});

builder.scalarType('Cursor', {
  description: 'A position in a change stream, opaque and URL-safe. Not the cursor of a page.',
  serialize: (value) => String(value),
  parseValue: (value) => {
    if (typeof value !== 'string') throw new GraphQLError('Cursor must be a string');
    return value;
  },
  parseLiteral: (node) => {
    if (node.kind !== Kind.STRING) throw new GraphQLError('Cursor must be a string');
    return node.value;
  },
});
