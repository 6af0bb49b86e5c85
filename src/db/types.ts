/**
 * A PostgreSQL type, with the JavaScript type of its values. Statements declare their parameters and columns with these; the
 * test of all statements compares them with what the database reports.
 */
export interface SqlType<T = unknown> {
  /** Its name in PostgreSQL. */
  readonly name: string;
  /** Its object id in PostgreSQL. */
  readonly oid: number;
  /** Whether a value may be null: this comes from the schema, since the database does not report it for a statement. */
  readonly nullable: boolean;
  /** Never set: it carries the type of the values. */
  readonly values?: T;
}

function type<T>(name: string, oid: number): SqlType<T> {
  return { name, oid, nullable: false };
}

export const bool = type<boolean>('bool', 16);
export const bytea = type<Uint8Array>('bytea', 17);
/** Ours are all below 2⁵³. */
export const int8 = type<number>('int8', 20);
export const int2 = type<number>('int2', 21);
export const int4 = type<number>('int4', 23);
export const text = type<string>('text', 25);
export const varchar = type<string>('varchar', 1043);
export const float8 = type<number>('float8', 701);
export const date = type<Date>('timestamptz', 1184);
export const uuid = type<string>('uuid', 2950);
/** A name in the catalogs. */
export const catalogName = type<string>('name', 19);
/** The result of functions that are called for their effect. */
export const nothing = type<unknown>('void', 2278);

/** Parsed; as a parameter it is text. */
export const json = <T>() => type<T>('json', 114);
export const jsonb = <T>() => type<T>('jsonb', 3802);

export const boolArray = type<readonly boolean[]>('bool[]', 1000);
export const byteaArray = type<readonly Uint8Array[]>('bytea[]', 1001);
export const int2Array = type<readonly number[]>('int2[]', 1005);
export const int4Array = type<readonly number[]>('int4[]', 1007);
export const int8Array = type<readonly number[]>('int8[]', 1016);
export const textArray = type<readonly string[]>('text[]', 1009);
export const dateArray = type<readonly Date[]>('timestamptz[]', 1185);
export const uuidArray = type<readonly string[]>('uuid[]', 2951);

/** The same, and null. */
export function nullable<T>(of: SqlType<T>): SqlType<T | null> {
  return { ...of, nullable: true } as SqlType<T | null>;
}

/** The columns of a left join, which are all null where nothing matched. */
export function nullableColumns<C extends Columns>(columns: C) {
  return Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, nullable(type)])) as {
    readonly [Name in keyof C]: SqlType<ValueOf<C[Name]> | null>;
  };
}

/** What a type's values are in JavaScript. */
export type ValueOf<Type> = Type extends SqlType<infer T> ? T : never;

/** The columns of a statement's rows, in their order. */
export type Columns = Readonly<Record<string, SqlType>>;
export type RowOf<C extends Columns> = { -readonly [Name in keyof C]: ValueOf<C[Name]> };
/** The values for a statement's parameters. */
export type ValuesOf<P extends readonly SqlType[]> = { readonly [Index in keyof P]: ValueOf<P[Index]> };
