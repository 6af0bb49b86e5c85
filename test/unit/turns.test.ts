import { setImmediate as nextLoop } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Turns } from '../../src/http/rates/turns.ts';
import { OverloadedError, RateLimitedError } from '../../src/model/errors.ts';

/** Operations that note when they begin, and go on until they are ended. */
function operations(options: Partial<ConstructorParameters<typeof Turns>[0]> = {}) {
  const turns = new Turns({ most: 10_000, within: 60_000, tokenBytes: 100, allBytes: 300, ...options });
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const failed: unknown[] = [];
  const enter = async (key: string, { limit = 2, fields = 1, bytes = 0, signal = undefined as AbortSignal | undefined } = {}) => {
    try {
      const leave = await turns.enter({ key, limit, fields, bytes, signal });
      begun.push(key);
      ends.push(leave);
    } catch (error) {
      failed.push(error);
    }
  };
  const settle = async () => {
    for (let n = 0; n < 200; n++) await nextLoop();
  };
  return { turns, begun, ends, failed, enter, settle };
}

describe('turns', () => {
  test('a token runs as many at once as it may; the next begins when one is over', async () => {
    const { begun, ends, enter, settle, turns } = operations();
    for (let n = 0; n < 4; n++) void enter('a');
    await settle();
    expect([begun.length, turns.size]).toEqual([2, 2]);
    ends[0]?.();
    ends[0]?.(); // once is enough
    await settle();
    expect([begun.length, turns.size]).toEqual([3, 1]);
    void enter('b');
    await settle();
    expect(begun).toEqual(['a', 'a', 'a', 'b']);
  });

  test('they go from token to token, not first come first served', async () => {
    const { begun, enter, settle } = operations();
    for (let n = 0; n < 100; n++) void enter('a', { limit: 1_000 });
    void enter('b', { limit: 1_000 });
    void enter('c', { limit: 1_000 });
    void enter('b', { limit: 1_000 });
    await settle();
    expect(begun).toHaveLength(103);
    // Eight begin before anybody waits; then each token has one in turn.
    expect(begun.slice(0, 14).join('')).toBe('aaaaaaaaabcaba');
  });

  test.each([
    ['eight small ones', 1, 8],
    ['two of 1,000 fields', 1_000, 2],
    ['one of 5,000', 5_000, 1],
  ])('at a stretch begin %s', async (_, fields, expected) => {
    const { begun, enter } = operations();
    const stretches: number[] = [];
    for (let n = 0; n < 40; n++) void enter('a', { limit: 1_000, fields });
    for (let before = 0; stretches.length < 4; ) {
      await Promise.resolve();
      await Promise.resolve();
      stretches.push(begun.length - before);
      before = begun.length;
      await nextLoop();
    }
    expect(stretches).toEqual([expected, expected, expected, expected]);
  });

  test('16 times as many as may run can wait for a token; the next is told to send less, and others are let in', async () => {
    const { begun, failed, enter, settle } = operations();
    for (let n = 0; n < 2 + 32; n++) void enter('a');
    await settle();
    expect([begun.length, failed]).toEqual([2, []]);
    await enter('a');
    expect(failed).toMatchObject([{ name: 'RateLimitedError', retryAfter: 1 }]);
    expect(failed[0]).toBeInstanceOf(RateLimitedError);
    void enter('b');
    await settle();
    expect(begun).toEqual(['a', 'a', 'b']);
  });

  test('where too many wait of all, the next is told that it is not its fault', async () => {
    const { begun, failed, enter, settle } = operations({ most: 3 });
    for (const key of ['a', 'b', 'c']) for (let n = 0; n < 3; n++) void enter(key);
    await settle();
    expect([begun.length, failed]).toEqual([6, []]);
    await enter('a');
    expect(failed[0]).toBeInstanceOf(OverloadedError);
  });

  test('the bodies of those that wait are bounded, of a token and of all; one alone always has room', async () => {
    const { begun, failed, ends, enter, settle } = operations();
    for (const key of ['a', 'b', 'c', 'd']) for (let n = 0; n < 2; n++) void enter(key);
    void enter('a', { bytes: 1_000 });
    await settle();
    expect([begun.length, failed]).toEqual([8, []]);
    await enter('a', { bytes: 1 });
    await enter('b', { bytes: 1 });
    expect(failed).toMatchObject([{ name: 'RateLimitedError' }, { name: 'OverloadedError' }]);
    ends[0]?.();
    await settle();
    for (const key of ['b', 'c']) void enter(key, { bytes: 100 });
    await settle();
    expect([begun.length, failed.length]).toEqual([9, 2]);
    await enter('b', { bytes: 1 });
    expect(failed).toHaveLength(3);
  });

  test('who has left is no longer waited for', async () => {
    const { begun, ends, failed, enter, settle, turns } = operations();
    const controller = new AbortController();
    for (let n = 0; n < 2; n++) void enter('a');
    void enter('a', { signal: controller.signal });
    void enter('a', { signal: AbortSignal.abort() });
    void enter('a');
    await settle();
    expect([begun.length, turns.size, failed.length]).toEqual([2, 2, 1]);
    controller.abort();
    await settle();
    expect([begun.length, turns.size, failed.length]).toEqual([2, 1, 2]);
    for (const end of ends) end();
    await settle();
    expect([begun.length, turns.size]).toEqual([3, 0]);
  });

  test('nobody waits for ever: it is refused, and its place in the queue is free', async () => {
    const { begun, ends, failed, enter, settle, turns } = operations({ within: 20 });
    for (let n = 0; n < 2; n++) void enter('a');
    await enter('a');
    expect(failed).toMatchObject([{ name: 'RateLimitedError' }]);
    expect(turns.size).toBe(0);
    for (const end of ends) end();
    void enter('a');
    await settle();
    expect(begun).toHaveLength(3);
  });
});
