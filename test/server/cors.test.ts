import { describe, expect, test } from 'vitest';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { type HttpAnswer, listen, type Sent } from '../setup/listener.ts';

const gateway = await openTestGateway();
const { token } = await gateway.caller();
const unset = await listen(gateway);
const set = await listen(
  gatewayOn(gateway.db, { config: { allowedOrigins: ['https://app.example', 'http://b.example:81'], production: true } }),
);

const PREFLIGHT = { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type' };

/** What a page of an origin is told, before its request and with the answers to it. */
async function told(server: typeof set, origin: string): Promise<{ preflight: HttpAnswer; answers: HttpAnswer[] }> {
  const Origin = { Origin: origin };
  const body = { query: '{ __typename }' };
  const requests: Sent[] = [{ token, body }, { body }, { token: 'wrong', body }, { token, body: 'x' }, { token, method: 'GET' }];
  const answers = await Promise.all(requests.map((sent) => server.send({ ...sent, headers: Origin })));
  return { preflight: await server.send({ method: 'OPTIONS', headers: { ...Origin, ...PREFLIGHT } }), answers };
}

function expectSafe({ headers }: HttpAnswer): void {
  expect(headers['access-control-allow-origin']).not.toBe('*');
  expect(headers['access-control-allow-credentials']).toBeUndefined();
  expect(headers.vary?.split(', ')).toContain('Origin');
}

describe('allowed:', () => {
  test.each([
    ['a page of this machine, when no origins are set', unset, 'http://localhost:3000'],
    ['a page of this machine, when no origins are set', unset, 'https://127.0.0.1'],
    ['a page of this machine, when no origins are set', unset, 'http://[::1]:8080'],
    ['a page of an origin that is set', set, 'https://app.example'],
    ['a page of an origin that is set', set, 'http://b.example:81'],
  ])('%s', async (_, server, origin) => {
    const { preflight, answers } = await told(server, origin);
    expect({ status: preflight.status, text: preflight.text }).toEqual({ status: 204, text: '' });
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'Authorization, Content-Type, Last-Event-ID, X-Request-Id, X-Rollcall-Cost',
      'access-control-max-age': '3600',
    });
    for (const answer of answers) {
      expect(answer.headers['access-control-allow-origin']).toBe(origin);
      expect(answer.headers['access-control-expose-headers']).toBe('X-Request-Id, RateLimit, RateLimit-Policy, Retry-After');
    }
    for (const each of [preflight, ...answers]) expectSafe(each);
  });
});

describe('not allowed:', () => {
  test.each([
    ['any other page', unset, 'https://evil.example'],
    ['a page without an origin', unset, 'null'],
    ['what only begins like this machine', unset, 'http://localhost.evil.example'],
    ['what only begins like this machine', unset, 'http://127.0.0.1.evil.example:80'],
    ['what only ends like this machine', unset, 'http://evillocalhost'],
    ['no http', unset, 'file://localhost'],
    ['a page of this machine, when others are set', set, 'http://localhost:3000'],
    ['any other page', set, 'https://evil.example'],
    ['another scheme', set, 'http://app.example'],
    ['another port', set, 'https://app.example:444'],
    ['a subdomain', set, 'https://x.app.example'],
    ['a page without an origin', set, 'null'],
  ])('%s', async (_, server, origin) => {
    const { preflight, answers } = await told(server, origin);
    expect(preflight.status).toBe(204);
    for (const each of [preflight, ...answers]) {
      expect(Object.keys(each.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      expectSafe(each);
    }
  });
});

test('who sends no origin needs none', async () => {
  const { status, headers } = await set.send({ token, body: { query: '{ __typename }' } });
  expect(status).toBe(200);
  expect(headers['access-control-allow-origin']).toBeUndefined();
  expect(headers.vary).toBe('Origin');
});
