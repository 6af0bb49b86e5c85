import {
  type ASTVisitor,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  getNamedType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { callOf } from './field-call.ts';
import { limitExceeded, MAX_SELECTIONS } from './limits.ts';

/** A field with the type that it is selected on. */
interface Selected {
  node: FieldNode;
  parent: GraphQLNamedType | undefined;
  definition: GraphQLField<unknown, unknown> | undefined;
}

/** What is selected on a type. */
interface Selection {
  set: SelectionSetNode;
  parent: GraphQLNamedType | undefined;
}

/** Selections that are answered in one object, and the names under which their fields were merged. */
interface Merged {
  selections: readonly Selection[];
  under: Under | undefined;
}

interface Under {
  name: string;
  before: Under | undefined;
  fields: readonly Selected[];
}

/**
 * Fields with one name in an answer have to be the same, and to have answers of one shape. This says what GraphQL's own rule does
 * (OverlappingFieldsCanBeMerged), but compares with the first of each name and not each with each: of n fields that merge that one
 * makes n² comparisons, and gives up on documents that are right. Fragments are gone through wherever they are spread, up to
 * MAX_SELECTIONS: an operation that has more asks for more fields than any may.
 */
export function FieldMergingRule(context: ValidationContext): ASTVisitor {
  return {
    Document: {
      leave(document) {
        const merging = new FieldMerging(context, document);
        // Whose fields differ have shapes that differ, too.
        if (!merging.check(commonParents, differenceOf)) merging.check(knownFirst, shapesOf);
      },
    },
  };
}

type Grouping = (fields: readonly Selected[]) => readonly (readonly Selected[])[];
type Difference = (one: Selected, other: Selected) => string | undefined;

class FieldMerging {
  readonly #context: ValidationContext;
  readonly #document: DocumentNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  #selections = 0;

  constructor(context: ValidationContext, document: DocumentNode) {
    this.#context = context;
    this.#document = document;
    const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
  }

  /** Reports the fields of a group that differ from its first; true when there are any. */
  check(groupsOf: Grouping, difference: Difference): boolean {
    const schema = this.#context.getSchema();
    const seen = new Seen();
    const pending: Merged[] = [];
    for (const definition of this.#document.definitions) {
      if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
      const parent = schema.getRootType(definition.operation) ?? undefined;
      pending.push({ selections: [{ set: definition.selectionSet, parent }], under: undefined });
    }
    let differ = false;
    for (const merged of pending) {
      for (const [name, all] of this.#fieldsOf(merged.selections)) {
        for (const fields of groupsOf(all)) {
          if (this.#report(name, fields, merged.under, difference)) differ = true;
          else {
            const selections = below(fields);
            const under = fields.length > 1 ? { name, before: merged.under, fields } : undefined;
            if (selections.length > 0 && seen.isNew(selections)) pending.push({ selections, under });
          }
        }
      }
    }
    return differ;
  }

  #report(name: string, fields: readonly Selected[], under: Under | undefined, difference: Difference): boolean {
    const [first, ...others] = fields;
    let differ = false;
    for (const other of others) {
      const reason = first && difference(first, other);
      if (!reason) continue;
      differ = true;
      this.#context.reportError(conflict(name, reason, [first.node, other.node], under));
    }
    return differ;
  }

  /** The fields of selections by their names in the answer, those of fragments too, each fragment once. */
  #fieldsOf(selections: readonly Selection[]): Map<string, Selected[]> {
    const fields = new Map<string, Selected[]>();
    const spread = new Set<string>();
    const pending = [...selections];
    for (const { set, parent } of pending) {
      this.#count(set.selections.length);
      for (const selection of set.selections) {
        if (selection.kind === Kind.FIELD) {
          const name = (selection.alias ?? selection.name).value;
          const known = fields.get(name);
          const field = { node: selection, parent, definition: definitionOf(parent, selection) };
          if (known) known.push(field);
          else fields.set(name, [field]);
        } else if (selection.kind === Kind.INLINE_FRAGMENT) {
          pending.push({ set: selection.selectionSet, parent: this.#typeOf(selection.typeCondition?.name.value, parent) });
        } else if (!spread.has(selection.name.value)) {
          spread.add(selection.name.value);
          const fragment = this.#fragments.get(selection.name.value);
          if (fragment) {
            pending.push({ set: fragment.selectionSet, parent: this.#typeOf(fragment.typeCondition.name.value, parent) });
          }
        }
      }
    }
    return fields;
  }

  #count(more: number): void {
    this.#selections += more;
    if (this.#selections <= MAX_SELECTIONS) return;
    const message = `The operation selects too much, fragments counted wherever they are spread; at most ${MAX_SELECTIONS} are allowed`;
    throw limitExceeded('MAX_SELECTIONS', MAX_SELECTIONS, message, { status: 400 });
  }

  #typeOf(condition: string | undefined, parent: GraphQLNamedType | undefined): GraphQLNamedType | undefined {
    return condition === undefined ? parent : this.#context.getSchema().getType(condition);
  }
}

/** Which selections were merged before; looked at again they would say the same. */
class Seen {
  readonly #known = new Map<SelectionSetNode | GraphQLNamedType | undefined, number>();
  readonly #keys = new Set<string>();

  isNew(selections: readonly Selection[]): boolean {
    const keys = selections.map(({ set, parent }) => `${this.#numberOf(set)} ${this.#numberOf(parent)}`);
    const key = keys.length > 1 ? [...new Set(keys)].sort().join() : (keys[0] as string);
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }

  #numberOf(part: SelectionSetNode | GraphQLNamedType | undefined): number {
    const number = this.#known.get(part) ?? this.#known.size;
    this.#known.set(part, number);
    return number;
  }
}

function definitionOf(parent: GraphQLNamedType | undefined, { name }: FieldNode) {
  return isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[name.value] : undefined;
}

function below(fields: readonly Selected[]): Selection[] {
  const selections: Selection[] = [];
  for (const { node, definition } of fields) {
    if (node.selectionSet) selections.push({ set: node.selectionSet, parent: definition && getNamedType(definition.type) });
  }
  return selections;
}

/** Fields of one object type can meet, and those of an interface with all of them. */
const commonParents: Grouping = (fields) => {
  if (fields.length === 1) return [fields];
  const byObject = Map.groupBy(fields, ({ parent }) => (isObjectType(parent) ? parent : undefined));
  const ofAny = byObject.get(undefined) ?? [];
  byObject.delete(undefined);
  return byObject.size === 0 ? [ofAny] : [...byObject.values()].map((own) => [...own, ...ofAny]);
};

/** All of them, before those that do not exist, or are `__typename`, one whose type is known. */
const knownFirst: Grouping = (fields) => {
  const known = fields.findIndex(({ definition }) => definition);
  return [known > 0 ? [fields[known] as Selected, ...fields.toSpliced(known, 1)] : fields];
};

const differenceOf: Difference = ({ node: one }, { node: other }) => {
  if (one.name.value !== other.name.value) return `"${one.name.value}" and "${other.name.value}" are different fields`;
  return callOf(one) === callOf(other) ? undefined : 'they have differing arguments';
};

const shapesOf: Difference = ({ definition: one }, { definition: other }) =>
  one && other && differ(one.type, other.type) ? `they return conflicting types "${one.type}" and "${other.type}"` : undefined;

/** Objects may be of different types: what is selected of them is compared in their place. */
function differ(one: GraphQLOutputType, other: GraphQLOutputType): boolean {
  if (one === other) return false;
  if (isListType(one)) return !isListType(other) || differ(one.ofType, other.ofType);
  if (isNonNullType(one)) return !isNonNullType(other) || differ(one.ofType, other.ofType);
  return isListType(other) || isNonNullType(other) || isLeafType(one) || isLeafType(other);
}

/** As GraphQL's own rule puts it. */
function conflict(name: string, reason: string, nodes: readonly FieldNode[], under: Under | undefined): GraphQLError {
  let [outer, because] = [name, reason];
  for (let each = under; each; each = each.before) {
    because = `subfields "${outer}" conflict because ${because}`;
    outer = each.name;
  }
  const advice = 'Use different aliases on the fields to fetch both if this was intentional.';
  return new GraphQLError(`Fields "${outer}" conflict because ${because}. ${advice}`, { nodes });
}
