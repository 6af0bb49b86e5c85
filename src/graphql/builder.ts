import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import { GraphQLError, Kind } from 'graphql';
import { PAGE_ARGS } from './connection.ts';
import type { Context } from './context.ts';
import { NODE_OPTIONS } from './node.ts';
import { priced } from './price/field-price.ts';

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
  plugins: [ErrorsPlugin, RelayPlugin],
  defaultFieldNullability: false,
  errors: { directResult: true, defaultTypes: [] },
  relay: {
    cursorType: 'String',
    ...NODE_OPTIONS,
    firstArgOptions: { description: PAGE_ARGS.first },
    afterArgOptions: { description: PAGE_ARGS.after },
    lastArgOptions: { description: PAGE_ARGS.last },
    beforeArgOptions: { description: PAGE_ARGS.before },
    nodeTypeOptions: { description: 'An object with an id of its own, to be read again by `node`.' },
    idFieldOptions: { description: 'Unique among all objects of the app; for `node` and for caches.' },
    edgesFieldOptions: {
      description: 'The items of the page, in order, each with its cursor.',
      nullable: false,
      extensions: priced({ items: 'page' }),
    },
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
