import {
  type DocumentNode,
  GraphQLError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Refuses a subscription whose root field is skipped, which GraphQL has no answer for: 400. Variables in those directives its
 * validation refuses itself.
 */
export function useSubscriptionRoot(): Plugin {
  return {
    onSubscribe({ args: { document, operationName }, setResultAndStopExecution }) {
      const operation = getOperationAST(document, operationName);
      if (!operation || selectsSomething(operation.selectionSet, document)) return;
      const extensions = { code: 'BAD_REQUEST', http: { status: 400 } };
      setResultAndStopExecution({ errors: [new GraphQLError('The field of the subscription is skipped', { extensions })] });
    },
  };
}

function selectsSomething({ selections }: SelectionSetNode, document: DocumentNode): boolean {
  return selections.some((selection) => {
    if (!isIncluded(selection)) return false;
    if (selection.kind === Kind.FIELD) return true;
    if (selection.kind === Kind.INLINE_FRAGMENT) return selectsSomething(selection.selectionSet, document);
    const fragment = document.definitions.find(
      (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
    );
    return fragment?.kind === Kind.FRAGMENT_DEFINITION && selectsSomething(fragment.selectionSet, document);
  });
}

function isIncluded(selection: SelectionNode): boolean {
  const skip = getDirectiveValues(GraphQLSkipDirective, selection);
  const include = getDirectiveValues(GraphQLIncludeDirective, selection);
  return skip?.['if'] !== true && include?.['if'] !== false;
}
