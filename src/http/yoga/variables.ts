import { type ASTNode, BREAK, parse, visit } from 'graphql';

/**
 * Where a variable stands in its document: its argument, and the way within that. GraphQL tells of a wrong value by the name
 * of the variable, which is the caller's own.
 * @param definition of the variable, as the error has it
 */
export function placeOfVariable(name: string, definition: ASTNode | undefined): string[] {
  const source = definition?.loc?.source;
  let place = [name];
  if (!source) return place;
  const way: string[] = [];
  const named = {
    enter: (node: { name: { value: string } }) => void way.push(node.name.value),
    leave: () => void way.pop(),
  };
  visit(parse(source), {
    Argument: named,
    ObjectField: named,
    Variable(node, key) {
      if (node.name.value !== name || way.length === 0) return undefined;
      place = typeof key === 'number' ? [...way, String(key)] : [...way];
      return BREAK;
    },
  });
  return place;
}
