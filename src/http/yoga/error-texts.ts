import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { InputIssue } from '../../model/errors.ts';

/** In characters. GraphQL's own messages repeat names and values of the caller, which may be long. */
const MAX_MESSAGE = 1_000;
const SUGGESTION = /\s*Did you mean .*\?$/s;

/** What is told of GraphQL's errors: not all of a long text, and where `suggests` is false no names that the caller does not know. */
export function errorTexts(suggests: boolean): (error: GraphQLError) => GraphQLError {
  const tell = (message: string) => cut(suggests ? message : message.replace(SUGGESTION, ''));
  return (error) => {
    const { message, nodes, source, positions, path, originalError, extensions } = error;
    const issues = (extensions['issues'] as InputIssue[] | undefined)?.map((issue) => ({
      ...issue,
      message: tell(issue.message),
    }));
    const told = tell(message);
    if (told === message && !issues) return error;
    const more = { nodes, source, positions, path, originalError };
    return new GraphQLError(told, { ...more, extensions: issues ? { ...extensions, issues } : extensions });
  };
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}

/** The same for the errors of validation, which Yoga does not mask. */
export function useErrorTexts(told: (error: GraphQLError) => GraphQLError): Plugin {
  return {
    onValidate: () => {
      return ({ valid, result, setResult }) => {
        if (!valid) setResult((result as GraphQLError[]).map(told));
      };
    },
  };
}
