import type { Columns, SqlType, ValueOf } from './types.ts';

/** A table's columns by the names that Prisma's schema gives them: each with its name in the database and its type. */
export type Table = Readonly<Record<string, readonly [column: string, type: SqlType]>>;

type ColumnOf<T extends Table, Field extends keyof T> = T[Field] extends readonly [infer Name extends string, SqlType]
  ? Name
  : never;
/** The columns as a statement returns them. */
export type PickedColumns<T extends Table, Field extends keyof T> = { readonly [F in Field as ColumnOf<T, F>]: T[F][1] };
/** A decoded row: a value under each of Prisma's names. */
export type RecordOf<T extends Table, Field extends keyof T = keyof T> = { [F in Field]: ValueOf<T[F][1]> };

/** Some columns of a table. */
export interface Picked<T extends Table, Field extends keyof T> {
  /** For a select list. */
  readonly list: string;
  readonly columns: PickedColumns<T, Field>;
  /** Reads these columns of a row under Prisma's names, and leaves out its other columns. */
  readonly decode: (row: { [F in Field as ColumnOf<T, F>]: ValueOf<T[F][1]> }) => RecordOf<T, Field>;
}

/** @param alias what the statement calls the table; '' where it needs no name */
export function pick<T extends Table, Field extends keyof T & string>(
  table: T,
  alias: string,
  fields: readonly Field[],
): Picked<T, Field> {
  const names = fields.map((field) => [field, (table[field] as Table[string])[0]] as const);
  const prefix = alias && `${alias}.`;
  return {
    list: names.map(([, column]) => `${prefix}${column}`).join(', '),
    columns: Object.fromEntries(fields.map((field) => table[field] as Table[string])) as Columns as PickedColumns<T, Field>,
    decode: (row) => {
      const record: Record<string, unknown> = {};
      for (const [field, column] of names) record[field] = (row as Record<string, unknown>)[column];
      return record as RecordOf<T, Field>;
    },
  };
}
