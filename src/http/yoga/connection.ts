import type { Plugin } from 'graphql-yoga';

/**
 * Leaves it to node:http whether a connection stays. What Yoga writes in parts says that it does, also to a client that asked for
 * its end, and after a 401.
 */
export function useConnection(): Plugin {
  return {
    onResponse({ response }) {
      response.headers.delete('Connection');
    },
  };
}
