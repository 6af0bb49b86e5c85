import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { ADDRESSES_A_POINT } from '../../model/points.ts';
import { type Amount, dearest, NOTHING, plus, sum, volume } from './amount.ts';
import { leafBytes, nameBytes } from './bytes.ts';
import type { FieldPrice, Size } from './field-price.ts';
import { IntrospectionPrice } from './introspection.ts';
import { isSelected, type Sent, selectionVaries, sizeOf, sizeVaries, withDefaults } from './sent.ts';
import { WEIGHTS } from './weights.ts';

/** A part of an operation with its amount; where that varies with the variables, it is that of the last ones. */
interface Term {
  amount: Amount;
  varies: boolean;
}

const FREE: Term = { amount: NOTHING, varies: false };

/**
 * How the price of an operation is worked out, made once for a valid document. What does not depend on the variables is
 * worked out with it; the rest are steps, each of which needs only those before it. Fragments are walked once for each type
 * that they are resolved on, however often they are spread.
 */
export class Plan {
  readonly #schema: GraphQLSchema;
  readonly #operation: OperationDefinitionNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #hasVariables: boolean;
  readonly #known = new Map<SelectionSetNode, Map<GraphQLNamedType, Term>>();
  readonly #messageTypes: number;
  readonly #steps: ((sent: Sent) => void)[] = [];
  readonly #whole: Term;

  /** @param messageTypes how many a group may have */
  constructor(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, messageTypes: number) {
    this.#schema = schema;
    this.#messageTypes = messageTypes;
    this.#operation = operation;
    this.#hasVariables = Boolean(operation.variableDefinitions?.length);
    const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
    const root = schema.getRootType(operation.operation);
    this.#whole = root ? this.#selections(operation.selectionSet, root) : FREE;
    this.#known.clear();
  }

  /** What the operation comes to with these variables, which need not be valid. */
  amount(variables: Sent | null | undefined): Amount {
    if (this.#steps.length > 0) {
      const sent = withDefaults(this.#operation, variables);
      for (const step of this.#steps) step(sent);
    }
    return this.#whole.amount;
  }

  #term(varies: boolean, work: (sent: Sent) => Amount): Term {
    if (!varies) return { amount: work({}), varies };
    const term: Term = { amount: NOTHING, varies };
    this.#steps.push((sent) => {
      term.amount = work(sent);
    });
    return term;
  }

  #selections(set: SelectionSetNode, type: GraphQLNamedType): Term {
    let byType = this.#known.get(set);
    if (!byType) {
      byType = new Map();
      this.#known.set(set, byType);
    }
    let term = byType.get(type);
    if (!term) {
      term = isAbstractType(type) ? this.#ofAny(set, this.#schema.getPossibleTypes(type)) : this.#ofObject(set, type);
      byType.set(type, term);
    }
    return term;
  }

  /** An object has one type only: the dearest counts. */
  #ofAny(set: SelectionSetNode, types: readonly GraphQLObjectType[]): Term {
    const terms = types.map((type) => this.#selections(set, type));
    const greatest = () => terms.reduce((all, { amount }) => dearest(all, amount), NOTHING);
    return this.#term(
      terms.some(({ varies }) => varies),
      greatest,
    );
  }

  #ofObject(set: SelectionSetNode, type: GraphQLNamedType): Term {
    if (!isObjectType(type)) return FREE;
    let constant = NOTHING;
    const varying: { selection: SelectionNode; term: Term }[] = [];
    for (const selection of set.selections) {
      const conditional = selectionVaries(selection);
      if (!conditional && !isSelected(selection, {})) continue;
      const term = this.#selection(selection, type);
      if (conditional || term.varies) varying.push({ selection, term });
      else constant = sum(constant, term.amount);
    }
    return this.#term(varying.length > 0, (sent) =>
      varying.reduce((all, { selection, term }) => (isSelected(selection, sent) ? sum(all, term.amount) : all), constant),
    );
  }

  #selection(selection: SelectionNode, type: GraphQLObjectType): Term {
    if (selection.kind === Kind.FIELD) return this.#field(selection, type);
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value);
    return fragment && this.#applies(fragment.typeCondition?.name.value, type)
      ? this.#selections(fragment.selectionSet, type)
      : FREE;
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true;
    const wanted = this.#schema.getType(condition);
    return isAbstractType(wanted) && this.#schema.isSubType(wanted, type);
  }

  #priceOf({ items, ...price }: FieldPrice): KnownPrice {
    return items === undefined ? price : { ...price, items: items === 'messageTypes' ? this.#messageTypes : items };
  }

  #field(node: FieldNode, parent: GraphQLObjectType): Term {
    const { value: name } = node.name;
    const bytes = nameBytes((node.alias ?? node.name).value);
    if (name === '__typename') {
      return this.#term(false, () => ({ ...NOTHING, once: volume({ fields: 1, bytes: bytes + parent.name.length }), depth: 1 }));
    }
    if (name === '__schema' || name === '__type') {
      const once = (sent: Sent) => new IntrospectionPrice(this.#schema, this.#fragments, sent).of(node);
      return this.#term(this.#hasVariables, (sent) => ({ ...NOTHING, once: once(sent), depth: 1 }));
    }
    const field = parent.getFields()[name];
    if (!field) return FREE;
    const price = this.#priceOf(field.extensions['price'] ?? {});
    const returned = getNamedType(field.type);
    const below = node.selectionSet ? this.#selections(node.selectionSet, returned) : undefined;
    const own: Own = {
      price,
      isList: isListType(isNonNullType(field.type) ? field.type.ofType : field.type),
      isWrite: parent === this.#schema.getMutationType(),
      bytes,
      leaf: below
        ? undefined
        : { bytes: price.echo ? Number.MAX_SAFE_INTEGER : leafBytes(returned), weight: leafWeight(returned) },
    };
    const sizes = [price.items, price.weight, price.addresses].filter((size) => size !== undefined && size !== 'page');
    const varies = below?.varies || sizes.some((size) => sizeVaries(size, node));
    return this.#term(Boolean(varies), (sent) =>
      amountOf(own, below?.amount ?? NOTHING, (size) => sizeOf(size ?? 0, node, sent)),
    );
  }
}

