import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getNamedType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from 'graphql';
import { plus, type Volume, volume } from './amount.ts';
import { leafBytes, nameBytes } from './bytes.ts';
import { isSelected, type Sent, sentArg } from './sent.ts';
import { WEIGHTS } from './weights.ts';

/** Parts of the schema that a selection is resolved on, each as often as it is. */
class Population {
  readonly size: number;
  readonly #parts: ReadonlyMap<object, number>;
  readonly #followed = new Map<string, { found: Population; values: number }>();
  readonly known = new Map<SelectionSetNode, Volume>();

  constructor(parts: ReadonlyMap<object, number>) {
    this.#parts = parts;
    this.size = [...parts.values()].reduce((total, times) => total + times, 0);
  }

  get distinct(): number {
    return this.#parts.size;
  }

  /** What a field returns of all of them, found out by its own resolver; deprecated parts too. */
  follow(field: GraphQLField<unknown, unknown>, schema: GraphQLSchema): { found: Population; values: number } {
    let followed = this.#followed.get(field.name);
    if (followed) return followed;
    const parts = new Map<object, number>();
    // Its resolvers look at nothing else.
    const info = { schema } as GraphQLResolveInfo;
    let values = 0;
    for (const [part, times] of this.#parts) {
      const value: unknown = field.resolve?.(part, { includeDeprecated: true }, undefined, info);
      for (const item of Array.isArray(value) ? value : [value]) {
        values += times;
        if (typeof item === 'object' && item !== null) parts.set(item, (parts.get(item) ?? 0) + times);
      }
    }
    followed = { found: new Population(parts), values };
    this.#followed.set(field.name, followed);
    return followed;
  }
}

/** How many steps the walk itself may take. Who needs more asks for more fields than anyone may. */
const MOST_STEPS = 1_000_000;

/** Prices what is asked about the schema, by the schema itself: not a bound but what its execution comes to. */
export class IntrospectionPrice {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #sent: Sent;
  #steps = 0;

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>, sent: Sent) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#sent = sent;
  }

  /** What `__schema` or `__type` comes to, itself included. */
  of(node: FieldNode): Volume {
    const meta = node.name.value === '__schema' ? SchemaMetaFieldDef : TypeMetaFieldDef;
    const type = getNamedType(meta.type);
    const own = volume({ fields: 1 + WEIGHTS.schema, bytes: nameBytes((node.alias ?? node.name).value) });
    const name = sentArg(node, 'name', this.#sent);
    const part = meta === SchemaMetaFieldDef ? this.#schema : typeof name === 'string' ? this.#schema.getType(name) : undefined;
    if (!part || !node.selectionSet || !isObjectType(type)) return own;
    return plus(own, this.#selections(node.selectionSet, type, new Population(new Map([[part, 1]]))));
  }

  #selections(set: SelectionSetNode, type: GraphQLObjectType, population: Population): Volume {
    const known = population.known.get(set);
    if (known) return known;
    let total = volume({});
    if (population.size === 0) return total;
    for (const selection of set.selections) {
      if (++this.#steps > MOST_STEPS) return volume({ fields: Number.MAX_SAFE_INTEGER });
      if (!isSelected(selection, this.#sent)) continue;
      if (selection.kind === Kind.FIELD) total = plus(total, this.#field(selection, type, population));
      else {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value);
        if (fragment) total = plus(total, this.#selections(fragment.selectionSet, type, population));
      }
    }
    population.known.set(set, total);
    return total;
  }

  #field(node: FieldNode, type: GraphQLObjectType, population: Population): Volume {
    const name = nameBytes((node.alias ?? node.name).value);
    const own = volume({ fields: population.size * (1 + WEIGHTS.schema), bytes: population.size * name });
    const field = type.getFields()[node.name.value];
    if (!field) return plus(own, volume({ bytes: population.size * nameBytes(type.name) })); // __typename
    const below = getNamedType(field.type);
    if (isObjectType(below) && node.selectionSet) {
      this.#steps += population.distinct;
      return plus(own, this.#selections(node.selectionSet, below, population.follow(field, this.#schema).found));
    }
    const { values } = isList(field) ? population.follow(field, this.#schema) : { values: population.size };
    const items = isList(field) ? values * WEIGHTS.leaf : 0;
    return plus(own, volume({ fields: items, bytes: values * leafBytes(below) }));
  }
}

const isList = ({ type }: GraphQLField<unknown, unknown>) => isListType(isNonNullType(type) ? type.ofType : type);
