import {
  type ExecutionArgs,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isInterfaceType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { limitExceeded, MAX_LISTS, pageComplexity } from '../../graphql/limits.ts';

type Parent = GraphQLNamedType | null | undefined;

/** Counts the lists and mutations that an operation comes to, fragments wherever they are spread. */
class ListCount {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #counted = new Map<SelectionSetNode, number>();

  constructor({ schema, document }: ExecutionArgs) {
    this.#schema = schema;
    const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
  }

  of(selectionSet: SelectionSetNode, type: Parent): number {
    const known = this.#counted.get(selectionSet);
    if (known !== undefined) return known;
    let count = 0;
    for (const selection of selectionSet.selections) {
      if (selection.kind === Kind.FIELD) count += this.#ofField(selection, type);
      else {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value);
        const name = fragment?.typeCondition?.name.value;
        if (fragment) count += this.of(fragment.selectionSet, name === undefined ? type : this.#schema.getType(name));
      }
    }
    this.#counted.set(selectionSet, count);
    return count;
  }

  #ofField({ name, selectionSet }: FieldNode, type: Parent): number {
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
    if (!field) return 0;
    const counts = field.extensions['complexity'] === pageComplexity || type === this.#schema.getMutationType();
    return Number(counts) + (selectionSet ? this.of(selectionSet, getNamedType(field.type)) : 0);
  }
}

function refusal(args: ExecutionArgs) {
  const operation = getOperationAST(args.document, args.operationName);
  if (!operation) return undefined;
  const lists = new ListCount(args).of(operation.selectionSet, args.schema.getRootType(operation.operation));
  if (lists <= MAX_LISTS) return undefined;
  const message = `The operation asks for ${lists} lists and mutations; at most ${MAX_LISTS} are allowed`;
  return { errors: [limitExceeded('MAX_LISTS', MAX_LISTS, message, 400)] };
}

/** Refuses operations with too many lists and mutations. Their nodes are few where each asks for one item. */
export function useListLimit(): Plugin {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const refused = refusal(args);
      if (refused) setResultAndStopExecution(refused);
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const refused = refusal(args);
      if (refused) setResultAndStopExecution(refused);
    },
  };
}
