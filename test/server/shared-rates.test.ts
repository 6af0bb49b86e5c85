/** With Redis a token has one bucket for all gateways; without, each gateway counts by itself. */
import { describe, expect, test } from 'vitest';
import { type Caller, callerOf, gatewayOn, openTestGateway } from '../setup/gateway.ts';
import { startRedis, withoutRedis } from '../setup/redis.ts';
import { until } from '../setup/watch.ts';

const plain = await openTestGateway();
const { db } = plain;
const app = await plain.caller();
const SMALL = '{ viewer { address } }';
/** As the first digits of a bucket of 600 points, which gets 60 a second: few come while a test counts. */
const RATE = 60;
const BURST = 600;

interface Pair {
  callers: readonly [Caller, Caller];
  lines: Record<string, unknown>[];
}

async function twoGateways(hintsUrl: string): Promise<Pair> {
  const lines: Record<string, unknown>[] = [];
  const { viewer, token } = await app.user('alice');
  const another = () => {
    const config = { userRate: RATE, hintsUrl };
    const gateway = gatewayOn(db, { config, level: 'info', onLog: (line) => line['msg'] !== 'request' && lines.push(line) });
    return callerOf(gateway, db, { viewer, token });
  };
  return { callers: [another(), another()], lines };
}

/** How many of so many operations are let through, and the most that time alone can have added. */
async function count(callers: readonly Caller[], operations: number) {
  const begun = performance.now();
  let passed = 0;
  const statuses = new Set<number>();
  for (let n = 0; n < operations; n += 10) {
    const sent = Array.from({ length: 10 }, (_, k) => (callers[(n + k) % callers.length] as Caller).send(SMALL));
    for (const { status } of await Promise.all(sent)) {
      statuses.add(status);
      if (status === 200) passed++;
    }
  }
  return { passed, statuses: [...statuses].sort(), added: Math.ceil(((performance.now() - begun) / 1_000) * RATE) + 1 };
}

const msgs = (lines: Record<string, unknown>[]) => lines.map(({ msg }) => msg);
const AWAY = 'Redis is away; until it is back this gateway counts the points of tokens by itself';
const BACK = 'Redis is back; the points of tokens are counted for all gateways again';

describe.skipIf(withoutRedis)('with Redis', () => {
  /** Until Redis is connected a gateway counts by itself. */
  async function connected({ callers: [here, there] }: Pair): Promise<void> {
    const left = async (caller: Caller) => (await caller.send('{ viewer { address } }')).status;
    await until(async () => (await left(here)) === 200 && (await left(there)) === 200);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }

  test('two gateways share one bucket', async () => {
    const redis = await startRedis();
    const pair = await twoGateways(redis.url);
    await connected(pair);
    const { passed, statuses, added } = await count(pair.callers, 2 * BURST);
    expect(statuses).toEqual([200, 429]);
    expect(passed).toBeGreaterThanOrEqual(BURST - 20);
    expect(passed).toBeLessThanOrEqual(BURST + added);
    expect(pair.lines).toEqual([]);
  });

  test.each(['kill', 'hang'] as const)(
    'when it is gone midway (%s) each counts by itself, and together again when it is back',
    async (how) => {
      const redis = await startRedis();
      const pair = await twoGateways(redis.url);
      await connected(pair);
      const before = await count(pair.callers, BURST / 2);
      expect(before.passed).toBe(BURST / 2);
      await redis[how]();
      const alone = await count(pair.callers, 4 * BURST);
      expect(alone.statuses).toEqual([200, 429]);
      expect(alone.passed).toBeGreaterThanOrEqual(2 * BURST);
      expect(alone.passed).toBeLessThanOrEqual(2 * BURST + 2 * alone.added);
      expect(msgs(pair.lines)).toEqual([AWAY, AWAY]); // one for each gateway
      await redis.kill();
      await redis.start();
      await until(async () => {
        for (const caller of pair.callers) await caller.send(SMALL);
        return msgs(pair.lines).filter((msg) => msg === BACK).length === 2;
      });
      const after = await count(pair.callers, 2 * BURST);
      expect(after.passed).toBeLessThanOrEqual(BURST + after.added);
      expect(msgs(pair.lines)).toEqual([AWAY, AWAY, BACK, BACK]);
    },
  );
});

test('with a Redis that is not there each gateway counts by itself from the start', async () => {
  const pair = await twoGateways('redis://127.0.0.1:1');
  const { passed, added } = await count(pair.callers, 3 * BURST);
  expect(passed).toBeGreaterThanOrEqual(2 * BURST);
  expect(passed).toBeLessThanOrEqual(2 * BURST + 2 * added);
  await until(() => pair.lines.length === 2);
  expect(msgs(pair.lines)).toEqual([AWAY, AWAY]);
});
