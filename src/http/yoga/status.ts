import type { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';

/**
 * By GraphQL over HTTP an answer without data is no 2xx: one that begins nothing and has no status of its own is 400. Clients
 * that take plain JSON alone get 200, as ever.
 */
export function useStatus(): Plugin {
  return {
    onExecutionResult({ result, setResult }) {
      if (!result || isAsyncIterable(result) || Array.isArray(result)) return;
      const { errors, data } = result as { errors?: GraphQLError[]; data?: unknown };
      if (data !== undefined || !errors || errors.some(({ extensions }) => extensions['http'])) return;
      for (const { extensions } of errors) Object.assign(extensions, { http: { spec: true, status: 400 } });
      setResult(result);
    },
  };
}
