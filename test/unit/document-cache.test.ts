/** Parsed documents are kept by the bytes that they take, not by their number. */
import { GraphQLError, parse } from 'graphql';
import { expect, test } from 'vitest';
import { createDocumentCaches } from '../../src/http/yoga/document-cache.ts';

const MIB = 1024 * 1024;
const fields = (count: number, n: number) => `{ ${'a '.repeat(count)} b${n} }`;

test('a document that is small is kept, one of more than 4 MiB is not', () => {
  const { documents } = createDocumentCaches();
  for (const count of [1_000, 10_000]) documents.set(fields(count, 0), parse(fields(count, 0)));
  expect([documents.has(fields(1_000, 0)), documents.has(fields(10_000, 0))]).toEqual([true, false]);
});

test('all together take at most 64 MiB, the oldest go', () => {
  const { documents } = createDocumentCaches();
  const document = parse(fields(7_000, 0));
  for (let n = 0; n < 100; n++) documents.set(fields(7_000, n), document);
  expect(documents.size).toBeGreaterThan(10);
  expect(documents.calculatedSize).toBeLessThanOrEqual(64 * MIB);
  expect([documents.has(fields(7_000, 0)), documents.has(fields(7_000, 99))]).toEqual([false, true]);
});

test('what a document takes is not more than it is counted as', () => {
  const { documents } = createDocumentCaches();
  const texts = Array.from({ length: 12 }, (_, n) => fields(7_000, n));
  const before = process.memoryUsage().heapUsed;
  const parsed = texts.map((text) => parse(text));
  const taken = process.memoryUsage().heapUsed - before;
  for (const [n, text] of texts.entries()) documents.set(text, parsed[n] as ReturnType<typeof parse>);
  // A collection meanwhile makes it less, and what was thrown away more.
  expect(taken).toBeLessThan(2 * documents.calculatedSize);
});

test('of what cannot be parsed long texts are not kept', () => {
  const { errors } = createDocumentCaches();
  for (const text of ['{ a', `{ ${'a '.repeat(10_000)}`]) errors.set(text, new GraphQLError('Syntax Error'));
  expect([...errors.keys()]).toEqual(['{ a']);
});
