import { describe, expect, test } from 'vitest';
import { addresses, packedCall, Unreadable } from '../../src/ops/readers.ts';

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `u${index}`);

describe('addresses', () => {
  const most = numbered(100_000);

  test('100,000 are taken', () => {
    expect(addresses(most.join())).toEqual(most);
  });

  test('a repetition does not count, nor does an empty item', () => {
    expect(addresses([...most, ...most.slice(0, 10), '', ' u7 ', ''].join())).toEqual(most);
  });

  test('100,001 are TOOLARGE, wherever the repetitions stand', () => {
    const tooMany = numbered(100_001);
    const refusal = new Unreadable('names more than 100,000 addresses', 'TOOLARGE');
    expect(() => addresses(tooMany.join())).toThrow(refusal);
    expect(() => addresses(['u0', 'u1', ...tooMany].join())).toThrow(refusal);
  });
});

test.each([[{ toString: 1 }], [[-1]], [null], ['−1'], [-2]])('call settings in one word are not %j', (value) => {
  expect(() => packedCall(value)).toThrow(Unreadable);
});

test.each([[-1], ['-1'], [' -1 ']])('%j leaves call settings alone', (value) => {
  expect(packedCall(value)).toEqual({});
});
