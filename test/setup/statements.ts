/** Every statement of src: loads them all, and describes each as it is registered and as the database reports it. */
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PGlite } from '@electric-sql/pglite';
import * as types from '../../src/db/types.ts';

const SRC = new URL('../../src/', import.meta.url);
/** Modules that start to work when they are loaded. */
const ENTRIES = ['main.ts', 'app.ts'];

/** Loads every module of src, so that every statement is registered. */
export async function loadStatements(): Promise<void> {
  const files = globSync('**/*.ts', { cwd: fileURLToPath(SRC), exclude: ['generated/**', ...ENTRIES] });
  await Promise.all(files.map((file) => import(new URL(file, SRC).href)));
}

const isType = (value: unknown): value is types.SqlType => typeof value === 'object' && value !== null && 'oid' in value;

/** All types that statements are registered with. */
export const SQL_TYPES: readonly types.SqlType[] = [...Object.values(types).filter(isType), types.json(), types.jsonb()];

/** The types of a statement's parameters, and its columns with theirs. Not whether they may be null: the database does not report that. */
export interface Signature {
  parameters: string[];
  columns: string[];
}

function signature(parameters: readonly number[], columns: readonly (readonly [name: string, oid: number])[]): Signature {
  const typeOf = (oid: number) => SQL_TYPES.find((type) => type.oid === oid)?.name ?? `a type with the oid ${oid}`;
  return { parameters: parameters.map(typeOf), columns: columns.map(([name, oid]) => `${name} ${typeOf(oid)}`) };
}

/** As it is registered. */
export function ownSignature({
  parameters,
  columns,
}: {
  parameters: readonly types.SqlType[];
  columns: types.Columns;
}): Signature {
  return signature(
    parameters.map(({ oid }) => oid),
    Object.entries(columns).map(([name, { oid }]) => [name, oid]),
  );
}

/** As the database describes its text. */
export async function describedSignature(pglite: PGlite, text: string): Promise<Signature> {
  const { queryParams, resultFields } = await pglite.describeQuery(text);
  return signature(
    queryParams.map(({ dataTypeID }) => dataTypeID),
    resultFields.map(({ name, dataTypeID }) => [name, dataTypeID]),
  );
}
