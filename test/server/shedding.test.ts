/** A gateway that does not keep up refuses large operations until it does, and says so once. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/config.ts';
import { gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { listen as listenTo } from '../setup/listener.ts';
import { writesNothing } from '../setup/rows.ts';
import { GROUP_CHANGES, listen, until, watchOver } from '../setup/watch.ts';
import { addGroup, setGroup } from '../watching/setup.ts';

const plain = await openTestGateway();
const { db } = plain;
const app = await plain.caller();
const { gid } = await addGroup(app);

/** Of how many fields, which a page's statement and its items make of it. */
const reading = (items: number) => `{ groups(first: ${items}) { edges { cursor } } }`;
const LARGE = reading(1_000);
const SMALL = reading(1);

/** Keeps the event loop for a stretch, again and again, until what it returns is called. */
function keepBusy(ms: number): () => void {
  let busy = true;
  void (async () => {
    while (busy) {
      for (const until = performance.now() + ms; performance.now() < until; );
      await nextLoop();
    }
  })();
  return () => {
    busy = false;
  };
}

function lagging(lagLimit: number = DEFAULT_LIMITS.lagLimit) {
  const lines: Record<string, unknown>[] = [];
  const onLog = (line: Record<string, unknown>) => lines.push(line);
  const gateway = gatewayOn(db, { config: { lagLimit }, level: 'warn', onLog });
  return { gateway, lines };
}

test('large operations are refused while the event loop lags, small ones and streams go on', async () => {
  const { gateway, lines } = lagging(100);
  const server = await listenTo(gateway);
  const post = (query: string) => server.send({ token: app.token, body: { query } });
  const op = (body: object) => server.send({ path: '/backend', body: { token: app.token, ...body } });
  const watch = watchOver('websocket', await listen(gateway), app.token, GROUP_CHANGES, { gid });
  await watch.ready();
  expect((await post(LARGE)).status).toBe(200);

  const stop = keepBusy(250);
  await until(async () => (await post(LARGE)).status === 503);
  expect(await post(LARGE)).toMatchObject({
    status: 503,
    headers: { 'retry-after': '1' },
    json: { errors: [{ extensions: { code: 'OVERLOADED' } }] },
  });
  await writesNothing(db, app.viewer, async () => {
    const mutation = `mutation { groupAdd(input: {}) { ... on GroupAddPayload { group { members(first: 1000) { edges { node { address } } } } } } }`;
    expect((await post(mutation)).status).toBe(503);
  });
  expect(await op({ op: 'groupgetmembers', count: 1_000, group: { gid } })).toMatchObject({
    status: 200,
    headers: { 'retry-after': '1' },
    json: { result: false, error: 'RATELIMIT' },
  });
  expect((await op({ op: 'groupgetmembers', group: { gid } })).json).toMatchObject({ result: true });
  expect(await post(SMALL)).toMatchObject({ status: 200, json: { data: {} } });
  expect((await post('mutation { groupAdd(input: {}) { __typename } }')).json.data.groupAdd).toEqual({
    __typename: 'GroupAddPayload',
  });
  await setGroup(app, { gid, name: 'seen meanwhile' });
  await watch.until((events) => events.some(({ settings }) => settings?.name === 'seen meanwhile'));
  stop();

  await until(async () => (await post(LARGE)).status === 200);
  await until(() => lines.length > 0);
  expect(lines).toEqual([
    expect.objectContaining({
      msg: 'the event loop lagged; large operations were refused',
      refused: expect.any(Number),
      ms: expect.any(Number),
      worst: expect.any(Number),
    }),
  ]);
  expect(lines[0]?.['refused']).toBeGreaterThanOrEqual(4);
  await watch.stop();
});

test('one long stretch, as of a collection of garbage, refuses nothing', async () => {
  const { gateway, lines } = lagging();
  const server = await listenTo(gateway);
  for (let n = 0; n < 3; n++) {
    for (const until = performance.now() + 300; performance.now() < until; );
    expect((await server.send({ token: app.token, body: { query: LARGE } })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  await gateway.close();
  expect(lines).toEqual([]);
});
