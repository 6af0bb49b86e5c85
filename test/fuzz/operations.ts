import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
  OperationTypeNode,
} from 'graphql';
import type { Random } from '../soak/random.ts';
import type { Names } from './names.ts';
import { literalOf, Values } from './values.ts';

export interface Operation {
  query: string;
  variables: Record<string, unknown>;
  operationName?: string;
  kind: OperationTypeNode;
}

const KINDS: readonly OperationTypeNode[] = [
  ...Array<OperationTypeNode>(6).fill(OperationTypeNode.QUERY),
  ...Array<OperationTypeNode>(3).fill(OperationTypeNode.MUTATION),
  OperationTypeNode.SUBSCRIPTION,
];
const MOST_FIELDS = 40;

/** Writes an operation of a schema. Most are valid; whether their values are, `Values` decides. */
export function generateOperation(schema: GraphQLSchema, random: Random, names: Names, kind = random.pick(KINDS)): Operation {
  return new OperationWriter(schema, random, names).write(kind);
}

class OperationWriter {
  readonly #schema: GraphQLSchema;
  readonly #random: Random;
  readonly #values: Values;
  readonly #fragments = new Map<string, { on: string; text: string }>();
  readonly #definitions: string[] = [];
  readonly #variables: Record<string, unknown> = {};
  #aliases = 0;
  #left = MOST_FIELDS;

  constructor(schema: GraphQLSchema, random: Random, names: Names) {
    this.#schema = schema;
    this.#random = random;
    this.#values = new Values(random, names, random.chance(0.7) ? 0 : 0.1);
  }

  write(kind: OperationTypeNode): Operation {
    const random = this.#random;
    const root = this.#schema.getRootType(kind);
    if (!root) throw new Error(`The schema has no ${kind}`);
    const fields = Object.values(root.getFields());
    const count = kind === OperationTypeNode.SUBSCRIPTION ? 1 : random.between(1, 3);
    const depth = random.between(1, 5);
    const chosen = Array.from({ length: count }, () => this.#field(random.pick(fields), depth));
    if (kind === OperationTypeNode.QUERY && random.chance(0.15)) chosen.push(this.#introspection());
    const selection = random.chance(0.1) ? `...${this.#fragment(root.name, chosen.join(' '))}` : chosen.join(' ');
    const name = random.chance(0.5) ? 'Named' : '';
    const definitions = this.#definitions.length > 0 ? `(${this.#definitions.join(', ')})` : '';
    const directive = random.chance(0.02) ? ' @skip(if: true)' : '';
    const operation = `${kind} ${name}${definitions}${directive} { ${selection} }`;
    const fragments = [...this.#fragments].map(([each, { on, text }]) => `fragment ${each} on ${on} { ${text} }`);
    const others = name && random.chance(0.1) ? ['query Other { __typename }'] : [];
    const query = [operation, ...fragments, ...others].join(random.pick([' ', '\n', '\n# comment\n', ', ']));
    return { query, variables: this.#variables, ...(name && random.chance(0.7) ? { operationName: name } : {}), kind };
  }

  #introspection(): string {
    const TYPE = '{ name kind fields { name type { name ofType { name } } } possibleTypes { name } }';
    return this.#random.pick([
      '__typename',
      `__type(name: "Group") ${TYPE}`,
      '__schema { queryType { name } directives { name args { name } } }',
      `__schema { types ${TYPE} }`,
      '__type(name: "__proto__") { name }',
      '__schema { types { fields { type { fields { type { fields { name } } } } } } }',
    ]);
  }

  #field(field: GraphQLField<unknown, unknown>, depth: number): string {
    const random = this.#random;
    this.#left--;
    const args = field.args.filter((arg) => isRequiredArgument(arg) || random.chance(0.3)).map((arg) => this.#argument(arg));
    // Under one name there can be only what is the same.
    const alias = random.chance(args.length > 0 || depth < 5 ? 0.95 : 0.3) ? `a${this.#aliases++}: ` : '';
    const type = getNamedType(field.type);
    const below = isCompositeType(type) ? ` ${this.#selection(type, depth - 1)}` : '';
    return `${alias}${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}${this.#directives()}${below}`;
  }

  #argument({ name, type }: GraphQLArgument): string {
    if (this.#random.chance(0.35)) return `${name}: ${this.#variable(name, type)}`;
    const value = name === 'first' || name === 'last' ? this.#random.between(0, 5) : this.#values.of(type, name);
    return `${name}: ${literalOf(value, type)}`;
  }

  #variable(name: string, type: GraphQLInputType): string {
    const random = this.#random;
    const variable = `v${this.#definitions.length}`;
    const fallback = random.chance(0.15) ? ` = ${literalOf(this.#values.of(type, name), type)}` : '';
    // What is nullable but has a default may stand where null may not.
    const declared = fallback && random.chance(0.5) ? String(type).replace(/!$/, '') : type;
    this.#definitions.push(`$${variable}: ${declared}${fallback}`);
    if (declared !== type && random.chance(0.3)) this.#variables[variable] = null;
    else if (!random.chance(0.05)) this.#variables[variable] = this.#values.of(type, name);
    return `$${variable}`;
  }

  #directives(): string {
    const random = this.#random;
    if (random.chance(0.9)) return '';
    const name = random.pick(['skip', 'include']);
    if (random.chance(0.6)) return ` @${name}(if: ${random.chance(0.5)})`;
    const variable = `v${this.#definitions.length}`;
    this.#definitions.push(`$${variable}: ${random.pick(['Boolean!', 'Boolean!', 'Boolean = true', 'Boolean! = false'])}`);
    if (random.chance(0.9)) this.#variables[variable] = random.chance(0.8) ? random.chance(0.5) : this.#values.strange();
    return ` @${name}(if: $${variable})`;
  }

  #selection(type: GraphQLCompositeType, depth: number): string {
    const random = this.#random;
    if (depth <= 0 || this.#left <= 0) return '{ __typename }';
    const known = [...this.#fragments].filter(([, { on }]) => on === type.name).map(([name]) => name);
    if (known.length > 0 && random.chance(0.3)) return `{ ...${random.pick(known)} }`;
    const parts = random.chance(0.5) ? ['__typename'] : [];
    if (isObjectType(type) || isInterfaceType(type)) {
      const fields = Object.values(type.getFields());
      for (let n = random.between(1, 4); n > 0; n--) parts.push(this.#field(random.pick(fields), depth));
    }
    if (isUnionType(type) || isInterfaceType(type)) {
      for (const each of this.#schema.getPossibleTypes(type)) {
        if (random.chance(0.5)) parts.push(`... on ${each.name}${this.#directives()} ${this.#selection(each, depth)}`);
      }
    }
    if (random.chance(0.1)) parts.push(`...${this.#directives()} { __typename }`);
    const text = parts.join(random.pick([' ', '\n', ', '])) || '__typename';
    return random.chance(0.12) ? `{ ...${this.#fragment(type.name, text)}${this.#directives()} }` : `{ ${text} }`;
  }

  #fragment(on: string, text: string): string {
    const name = `F${this.#fragments.size}`;
    this.#fragments.set(name, { on, text });
    return name;
  }
}
