import { readFile } from 'node:fs/promises';
import {
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  parse,
  print,
  printSchema,
} from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../../src/graphql/schema.ts';

const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));

/** `Type`, `Type.field`, `Type.field(argument:)`, `Enum.VALUE`, with what is said of each. */
function elementsOf(type: GraphQLNamedType): [string, string | null | undefined][] {
  const own: [string, string | null | undefined][] = [[type.name, type.description]];
  if (isEnumType(type)) for (const { name, description } of type.getValues()) own.push([`${type.name}.${name}`, description]);
  if (isInputObjectType(type))
    for (const { name, description } of Object.values(type.getFields())) own.push([`${type.name}.${name}`, description]);
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const { name, description, args } of Object.values(type.getFields())) {
      own.push([`${type.name}.${name}`, description]);
      for (const arg of args) own.push([`${type.name}.${name}(${arg.name}:)`, arg.description]);
    }
  }
  return own;
}

test('every element of the schema is described', () => {
  const elements = types.filter((type) => !isSpecifiedScalarType(type)).flatMap(elementsOf);
  expect(elements.length).toBeGreaterThan(400);
  expect(elements.filter(([, description]) => !description?.trim()).map(([name]) => name)).toEqual([]);
});

test('schema.graphql is the schema', async () => {
  const committed = await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8');
  expect(print(parse(committed))).toBe(print(parse(printSchema(schema))));
});
