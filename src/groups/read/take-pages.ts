import { MAX_PAGE, type Page, type PageArgs } from '../../model/page.ts';

/** The first `count` items of a list after a page cursor, read a page at a time. */
export async function takePages<T>(
  count: number,
  after: string | undefined,
  read: (args: PageArgs) => Promise<Page<T>>,
): Promise<T[]> {
  const taken: T[] = [];
  for (let cursor = after; ; ) {
    const first = Math.min(count - taken.length, MAX_PAGE);
    const { items, cursorOf } = await read({ first, after: cursor });
    taken.push(...items);
    const last = items.at(-1);
    if (!last || items.length < first || taken.length >= count) return taken;
    cursor = cursorOf(last);
  }
}
