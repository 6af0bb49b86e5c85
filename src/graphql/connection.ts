import type { Page } from '../model/page.ts';
import type { Pace } from './pace.ts';

/** A page as Relay's connection. What lies around the page is found out only when it is asked for. */
export function connectionOf<T>({ items, cursorOf, hasNextPage, hasPreviousPage }: Page<T>, { pace }: { pace: Pace }) {
  const edges = items.map((node) => ({ node, cursor: cursorOf(node) }));
  return {
    edges: pace.of(edges),
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
