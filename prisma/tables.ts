/**
 * A generator of `prisma generate`: writes src/generated/tables.ts, the columns of every table with their types. `pick` of
 * src/db/table.ts makes column lists, row types and decoders of them. BigInt is `int8`, a number in JavaScript: all of ours
 * stay below 2⁵³.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import helper, { type DMMF } from '@prisma/generator-helper';

const TYPES: Record<string, string> = {
  BigInt: 'int8',
  Boolean: 'bool',
  Bytes: 'bytea',
  DateTime: 'date',
  Int: 'int4',
  Json: 'jsonb<object>()',
  String: 'text',
};
const NATIVE_TYPES: Record<string, string> = { SmallInt: 'int2', Timestamptz: 'date', Uuid: 'uuid' };

function typeOf({ name, type, nativeType, isRequired, isList }: DMMF.Field): string {
  const known = nativeType ? NATIVE_TYPES[nativeType[0]] : TYPES[type];
  if (!known || isList) throw new Error(`prisma/tables.ts does not know the type of ${name}`);
  return isRequired ? known : `nullable(${known})`;
}

function tableOf({ name, dbName, fields, documentation }: DMMF.Model): string {
  const columns = fields.filter(({ kind }) => kind === 'scalar');
  const lines = columns.map((field) => `  ${field.name}: ['${field.dbName ?? field.name}', ${typeOf(field)}],`);
  const comment = documentation ? `/** ${documentation.replaceAll('\n', ' ')} */\n` : '';
  return `${comment}export const ${camelCase(dbName ?? name)} = {\n${lines.join('\n')}\n} as const satisfies Table;`;
}

const camelCase = (table: string) => table.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

helper.generatorHandler({
  onManifest: () => ({ prettyName: 'the tables for SQL', defaultOutput: '../src/generated/tables.ts' }),
  onGenerate: async ({ dmmf, generator }) => {
    const tables = dmmf.datamodel.models.map(tableOf).join('\n\n');
    const types = [...new Set(tables.match(/\b(int2|int4|int8|bool|bytea|date|jsonb|text|uuid|nullable)\b(?=[,(<\]])/g))].sort();
    const file = generator.output?.value as string;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      `// Written by \`npm run generate\` from prisma/schema.prisma. Do not edit.
import type { Table } from '../db/table.ts';
import { ${types.join(', ')} } from '../db/types.ts';

${tables}
`,
    );
  },
});
