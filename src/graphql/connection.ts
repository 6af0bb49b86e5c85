import type { Page } from '../model/page.ts';

/** A page as Relay's connection. Whether there are items before and after it is read only if it is selected. */
export function connectionOf<T>({ items, cursorOf, hasNextPage, hasPreviousPage }: Page<T>) {
  const edges = items.map((node) => ({ node, cursor: cursorOf(node) }));
  return {
    edges,
    pageInfo: {
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
      // graphql-js calls a property that is a function.
      hasNextPage: hasNextPage as unknown as boolean,
      hasPreviousPage: hasPreviousPage as unknown as boolean,
    },
  };
}

/** Descriptions of Relay's arguments, the same in every list. */
export const PAGE_ARGS = {
  first: 'How many items from the beginning, 1 to 1,000; default 50. Not together with `last`.',
  after: 'A cursor of this list: only items after it.',
  last: 'How many items from the end, 1 to 1,000. Not together with `first`.',
  before: 'A cursor of this list: only items before it.',
};
