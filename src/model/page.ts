import { invalid, type Path } from './issues.ts';

/** Relay's arguments of a list. */
export interface PageArgs {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 1_000;

/** A page cursor holds the order value and the key of an item, or the key alone where it is the order. */
export type PageKey = readonly (string | number)[];
/** The same as a statement takes it: times as dates. */
export type PageBound = readonly (string | number | Date)[];

// Times end with the year 9999: up to there both drivers and PostgreSQL write them the same way.
const LARGEST = { n: Number.MAX_SAFE_INTEGER, i: 2 ** 31 - 1, t: Date.UTC(10_000, 0) - 1 };

/** A page to be read: `limit` items from one end, between two keys. */
export interface PageRequest {
  limit: number;
  /** Read from the end of the list, or of what lies before `before`. */
  backward: boolean;
  after?: PageBound;
  before?: PageBound;
}

export interface Page<T> {
  items: T[];
  cursorOf: (item: T) => string;
  /** Both are exact; the one that cannot be told from the page itself runs a statement when it is called. */
  hasNextPage: () => boolean | Promise<boolean>;
  hasPreviousPage: () => boolean | Promise<boolean>;
}

/** How many items a page may have: for limits before anything is read. */
export function pageSize({ first, last }: PageArgs): number {
  return Math.min(Math.max(first ?? last ?? DEFAULT_PAGE, 0), MAX_PAGE);
}

/** The opaque form of a page cursor. `list` names the list, so that the cursor of another one is refused. */
export function encodePageCursor(list: string, key: PageKey): string {
  return Buffer.from(JSON.stringify([list, ...key])).toString('base64url');
}

/** @throws InvalidInputError for a cursor that is malformed or of another list */
function decodePageCursor(list: string, shape: string, cursor: string, path: Path): PageBound {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    parts = undefined;
  }
  const valid =
    Array.isArray(parts) &&
    parts.length === shape.length + 1 &&
    parts[0] === list &&
    encodePageCursor(list, parts.slice(1)) === cursor &&
    [...shape].every((kind, index) => {
      const part: unknown = (parts as unknown[])[index + 1];
      if (kind === 's') return typeof part === 'string' && part.isWellFormed() && !part.includes('\0');
      return Number.isSafeInteger(part) && (part as number) >= 0 && (part as number) <= LARGEST[kind as keyof typeof LARGEST];
    });
  if (!valid) invalid(path, 'is no cursor of this list');
  return (parts as (string | number)[]).slice(1).map((part, index) => (shape[index] === 't' ? new Date(part) : part));
}

/**
 * Reads the arguments of a list.
 * @param list the list's name in its cursors
 * @param shape one letter for each part of a key: n, a number; i, one of 32 bits; t, a time in milliseconds; s, a string
 * @throws InvalidInputError
 */
export function pageRequest(args: PageArgs, list: string, shape: string, path: Path = []): PageRequest {
  const { first, last, after, before } = args;
  if (first != null && last != null) invalid([...path, 'last'], 'cannot be given together with first');
  for (const [name, size] of Object.entries({ first, last })) {
    if (size != null && (size < 1 || size > MAX_PAGE)) invalid([...path, name], `must be from 1 to ${MAX_PAGE}`);
  }
  const key = (name: 'after' | 'before', cursor: string | null | undefined) =>
    cursor == null ? undefined : decodePageCursor(list, shape, cursor, [...path, name]);
  return {
    limit: first ?? last ?? DEFAULT_PAGE,
    backward: last != null,
    after: key('after', after),
    before: key('before', before),
  };
}

/**
 * Makes a page of rows in the order in which they were read, one more than `limit` if there are more.
 * @param exists whether an item lies at or beyond a bound, outside the page
 */
export function pageOf<T>(
  rows: readonly T[],
  { limit, backward, after, before }: PageRequest,
  exists: (side: 'atOrBefore' | 'atOrAfter', key: PageBound) => Promise<boolean>,
): Omit<Page<T>, 'cursorOf'> {
  const items = rows.slice(0, limit);
  if (backward) items.reverse();
  const more = () => rows.length > limit;
  const itemsBefore = () => (after ? exists('atOrBefore', after) : false);
  const itemsAfter = () => (before ? exists('atOrAfter', before) : false);
  return backward
    ? { items, hasPreviousPage: () => more() || itemsBefore(), hasNextPage: itemsAfter }
    : { items, hasNextPage: () => more() || itemsAfter(), hasPreviousPage: itemsBefore };
}