type KnownPrice = Omit<FieldPrice, 'items'> & { items?: Size | 'page' };

/** What is known of a field before its arguments are. */
interface Own {
  price: KnownPrice;
  isList: boolean;
  isWrite: boolean;
  /** Of its name. */
  bytes: number;
  /** Of a value, or of each in a list; undefined where fields are selected of it. */
  leaf: { bytes: number; weight: number } | undefined;
}

const leafWeight = ({ name }: GraphQLNamedType) => (name === 'DateTime' ? WEIGHTS.time : 0);

/** What a field comes to with what is selected of it. */
function amountOf({ price, isList, isWrite, bytes, leaf }: Own, below: Amount, size: (size?: Size) => number): Amount {
  const items = price.items === undefined || price.items === 'page' ? 1 : size(price.items);
  const usually = Math.min(items, price.usually ?? items);
  const leaves = leaf ? (isList ? items : 1) : 0;
  const one = 1 + size(price.weight) + (leaf?.weight ?? 0);
  const leafItem = leaf && isList ? WEIGHTS.leaf : 0;
  const itself = volume({
    fields: one + items * leafItem,
    usualFields: one + usually * leafItem,
    nodes: price.nodes ? items : 0,
    bytes: bytes + (leaf && leaves > 0 ? leaf.bytes * leaves : 0),
  });
  const selected = isList ? plus(itself, below.once, items, usually) : plus(plus(itself, below.once), below.each, items);
  return {
    ...(price.items === 'page' ? { once: itself, each: below.once } : { once: selected, each: NOTHING.each }),
    lists: below.lists + Number(price.list ?? false),
    writes: below.writes + Number(isWrite),
    depth: below.depth + 1,
    points: below.points + Math.floor(size(price.addresses) / ADDRESSES_A_POINT),
  };
}
