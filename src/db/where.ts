import { createHash } from 'node:crypto';
import type { Statement } from './sql.ts';

/**
 * The conditions of a statement that has several forms: its parameters, and a name that tells the forms apart.
 * `and` gives a new one.
 */
export class Where {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];

  constructor(name: string, text: string, values: readonly unknown[]) {
    this.name = name;
    this.text = text;
    this.values = values;
  }

  /** @param tag names the condition; forms with the same tags in the same order have the same text */
  and(tag: string, condition: (...parameters: string[]) => string, ...values: unknown[]): Where {
    const from = this.values.length + 1;
    const text = condition(...values.map((_, index) => `$${from + index}`));
    return new Where(`${this.name}_${tag}`, `${this.text} and ${text}`, [...this.values, ...values]);
  }

  /** The statement around the conditions; its own parameters come last, from `$next` on. */
  statement(build: (where: string, next: number) => string): Statement {
    return { name: shortName(this.name), text: build(this.text, this.values.length + 1) };
  }
}

/** The order of a keyset: its columns, all in one direction, the last of them unique. */
export interface Keyset {
  columns: readonly string[];
  descending: boolean;
}

/** What lies behind a key in reading order, or with `inclusive` at it too; `reverse` turns the direction around. */
export function beyond(where: Where, order: Keyset, key: readonly unknown[], reverse: boolean, inclusive = false): Where {
  const operator = `${order.descending !== reverse ? '<' : '>'}${inclusive ? '=' : ''}`;
  const tag = `${reverse ? 'up' : 'to'}${inclusive ? 'eq' : ''}`;
  return where.and(tag, (...parameters) => `(${order.columns.join(', ')}) ${operator} (${parameters.join(', ')})`, ...key);
}

export function orderBy(order: Keyset, reverse: boolean): string {
  return order.columns.map((column) => `${column} ${order.descending !== reverse ? 'desc' : 'asc'}`).join(', ');
}

const MAX_NAME = 63; // bytes, of a prepared statement

/** A name that is too long ends in its hash instead. */
function shortName(name: string): string {
  if (name.length <= MAX_NAME) return name;
  return `${name.slice(0, 46)}_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}
