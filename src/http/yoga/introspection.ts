import { BREAK, type DocumentNode, GraphQLError, visit } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Viewer } from '../../access/viewer.ts';
import type { IntrospectionMode } from '../../config.ts';
import type { Context } from '../../graphql/context.ts';
import { publicError, unauthenticated } from '../../graphql/errors.ts';
import { NotAllowedError } from '../../model/errors.ts';

/** Lets only those ask for the schema who may. `__typename` is no such question. */
export function useIntrospection(mode: IntrospectionMode): Plugin {
  if (mode === 'on') return {};
  return {
    onExecute({ args, setResultAndStopExecution }) {
      if (!asksForTheSchema(args.document)) return;
      const refusal = refusalOf(mode, (args.contextValue as unknown as Context).viewer);
      if (refusal) setResultAndStopExecution({ errors: [refusal] });
    },
  };
}

function refusalOf(mode: 'app' | 'off', viewer: Viewer | null): GraphQLError | undefined {
  if (mode === 'off') return new GraphQLError('The schema is not told here', { extensions: { code: 'NOT_ALLOWED' } });
  if (viewer === null) return unauthenticated();
  if (viewer.address === null) return undefined;
  const { message, extensions } = publicError(new NotAllowedError('application')) ?? {};
  return new GraphQLError(message as string, { extensions });
}

function asksForTheSchema(document: DocumentNode): boolean {
  let asks = false;
  visit(document, {
    Field({ name }) {
      asks = name.value === '__schema' || name.value === '__type';
      return asks ? BREAK : undefined;
    },
  });
  return asks;
}
