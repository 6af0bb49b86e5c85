/** Writes operations that select everything below a field of the schema, up to a depth. */
import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

export interface Everything {
  document: string;
  /** `Type.field` of every selected field. */
  fields: string[];
}

export type Kind = 'query' | 'mutation' | 'subscription';

export function rootFields(schema: GraphQLSchema, kind: Kind): GraphQLField<unknown, unknown>[] {
  const root = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() }[
    kind
  ];
  return Object.values(root?.getFields() ?? {});
}

/**
 * @param values literals for arguments, by `field.argument` or the argument's name; '' leaves it out; a required argument without a value is an error
 * @param skip fields, by `Type.field`, that are not selected
 */
export function everythingBelow(
  schema: GraphQLSchema,
  kind: Kind,
  field: GraphQLField<unknown, unknown>,
  values: Record<string, string>,
  { depth = 6, skip = [] as string[] } = {},
): Everything {
  const fields = new Set<string>();
  const argumentsOf = (name: string, args: readonly GraphQLArgument[]) => {
    const given = args.flatMap((arg) => {
      const value = values[`${name}.${arg.name}`] ?? values[arg.name];
      if (value === undefined && isRequiredArgument(arg)) throw new Error(`No value for ${name}.${arg.name}`);
      return value === undefined || value === '' ? [] : [`${arg.name}: ${value}`];
    });
    return given.length > 0 ? `(${given.join(', ')})` : '';
  };
  const select = (type: GraphQLCompositeType, left: number): string => {
    const types = isObjectType(type) ? [type] : schema.getPossibleTypes(type);
    return `{ __typename ${types.map((each) => `... on ${each.name} { __typename ${selectObject(each, left)} }`).join(' ')} }`;
  };
  const selectObject = (type: GraphQLObjectType, left: number): string =>
    Object.values(type.getFields())
      .map((each) => {
        const name = `${type.name}.${each.name}`;
        const below = getNamedType(each.type);
        if (skip.includes(name) || (isCompositeType(below) && left === 0)) return '';
        fields.add(name);
        // By the type too: fields with the same name may have different types.
        const alias = `${type.name}_${each.name}: ${each.name}${argumentsOf(each.name, each.args)}`;
        return isCompositeType(below) ? `${alias} ${select(below, left - 1)}` : alias;
      })
      .join(' ');
  const type = getNamedType(field.type);
  const below = isCompositeType(type) ? select(type, depth) : '';
  const document = `${kind} { ${field.name}${argumentsOf(field.name, field.args)} ${below} }`;
  const root = { query: 'Query', mutation: 'Mutation', subscription: 'Subscription' }[kind];
  return { document, fields: [`${root}.${field.name}`, ...fields] };
}
