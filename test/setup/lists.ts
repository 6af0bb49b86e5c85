/** The expected pages of a list, computed from the whole list. */
import fc from 'fast-check';
import type { Answer } from './gateway.ts';

export type PageSize = { first?: number; last?: number };

/** Relay's arguments, with indexes into the whole list instead of cursors. */
export interface ModelArgs extends PageSize {
  after?: number;
  before?: number;
}

export interface ModelPage<T> {
  items: T[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
}

export const DEFAULT_PAGE = 50;

/**
 * The expected page of a list. A cursor may be of an item that the filter leaves out; the page still begins after it. Before and
 * after an empty page are the items that its cursors cut off.
 */
export function modelPage<T>(all: readonly T[], included: (item: T) => boolean, args: ModelArgs): ModelPage<T> {
  const { first, last, after = -1, before = all.length } = args;
  const listed = all.map((item, place) => ({ item, place })).filter(({ item }) => included(item));
  const between = listed.filter(({ place }) => place > after && place < before);
  const page = last === undefined ? between.slice(0, first ?? DEFAULT_PAGE) : between.slice(-last);
  const from = page[0]?.place ?? after + 1;
  const to = page.at(-1)?.place ?? before - 1;
  return {
    items: page.map(({ item }) => item),
    hasPreviousPage: listed.some(({ place }) => place < from),
    hasNextPage: listed.some(({ place }) => place > to),
  };
}

/** By code point, as the gateway compares everywhere: in UTF-16 order U+FF5E comes after U+1F600. */
export function compareText(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0));
  const place = left?.findIndex((point, index) => point !== right?.[index]) ?? -1;
  return place < 0 ? a.length - b.length : (left?.[place] ?? 0) - (right?.[place] ?? -1);
}

/** Arguments of a page of a list with at most `size` items. */
export function pageArgs(size: number): fc.Arbitrary<ModelArgs> {
  const place = fc.option(fc.nat(Math.max(0, size - 1)), { nil: undefined, freq: 2 });
  const length = fc.oneof(fc.integer({ min: 1, max: size + 2 }), fc.integer({ min: 1, max: 4 }));
  const pageSize: fc.Arbitrary<PageSize> = fc.oneof(fc.constant({}), fc.record({ first: length }), fc.record({ last: length }));
  const cursors = size === 0 ? fc.constant({}) : fc.record({ after: place, before: place });
  return fc.tuple(pageSize, cursors).map(([lengths, places]) => ({ ...lengths, ...places }));
}

/** A cursor made by hand, in the gateway's form. */
export function forgedCursor(...parts: unknown[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The paths of the issues of an answer whose only error is INVALID_INPUT. */
export function issuePaths(answer: Answer): string[] {
  const [error, ...others] = answer.errors ?? [];
  const { code, issues } = error?.extensions ?? {};
  if (code !== 'INVALID_INPUT' || others.length > 0) throw new Error(`Not one INVALID_INPUT: ${JSON.stringify(answer)}`);
  return (issues as { path: string[] }[]).map(({ path }) => path.join('.'));
}
