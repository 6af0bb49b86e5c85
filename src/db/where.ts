import { createHash } from 'node:crypto';
import type { Sql, Statement } from './sql.ts';
import { type Columns, type RowOf, type SqlType, text } from './types.ts';

/** A value for a parameter, with its type. */
export interface Bound {
  readonly type: SqlType;
  readonly value: unknown;
}

export function bound<T>(type: SqlType<T>, value: NoInfer<T>): Bound {
  return { type, value };
}

const registered = new Set<string>();

/** The families of the loaded modules: the beginnings of the names of all statements with several forms. */
export const registeredFamilies: ReadonlySet<string> = registered;

/** Registers a statement with several forms: all of their names begin with `name`. */
export function family(name: string): { readonly family: string } {
  registered.add(name);
  return { family: name };
}

/**
 * The conditions of a statement that has several forms: its parameters, and a name that distinguishes the forms.
 * `and` returns a new one.
 */
export class Where {
  readonly family: string;
  readonly name: string;
  readonly text: string;
  readonly bound: readonly Bound[];

  /** @param form distinguishes forms that begin with different conditions; '' if all begin with the same */
  constructor({ family }: { readonly family: string }, form: string, text: string, ...values: readonly Bound[]) {
    this.family = family;
    this.name = form ? `${family}_${form}` : family;
    this.text = text;
    this.bound = values;
  }

  /** @param tag names the condition; forms with the same tags in the same order have the same text */
  and(tag: string, condition: (...parameters: string[]) => string, ...values: readonly Bound[]): Where {
    const text = `${this.text} and ${condition(...this.#parameters(values))}`;
    const form = `${this.name}_${tag}`.slice(this.family.length + 1);
    return new Where(this, form, text, ...this.bound, ...values);
  }

  /** Runs the statement around the conditions; the values of its own parameters come after theirs. */
  query<const C extends Columns>(
    sql: Sql,
    columns: C,
    build: (where: string, ...parameters: string[]) => string,
    ...own: readonly Bound[]
  ): Promise<RowOf<C>[]> {
    const all = [...this.bound, ...own];
    const statement: Statement<readonly unknown[], RowOf<C>> = {
      name: shortName(this.name),
      text: build(this.text, ...this.#parameters(own)),
      parameters: all.map(({ type }) => type),
      columns,
      family: this.family,
    };
    return sql.query(
      statement,
      all.map(({ value }) => value),
    );
  }

  #parameters(values: readonly Bound[]): string[] {
    return values.map((_, index) => `$${this.bound.length + index + 1}`);
  }
}

/** The order of a keyset: its columns with their types, all in one direction, the last of them unique. */
export interface Keyset {
  columns: readonly (readonly [column: string, type: SqlType])[];
  descending: boolean;
}

/** What comes after a key in reading order, or with `inclusive` at it too; `reverse` turns the direction around. */
export function beyond(where: Where, order: Keyset, key: readonly unknown[], reverse: boolean, inclusive = false): Where {
  const operator = `${order.descending !== reverse ? '<' : '>'}${inclusive ? '=' : ''}`;
  const tag = `${reverse ? 'up' : 'to'}${inclusive ? 'eq' : ''}`;
  const columns = order.columns.map(([column]) => column).join(', ');
  const values = order.columns.map(([, type], index): Bound => ({ type, value: key[index] }));
  return where.and(tag, (...parameters) => `(${columns}) ${operator} (${parameters.join(', ')})`, ...values);
}

export function orderBy(order: Keyset, reverse: boolean): string {
  return order.columns.map(([column]) => `${column} ${order.descending !== reverse ? 'desc' : 'asc'}`).join(', ');
}

/** Of a column whose order is that of code points, the values that begin with a prefix, as a range of its index. */
export function startingWith(where: Where, column: string, prefix: string): Where {
  if (prefix === '') return where;
  const end = endOfPrefix(prefix);
  const result = where.and('from', (first) => `${column} >= ${first}`, bound(text, prefix));
  return end === undefined ? result : result.and('until', (before) => `${column} < ${before}`, bound(text, end));
}

/** The first string, by code point, after all those that begin with the prefix. */
function endOfPrefix(prefix: string): string | undefined {
  const points = [...prefix];
  while (points.length > 0) {
    const last = (points.pop() as string).codePointAt(0) as number;
    if (last < 0x10ffff) return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

const MAX_NAME = 63; // bytes, of a prepared statement

/** A name that is too long ends in its hash instead. */
function shortName(name: string): string {
  if (name.length <= MAX_NAME) return name;
  return `${name.slice(0, 46)}_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}
