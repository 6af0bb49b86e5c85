import { type DocumentNode, type FragmentDefinitionNode, Kind, type OperationDefinitionNode, type SelectionNode } from 'graphql';

/**
 * What an operation selects at its root, in fragments too. Each fragment is gone through once: who spreads it twice in another,
 * and that twice in the next, would have it gone through 2ⁿ times.
 * @param follows whether to go into a fragment
 */
export function rootSelections(
  document: DocumentNode,
  { selectionSet }: OperationDefinitionNode,
  follows: (selection: SelectionNode) => boolean = () => true,
): SelectionNode[] {
  const fragments = new Map(
    document.definitions.filter(isFragment).map(({ name, selectionSet: selected }) => [name.value, selected] as const),
  );
  const found: SelectionNode[] = [];
  const pending = new Set([selectionSet]);
  for (const { selections } of pending) {
    for (const selection of selections) {
      found.push(selection);
      if (selection.kind === Kind.FIELD || !follows(selection)) continue;
      const below = selection.kind === Kind.INLINE_FRAGMENT ? selection.selectionSet : fragments.get(selection.name.value);
      if (below) pending.add(below);
    }
  }
  return found;
}

const isFragment = (definition: { kind: string }): definition is FragmentDefinitionNode =>
  definition.kind === Kind.FRAGMENT_DEFINITION;
