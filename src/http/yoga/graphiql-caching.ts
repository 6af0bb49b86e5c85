import type { Plugin } from 'graphql-yoga';

const HOUR = 3600;

/** Lets GraphiQL's page be kept: it is 9 MB and the same for everybody; other answers of its URL are not. */
export function useGraphiqlCaching(): Plugin {
  return {
    onResponse({ response }) {
      if (!response.headers.get('content-type')?.startsWith('text/html')) return;
      response.headers.set('Cache-Control', `public, max-age=${HOUR}`);
      response.headers.append('Vary', 'Accept');
    },
  };
}
