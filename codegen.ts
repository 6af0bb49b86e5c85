/**
 * `node codegen.ts` writes schema.graphql, and the typed operations of tests and examples from it.
 * `node codegen.ts operations` writes only the latter; `node codegen.ts check` fails when schema.graphql is out of date.
 */
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { parse, printSchema } from 'graphql';

const SCHEMA = new URL('schema.graphql', import.meta.url);
const OPERATIONS = new URL('src/generated/operations.ts', import.meta.url);
const DOCUMENTS = ['examples/**/*.graphql', 'test/**/*.graphql'];
const HEADER = '# Written by `npm run generate` from src/graphql. Do not edit.\n\n';

async function printed(): Promise<string> {
  const { schema } = await import('./src/graphql/schema.ts');
  return `${HEADER}${printSchema(schema)}\n`;
}

async function writeOperations(): Promise<void> {
  const documents = [];
  for await (const location of glob(DOCUMENTS)) documents.push({ location, document: parse(await readFile(location, 'utf8')) });
  documents.sort((a, b) => (a.location < b.location ? -1 : 1));
  const config = {
    useTypeImports: true,
    enumsAsTypes: true,
    scalars: { ID: 'string', DateTime: 'string', Cursor: 'string' },
    skipTypename: false,
  };
  const output = await codegen({
    filename: OPERATIONS.pathname,
    schema: parse(await readFile(SCHEMA, 'utf8')),
    documents,
    config,
    plugins: [{ typescriptOperations: {} }, { typedDocumentNode: {} }],
    pluginMap: { typescriptOperations, typedDocumentNode },
  });
  await mkdir(new URL('.', OPERATIONS), { recursive: true });
  await writeFile(OPERATIONS, output);
}

process.chdir(import.meta.dirname);
const mode = process.argv[2];
if (mode === 'check') {
  if ((await readFile(SCHEMA, 'utf8')) !== (await printed())) {
    console.error('schema.graphql is out of date: run `npm run generate` and commit it');
    process.exit(1);
  }
} else {
  if (mode !== 'operations') await writeFile(SCHEMA, await printed());
  await writeOperations();
}
