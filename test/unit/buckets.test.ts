import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { charge, emptyBucket, type Policy, take } from '../../src/http/rates/bucket.ts';
import { OwnBuckets } from '../../src/http/rates/buckets.ts';
import { rateFields } from '../../src/http/rates/gate.ts';

const USER: Policy = { name: 'user', rate: 100, burst: 1_000 };

describe('a bucket of 1,000 points that gets 100 a second', () => {
  test('gives 1,000 at once, then one every 10 ms', () => {
    const bucket = emptyBucket(0);
    for (let n = 0; n < 1_000; n++) expect(take(bucket, USER, 1, 0)).toEqual({ wait: 0, left: 999 - n });
    expect(take(bucket, USER, 1, 0)).toEqual({ wait: 10, left: 0 });
    expect(take(bucket, USER, 1, 9).wait).toBe(1);
    expect(take(bucket, USER, 1, 10).wait).toBe(0);
    expect(take(bucket, USER, 1, 10).wait).toBe(10);
  });

  test('holds no more than 1,000, however long nobody asked', () => {
    const bucket = emptyBucket(0);
    expect(take(bucket, USER, 1_000, 3_600_000).wait).toBe(0);
    expect(take(bucket, USER, 1, 3_600_000).wait).toBe(10);
  });

  test('gives more than it holds only when it is full, and is in debt then', () => {
    const bucket = emptyBucket(0);
    expect(take(bucket, USER, 1, 0).wait).toBe(0);
    expect(take(bucket, USER, 5_000, 0)).toEqual({ wait: 10, left: 999 });
    expect(take(bucket, USER, 5_000, 10)).toEqual({ wait: 0, left: -4_000 });
    expect(take(bucket, USER, 1, 10)).toEqual({ wait: 40_010, left: -4_000 });
    expect(take(bucket, USER, 1, 40_020).wait).toBe(0);
  });

  test('is charged for what was used, whatever is left', () => {
    const bucket = emptyBucket(0);
    expect(charge(bucket, USER, 999, 0)).toEqual({ wait: 0, left: 1 });
    expect(charge(bucket, USER, 11, 0)).toEqual({ wait: 100, left: -10 });
    expect(take(bucket, USER, 1, 109).wait).toBe(1);
  });

  test('loses nothing when the clock goes back', () => {
    const bucket = emptyBucket(1_000);
    take(bucket, USER, 1_000, 1_000);
    expect(take(bucket, USER, 1, 500)).toEqual({ wait: 10, left: 0 });
    expect(take(bucket, USER, 1, 510).wait).toBe(0);
  });

  test('gives, of whatever is asked for at whatever times, no more than 1,000 and 100 a second', () => {
    const asked = fc.array(fc.record({ after: fc.nat(3_000), points: fc.integer({ min: 1, max: 1_000 }) }), { maxLength: 200 });
    fc.assert(
      fc.property(asked, (requests) => {
        const bucket = emptyBucket(0);
        const given: { at: number; points: number }[] = [];
        let now = 0;
        for (const { after, points } of requests) {
          now += after;
          const { wait } = take(bucket, USER, points, now);
          if (wait === 0) given.push({ at: now, points });
          else expect(take({ ...bucket }, USER, points, now + wait).wait).toBe(0);
        }
        // Between any two times.
        for (const [from, first] of given.entries()) {
          let sum = 0;
          for (const { at, points } of given.slice(from)) {
            sum += points;
            expect(sum).toBeLessThanOrEqual(1_000 + ((at - first.at) * 100) / 1_000 + 1e-6);
          }
        }
      }),
    );
  });
});

test('by the real clock: as many as the burst and the time say, neither more nor fewer', async () => {
  const policy: Policy = { name: 'user', rate: 1_000, burst: 100 };
  const buckets = new OwnBuckets();
  const begun = performance.now();
  let given = 0;
  while (given < 400) {
    if (buckets.take('a', policy, 1).wait === 0) given++;
    else await new Promise((resolve) => setImmediate(resolve));
  }
  expect(performance.now() - begun).toBeGreaterThanOrEqual(299);
  const full = buckets.take('b', policy, 100);
  expect(full).toEqual({ wait: 0, left: 0 });
});

test.each([
  [1_000, '"user";r=1000;t=1'],
  [0.9, '"user";r=0;t=1'],
  [0, '"user";r=0;t=1'],
  [-99, '"user";r=0;t=1'],
  [-400, '"user";r=0;t=5'],
])('with %d points left', (left, expected) => {
  const fields = rateFields({ policy: USER, left, wait: 0 });
  expect(fields).toEqual([
    ['RateLimit-Policy', '"user";q=1000;w=10'],
    ['RateLimit', expected],
  ]);
});
