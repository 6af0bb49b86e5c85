import {
  type DirectiveNode,
  type DocumentNode,
  GraphQLError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  OperationTypeNode,
  type SelectionNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { rootSelections } from './root-selections.ts';

/**
 * Refuses a subscription whose root field is skipped, which GraphQL has no answer for, or may be by a variable, of which its
 * validation throws: 400.
 */
export function useSubscriptionRoot(): Plugin {
  return {
    onValidate({ params: { documentAST }, setResult }) {
      if (dependsOnVariables(documentAST)) {
        setResult([refused('The field of a subscription cannot be skipped or included by a variable')]);
      }
    },
    onSubscribe({ args: { document, operationName }, setResultAndStopExecution }) {
      const operation = getOperationAST(document, operationName);
      if (!operation) return;
      const selects = rootSelections(document, operation, isIncluded).some(
        (selection) => selection.kind === Kind.FIELD && isIncluded(selection),
      );
      if (!selects) setResultAndStopExecution({ errors: [refused('The field of the subscription is skipped')] });
    },
  };
}

function refused(message: string): GraphQLError {
  // Also to clients that take plain JSON, whom Yoga answers 200 when validation fails.
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400, spec: false } } });
}

function dependsOnVariables(document: DocumentNode): boolean {
  return document.definitions.some(
    (definition) =>
      definition.kind === Kind.OPERATION_DEFINITION &&
      definition.operation === OperationTypeNode.SUBSCRIPTION &&
      rootSelections(document, definition).some(({ directives = [] }) => directives.some(isByVariable)),
  );
}

function isByVariable({ name, arguments: given = [] }: DirectiveNode): boolean {
  return (name.value === 'skip' || name.value === 'include') && given.some(({ value }) => value.kind === Kind.VARIABLE);
}

function isIncluded(selection: SelectionNode): boolean {
  const skip = getDirectiveValues(GraphQLSkipDirective, selection);
  const include = getDirectiveValues(GraphQLIncludeDirective, selection);
  return skip?.['if'] !== true && include?.['if'] !== false;
}
