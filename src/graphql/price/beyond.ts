import { FIELDS_A_POINT } from '../../model/points.ts';
import type { Price } from './price.ts';

/**
 * The points that an answer is worth besides those of the price, where lists turned out longer than they usually are: 1 for every
 * 100 of its fields that are more.
 * @param data of an operation that was carried out; null: nothing came of it
 */
export function pointsBeyond({ fields, usualFields }: Pick<Price, 'fields' | 'usualFields'>, data: unknown): number {
  return fields > usualFields ? Math.max(0, Math.floor((fieldsIn(data) - usualFields) / FIELDS_A_POINT)) : 0;
}

function fieldsIn(data: unknown): number {
  let count = 0;
  const rest: unknown[] = [data];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next !== 'object' || next === null) continue;
    const values = Object.values(next);
    if (!Array.isArray(next)) count += values.length;
    for (const value of values) if (typeof value === 'object') rest.push(value);
  }
  return count;
}
