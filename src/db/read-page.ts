import type { PageBound, PageRequest } from '../model/page.ts';
import type { Sql } from './sql.ts';
import { type Columns, int4, int8, type RowOf } from './types.ts';
import { beyond, bound, type Keyset, orderBy, type Where } from './where.ts';

/** The rows of a page in reading order, one more than `limit` if there are more. */
export async function readPage<const C extends Columns>(
  sql: Sql,
  all: Where,
  order: Keyset,
  { after, before, backward, limit }: PageRequest,
  columns: C,
  select: (where: string, orderAndLimit: string) => string,
): Promise<RowOf<C>[]> {
  let where = all;
  if (after) where = beyond(where, order, after, false);
  if (before) where = beyond(where, order, before, true);
  if (backward) where = where.and('last', () => 'true');
  return where.query(
    sql,
    columns,
    (text, rows) => select(text, `order by ${orderBy(order, backward)} limit ${rows}`),
    bound(int8, limit + 1),
  );
}

/** Whether there is an item at a bound or beyond it, outside the page. */
export async function existsBeyond(
  sql: Sql,
  all: Where,
  order: Keyset,
  side: 'atOrBefore' | 'atOrAfter',
  key: PageBound,
  from: string,
): Promise<boolean> {
  const back = side === 'atOrBefore';
  const where = beyond(all, order, key, back, true);
  // By the order's index, from the bound on: with `exists` PostgreSQL ignores the order and may scan the whole table.
  const [row] = await where.query(
    sql,
    { found: int4 },
    (text) => `select 1 as found from ${from} where ${text} order by ${orderBy(order, back)} limit 1`,
  );
  return row !== undefined;
}
