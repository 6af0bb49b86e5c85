/** Parsed documents are kept by the bytes that they take, not by their number. */
import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { createDocumentCache } from '../../src/http/yoga/document-cache.ts';

const MIB = 1024 * 1024;
const fields = (count: number, n: number) => `{ ${'a '.repeat(count)} b${n} }`;
const pairs = (count: number, n: number) => `{ ${'a{b}'.repeat(count)} b${n} }`;

test.each([
  ['with locations', false, 7_000, 10_000],
  ['without locations, which take less', true, 10_000, 20_000],
])('a document that is small is kept, one of more than 4 MiB is not: %s', (_, noLocation, small, large) => {
  const { documentCache } = createDocumentCache();
  for (const count of [small, large]) documentCache.set(fields(count, 0), parse(fields(count, 0), { noLocation }));
  expect([documentCache.has(fields(small, 0)), documentCache.has(fields(large, 0))]).toEqual([true, false]);
});

test('all together take at most 64 MiB, the oldest go', () => {
  const { documentCache } = createDocumentCache();
  const document = parse(fields(7_000, 0));
  for (let n = 0; n < 100; n++) documentCache.set(fields(7_000, n), document);
  expect(documentCache.size).toBeGreaterThan(10);
  expect(documentCache.calculatedSize).toBeLessThanOrEqual(64 * MIB);
  expect([documentCache.has(fields(7_000, 0)), documentCache.has(fields(7_000, 99))]).toEqual([false, true]);
});

test.each([
  ['with locations', false, fields, 7_000],
  ['without locations', true, pairs, 5_000],
])('what a document takes is not more than it is counted as: %s', (_, noLocation, make, count) => {
  const { documentCache } = createDocumentCache();
  const texts = Array.from({ length: 12 }, (__, n) => make(count, n));
  const before = process.memoryUsage().heapUsed;
  const parsed = texts.map((text) => parse(text, { noLocation }));
  const taken = process.memoryUsage().heapUsed - before;
  for (const [n, text] of texts.entries()) documentCache.set(text, parsed[n] as ReturnType<typeof parse>);
  expect(documentCache.size).toBe(texts.length);
  // A collection meanwhile makes it less, and what was thrown away more.
  expect(taken).toBeLessThan(2 * documentCache.calculatedSize);
});
