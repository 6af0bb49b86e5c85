/** That fields with one name can be merged: a rule of ours, which has to say what GraphQL's own does. */
import fc from 'fast-check';
import {
  buildSchema,
  GraphQLError,
  NoUnusedFragmentsRule,
  OverlappingFieldsCanBeMergedRule,
  parse,
  type ValidationRule,
  validate,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { FieldMergingRule } from '../../src/graphql/field-merging.ts';
import { MAX_SELECTIONS } from '../../src/graphql/limits.ts';
import { holds } from '../setup/property.ts';

const schema = buildSchema(`
  interface Named { a(x: Int, y: [In]): Int  b: String  self: Named  list: [Named!] }
  type One implements Named { a(x: Int, y: [In]): Int  b: String  self: Named  list: [Named!]  c: Int  d: [Int]  e: One! }
  type Two implements Named { a(x: Int, y: [In]): Int  b: String  self: Named  list: [Named!]  c: String  d: [Int!]  e: Two }
  union Either = One | Two
  type Query { named: Named  one: One  two: Two!  either: Either  a: Int }
  input In { p: Int  q: String  r: [In] }
`);
const errorsBy = (rule: ValidationRule, document: string) =>
  validate(schema, parse(document), [rule]).map(({ message }) => message);

describe('as GraphQL has it', () => {
  const TYPES = ['Named', 'One', 'Two', 'Either', 'Query'];
  const FIELDS = [
    'a',
    'b',
    'c',
    'd',
    'self { … }',
    'list { … }',
    'e { … }',
    'named { … }',
    'one { … }',
    'two { … }',
    '__typename',
  ];
  const ARGUMENTS = ['', '', '', '(x: 1)', '(x: 2)', '(y: [{ p: 1, q: "a" }], x: 1)', '(x: 1, y: [{ q: "a", p: 1 }])', '(x: $v)'];
  const alias = fc.constantFrom('', ...Array.from('nmopqrstuvwxyz', (name) => `${name}: `));
  const { selections } = fc.letrec<{ selections: string; selection: string }>((tie) => ({
    selections: fc.array(tie('selection'), { minLength: 1, maxLength: 4, depthIdentifier: 'd' }).map((all) => all.join(' ')),
    selection: fc.oneof(
      { depthIdentifier: 'd', maxDepth: 5, depthSize: 'small' },
      fc
        .tuple(alias, fc.constantFrom('a', 'b', 'c', 'd', '__typename'), fc.constantFrom(...ARGUMENTS))
        .map(([name, field, args]) => `${name}${field}${field === 'a' ? args : ''}`),
      fc.constantFrom('...F', '...G', '...H'),
      fc
        .tuple(alias, fc.constantFrom(...FIELDS.filter((field) => field.includes('…'))), tie('selections'))
        .map(([name, field, below]) => `${name}${field.replace('…', below)}`),
      fc
        .tuple(fc.constantFrom('', ...TYPES.map((type) => `on ${type}`)), tie('selections'))
        .map(([condition, below]) => `... ${condition} { ${below} }`),
    ),
  }));
  const document = fc
    .tuple(selections, selections, fc.tuple(...['F', 'G', 'H'].map(() => fc.tuple(fc.constantFrom(...TYPES), selections))))
    .map(([first, second, fragments]) => {
      const defined = fragments.map(([type, below], n) => `fragment ${'FGH'[n]} on ${type} { ${below} }`).join('\n');
      return `query A($v: Int) { ${first} }\nquery B($v: Int) { named { ${second} } ...F ...G ...H }\n${defined}`;
    });

  test('on generated documents, with fields that do not exist and fragments in circles', () => {
    const seen = { right: 0, wrong: 0 };
    holds(
      fc.property(document, (text) => {
        expect(validate(schema, parse(text), [NoUnusedFragmentsRule])).toEqual([]);
        const [ours, own] = [errorsBy(FieldMergingRule, text), errorsBy(OverlappingFieldsCanBeMergedRule, text)];
        seen[own.length > 0 ? 'wrong' : 'right']++;
        expect(ours.length > 0, `${text}\n${own}\n${ours}`).toBe(own.length > 0);
      }),
      3_000,
    );
    expect(seen.right).toBeGreaterThan(100);
    expect(seen.wrong).toBeGreaterThan(100);
  });

  test.each([
    ['{ a: __typename one { a } a }'],
    ['{ one { a(x: 1) } one { a(x: 2) } }'],
    ['{ one { a(x: 1) a(x: 2) } }'],
    ['{ named { ... on One { c } ... on Two { c } } }'],
    ['{ named { ... on One { e { b } } ... on Two { e { b } } } }'],
    ['{ one { self { ... on One { c } } } one { self { ... on Two { c } } } }'],
    ['{ one { self { a } ...F } } fragment F on One { self { a: b } }'],
  ])('in the same words: %s', (text) => {
    const own = errorsBy(OverlappingFieldsCanBeMergedRule, text);
    expect(own).toHaveLength(1);
    expect(errorsBy(FieldMergingRule, text)).toEqual(own);
  });

  test.each([
    ['arguments in another order', '{ one { a(x: 1, y: [{ p: 1, q: "b" }]) a(y: [{ q: "b", p: 1 }], x: 1) } }'],
    ['what excludes each other, of one shape', '{ named { ... on One { n: a(x: 1) } ... on Two { n: a(x: 2) } } }'],
    ['the same in fragments', '{ ...F ...F one { a } } fragment F on Query { one { a } }'],
  ])('right: %s', (_, text) => {
    expect(errorsBy(OverlappingFieldsCanBeMergedRule, text)).toEqual([]);
    expect(errorsBy(FieldMergingRule, text)).toEqual([]);
  });
});

describe('of many fields', () => {
  const many = (count: number, of: (n: number) => string) => Array.from({ length: count }, (_, n) => of(n)).join(' ');

  test.each([
    ['again and again', `{ ${many(4_900, () => 'one { b }')} }`],
    ['that differ below', `{ ${many(4_900, (n) => `one { n${n}: b }`)} }`],
  ])('%s, each is looked at once, where GraphQL gives up', (_, text) => {
    expect(errorsBy(OverlappingFieldsCanBeMergedRule, text)).toEqual(['Validation aborted.']);
    expect(errorsBy(FieldMergingRule, text)).toEqual([]);
  });

  /** Selects 101 for each time that the fragment is spread, and one more: looked at twice. */
  const spread = (times: number) =>
    `{ ${many(times, (n) => `n${n}: one { ...F }`)} } fragment F on One { ${many(100, (n) => `n${n}: b`)} }`;
  const refusal = (text: string) => {
    try {
      return errorsBy(FieldMergingRule, text);
    } catch (error) {
      return error instanceof GraphQLError ? error.extensions : error;
    }
  };

  test('fragments count wherever they are spread, up to a limit', () => {
    const most = Math.floor(MAX_SELECTIONS / 2 / 102);
    expect(refusal(spread(most))).toEqual([]);
    const refused = { code: 'LIMIT_EXCEEDED', limit: 'MAX_SELECTIONS', max: MAX_SELECTIONS, http: { status: 400 } };
    expect(refusal(spread(most + 1))).toEqual(refused);
  });

  test('a fragment that is spread twice by the one before is looked at once', () => {
    const chain = `{ ...F0 } ${many(400, (n) => `fragment F${n} on Query { ...F${n + 1} ...F${n + 1} }`)} fragment F400 on Query { a }`;
    expect(refusal(chain)).toEqual([]);
    const fields = `{ one { ...F0 } } ${many(400, (n) => `fragment F${n} on One { n: e { ...F${n + 1} } m: e { ...F${n + 1} } }`)} fragment F400 on One { b }`;
    expect(refusal(fields)).toEqual([]);
  });
});
