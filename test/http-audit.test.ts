import { auditServer } from 'graphql-http';
import { expect, test } from 'vitest';
import { gatewayOn, openTestGateway } from './setup/gateway.ts';
import { listen } from './setup/listener.ts';

const gateway = await openTestGateway();
const { token } = await gateway.caller();

// https://github.com/graphql/graphql-http: MUST, SHOULD and MAY of the specification "GraphQL over HTTP".
test.each([true, false])('the GraphQL-over-HTTP audit passes whole, production: %s', async (production) => {
  const server = await listen(gatewayOn(gateway.db, { config: { production } }));
  const fetchFn = (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('Authorization', `Bearer ${token}`);
    return fetch(url, { ...init, headers });
  };
  const results = await auditServer({ url: server.url, fetchFn });
  const failed = results
    .filter(({ status }) => status !== 'ok')
    .map((result) => `${result.id} ${result.name}: ${'reason' in result && result.reason}`);
  expect(failed).toEqual([]);
  expect(results.length).toBeGreaterThan(50);
});
