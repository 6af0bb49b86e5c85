import fc from 'fast-check';
import {
  buildSchema,
  execute,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  getIntrospectionQuery,
  getNamedType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { OPERATION_LIMITS } from '../../src/config.ts';
import { pointsBeyond } from '../../src/graphql/price/beyond.ts';
import { type FieldPrice, priced } from '../../src/graphql/price/field-price.ts';
import { priceOf, refusalOf } from '../../src/graphql/price/price.ts';
import { WEIGHTS } from '../../src/graphql/price/weights.ts';
import { schema } from '../../src/graphql/schema.ts';

const price = (query: string, variableValues: Record<string, unknown> = {}, on = schema) => {
  const document = parse(query);
  expect(validate(on, document)).toEqual([]);
  const found = priceOf({ schema: on, document, variableValues });
  return found ?? expect.fail('no operation');
};

/** How many fields an answer has. */
function fieldsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((total, item) => total + fieldsIn(item), 0);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((total, item) => total + 1 + fieldsIn(item), 0);
}

const priceIn = ({ extensions }: GraphQLField<unknown, unknown>) => extensions['price'] as FieldPrice | undefined;

const fieldsOf = (type: GraphQLNamedType | undefined): GraphQLField<unknown, unknown>[] =>
  isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];

describe('the schema', () => {
  const fields = Object.values(schema.getTypeMap())
    .filter(({ name }) => !name.startsWith('__'))
    .flatMap((type) => fieldsOf(type).map((field) => ({ name: `${type.name}.${field.name}`, field })));

  test('every list says how long it may be', () => {
    const lists = fields.filter(({ field: { type } }) => isListType(isNonNullType(type) ? type.ofType : type));
    expect(lists.length).toBeGreaterThan(15);
    expect(lists.filter(({ field }) => priceIn(field)?.items === undefined).map(({ name }) => name)).toEqual([]);
  });

  test('every connection says so, and only connections have edges', () => {
    const pages = fields.filter(({ field }) =>
      fieldsOf(getNamedType(field.type) as GraphQLObjectType).some(({ name }) => name === 'edges'),
    );
    expect(pages.length).toBeGreaterThan(7);
    for (const { name, field } of pages)
      expect([name, priceIn(field)]).toEqual([name, expect.objectContaining({ list: true, nodes: true })]);
    expect(fields.filter(({ field }) => priceIn(field)?.items === 'page').map(({ name }) => name.split('.')[1])).toEqual(
      Array(5).fill('edges'),
    );
  });

  test('what is heavier says so', () => {
    const heavy = fields.filter(({ field }) => priceIn(field)?.weight !== undefined);
    expect(heavy.length).toBeGreaterThan(20);
    expect(heavy.filter(({ field }) => !/weighs .* fields/i.test(field.description ?? '')).map(({ name }) => name)).toEqual([]);
  });

  test('what the schema is asked for has its true length, and tools may ask for all of it', () => {
    const everything = {
      ...{ descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true },
      ...{ schemaDescription: true, inputValueDeprecation: true, oneOf: true },
    };
    for (const query of [getIntrospectionQuery(), getIntrospectionQuery(everything)]) {
      const asked = price(query);
      const resolved = fieldsIn(execute({ schema, document: parse(query) }));
      expect(asked.fields / (1 + WEIGHTS.schema)).toBeGreaterThanOrEqual(resolved - 1); // but `data`
      expect(asked.fields / (1 + WEIGHTS.schema)).toBeLessThan(resolved + 10);
      expect(refusalOf(asked, OPERATION_LIMITS)).toBeUndefined();
    }
    const byName = 'query ($name: String!) { __type(name: $name) { name fields { name } } }';
    for (const [name, fields] of [
      ['Group', 2 + 1 + Object.keys((schema.getType('Group') as GraphQLObjectType).getFields()).length],
      ['Cursor', 3],
      ['Nothing', 1],
    ] as const) {
      expect(price(byName, { name }).fields).toBe(Math.ceil(fields * (1 + WEIGHTS.schema)));
    }
  });

  test('what asks for all of it again and again is refused, at once', () => {
    const all = Array.from({ length: 300 }, (_, n) => `a${n}: types { name kind description fields { name type { name } } }`);
    const doubling = Array.from({ length: 60 }, (_, n) => `fragment f${n} on __Type { ...f${n + 1} ...f${n + 1} }`).join(' ');
    const begun = performance.now();
    for (const query of [
      `{ __schema { ${all.join(' ')} } }`,
      `{ ...r } fragment r on Query { b: __schema { directives { name } } __schema { ${all.join(' ')} } }`,
      `query ($yes: Boolean = true) { __schema @include(if: $yes) { ${all.join(' ')} } }`,
      `{ __schema { types { ...f0 } } } ${doubling} fragment f60 on __Type { name }`,
    ]) {
      expect(refusalOf(price(query), OPERATION_LIMITS)?.extensions).toMatchObject({ limit: 'MAX_FIELDS' });
    }
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

// A schema without weights, whose answers are as full as they may be.
const plain = buildSchema(`
  type Query { item: Item! items(ids: [ID!]!): [Item!]! page(first: Int, last: Int): Page! any: Any! either: Either! }
  type Item implements Any { name: String! item: Item! items(ids: [ID!]!): [Item!]! page(first: Int, last: Int): Page! any: Any! either: Either! }
  type Other implements Any { name: String! other: Other! more: Item! }
  interface Any { name: String! }
  union Either = Item | Other
  type Page { edges: [Edge!]! info: Item! }
  type Edge { cursor: String! node: Item! }
`);
const LENGTH = { items: { reads: ['ids'], of: ({ ids }: { ids?: unknown }) => (ids as unknown[]).length } };
const SIZE = {
  items: { reads: ['first', 'last'], of: ({ first, last }: { first?: unknown; last?: unknown }) => Number(first ?? last ?? 3) },
};
for (const type of ['Query', 'Item', 'Page']) {
  for (const field of fieldsOf(plain.getType(type))) {
    const price = { items: LENGTH, page: SIZE, edges: { items: 'page' as const } }[field.name];
    if (price) field.extensions = priced(price);
  }
}

/** Objects without end; of two types in turn, where either may be. */
const object = (name: string) => ({ __typename: name, name: 'n', cursor: 'c' });
let turn = 0;
const resolvers: Record<string, (args: Record<string, unknown>, source: { size?: number }) => unknown> = {
  item: () => object('Item'),
  node: () => object('Item'),
  info: () => object('Item'),
  more: () => object('Item'),
  other: () => object('Other'),
  any: () => object(turn++ % 2 ? 'Item' : 'Other'),
  either: () => object(turn++ % 2 ? 'Item' : 'Other'),
  items: ({ ids }) => (ids as unknown[]).map(() => object('Item')),
  page: ({ first, last }) => ({ size: Number(first ?? last ?? 3) }),
  edges: (_, { size }) => Array.from({ length: size ?? 0 }, () => object('Edge')),
};

const VARIABLES = { few: 2, none: 0, ids: ['a', 'b', 'c'], yes: true, no: false } as const;
const HEAD =
  'query ($few: Int = 7, $none: Int, $ids: [ID!]!, $yes: Boolean!, $no: Boolean!, $left: Int = 4, $out: Boolean = false)';

/** Selections of a type, to a depth; every name only once, so that what is asked for is what is resolved. */
function selections(type: string, depth: number, exact: boolean): fc.Arbitrary<string> {
  const below = (of: string) =>
    fc.array(selections(of, depth - 1, exact), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(' '));
  const size = fc.constantFrom('', '(first: 2)', '(last: 1)', '(first: 0)', '(first: $few)', '(last: $none)', '(first: $left)');
  const ids = fc.constantFrom('(ids: [])', '(ids: ["a", "b"])', '(ids: $ids)', '(ids: ["a", "b", "c", "d"])');
  const condition = fc.constantFrom(
    '',
    '',
    '',
    '@include(if: $yes)',
    '@include(if: $no)',
    '@skip(if: $no)',
    '@skip(if: true)',
    '@include(if: $out)',
  );
  const leaf = fc.constant('__typename');
  if (depth === 0) return named(leaf, condition);
  const on = (name: string, of: string, args: fc.Arbitrary<string> = fc.constant('')) =>
    named(
      fc.tuple(args, below(of)).map(([given, selected]) => `${name}${given} { ${selected} }`),
      condition,
    );
  const spread = fc
    .tuple(fc.constantFrom(`... on ${type}`, '...'), condition, below(type))
    .map(([what, when, selected]) => `${what} ${when} { ${selected} }`);
  const always = [named(leaf, condition), spread];
  if (type === 'Page') return fc.oneof(...always, on('edges', 'Edge'), on('info', 'Item'));
  if (type === 'Edge') return fc.oneof(...always, on('node', 'Item'), named(fc.constant('cursor'), condition));
  if (type === 'Any' || type === 'Either') {
    const one = fc
      .constantFrom('Item', 'Other', 'Any')
      .chain((name) => below(name).map((selected) => `... on ${name} { ${selected} }`));
    return fc.oneof(named(leaf, condition), one);
  }
  if (type === 'Other') return fc.oneof(...always, on('other', 'Other'), on('more', 'Item'));
  const object = [on('item', 'Item'), on('items', 'Item', ids), on('page', 'Page', size)];
  const abstract = exact ? [] : [on('any', 'Any'), on('either', 'Either')];
  return fc.oneof(...always, ...object, ...abstract);
}

let names = 0;
const named = (field: fc.Arbitrary<string>, condition: fc.Arbitrary<string>) =>
  fc.tuple(field, condition).map(([text, when]) => {
    const [, head, rest = ''] = /^(\w+(?:\([^)]*\))?)(.*)$/s.exec(text) ?? [];
    return `a${names++}: ${head} ${when}${rest}`;
  });

function resolved(query: string): number {
  const document = parse(query.startsWith('query') ? query : `${HEAD} ${query}`);
  const answer = execute({
    schema: plain,
    document,
    variableValues: VARIABLES,
    fieldResolver: (source, args, _, { fieldName }) => resolvers[fieldName]?.(args, source) ?? source[fieldName],
    typeResolver: ({ __typename }) => __typename,
  });
  expect(answer).not.toHaveProperty('errors');
  return fieldsIn(answer) - 1; // but `data`
}

const operation = (exact: boolean) =>
  fc.array(selections('Query', 4, exact), { minLength: 1, maxLength: 4 }).map((parts) => `${HEAD} { ${parts.join(' ')} }`);

/** Variables that a document does not use are no matter here. */
const priceOn = (query: string) =>
  priceOf({ schema: plain, document: parse(query), variableValues: VARIABLES })?.fields ?? Number.NaN;

describe('fields', () => {
  test('are those that execution resolves, where lists are full', () => {
    let counted = 0;
    fc.assert(
      fc.property(operation(true), (query) => {
        const fields = resolved(query);
        counted += fields;
        expect(priceOn(query)).toBe(fields);
      }),
      { numRuns: 500 },
    );
    expect(counted).toBeGreaterThan(1_000);
  });

  test('are never less, where an object may be of several types', () => {
    fc.assert(
      fc.property(operation(false), (query) => {
        const price = priceOn(query);
        for (let round = 0; round < 3; round++) expect(price).toBeGreaterThanOrEqual(resolved(query));
      }),
      { numRuns: 500 },
    );
  });

  test('count under the variables that are given now, in a document that is known', () => {
    const document = parse(
      'query ($n: Int, $more: Boolean = true) { page(first: $n) { edges { cursor } info @include(if: $more) { name } } }',
    );
    const fields = (variableValues: Record<string, unknown>) => priceOf({ schema: plain, document, variableValues })?.fields;
    expect(fields({ n: 5 })).toBe(2 + 5 + 2);
    expect(fields({ n: 1000, more: false })).toBe(2 + 1000);
    expect(fields({})).toBe(2 + 3 + 2);
    expect(fields({ n: 5 })).toBe(2 + 5 + 2);
  });

  test('of the dearest type, not of all of them together', () => {
    expect(price('{ any { ... on Item { a: name b: name } ... on Other { c: name } name } }', {}, plain).fields).toBe(4);
    expect(price('{ either { ... on Item { a: name } ... on Other { c: name d: name e: name } } }', {}, plain).fields).toBe(4);
  });
});

describe('weights', () => {
  const { statement, page, nameContains, decision, lookUp, loaded, leaf } = WEIGHTS;
  test.each<[string, string, number, Record<string, unknown>?]>([
    ['a list', '{ groups(first: 10) { edges { cursor } } }', statement + page + 2 + 10],
    [
      'a search in names',
      '{ groups(first: 1, filter: { nameContains: "abc" }) { edges { cursor } } }',
      statement + page + nameContains + 3,
    ],
    [
      'a filter without one',
      '{ groups(first: 1, filter: { member: "abc", nameContains: null }) { edges { cursor } } }',
      statement + page + 3,
    ],
    [
      'a filter in a variable',
      'query ($filter: GroupFilter) { groups(first: 1, filter: $filter) { edges { cursor } } }',
      statement + page + nameContains + 3,
      { filter: { nameContains: 'abc' } },
    ],
    [
      'a search in a variable',
      'query ($name: String) { groups(first: 1, filter: { nameContains: $name }) { edges { cursor } } }',
      statement + page + nameContains + 3,
      { name: 'abc' },
    ],
    [
      'pages in each',
      '{ groups(first: 10) { edges { node { members(first: 5) { edges { cursor } } } } } }',
      2 * statement + page + 2 + 10 * (page + 3 + 5),
    ],
    ['a group', '{ group(gid: "1") { gid } }', lookUp + 2],
    ['a decision', '{ group(gid: "1") { permission(address: "a", action: SEND) { allowed } } }', lookUp + decision + 3],
    [
      'a message type',
      '{ group(gid: "1") { permissions(messageType: 1) { send } other: permissions(messageType: 0) { send } } }',
      lookUp + loaded + 5,
    ],
    ['message types', '{ group(gid: "1") { messageTypes } }', lookUp + 2 + loaded + 1_000 * leaf],
    ['nodes', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', 1 + 3 * (lookUp + 1), { ids: ['a', 'b', 'c'] }],
    ['one of them, without brackets', '{ nodes(ids: "a") { id } }', 1 + lookUp + 1],
  ])('%s', (_, query, fields, variables) => {
    expect(price(query, variables).fields).toBe(fields);
  });
});

test('the message types of a group count as many as it may have', () => {
  const query = '{ group(gid: "1") { messageTypes } }';
  const { fields = 0, bytes = 0 } = priceOf({ schema, document: parse(query) }) ?? {};
  const more = priceOf({ schema, document: parse(query), messageTypes: 11_000 });
  expect(more?.fields).toBe(fields + 10_000 * WEIGHTS.leaf);
  expect(more?.bytes).toBeGreaterThan(bytes + 10_000 * 10);
});

describe('points', () => {
  test.each<[string, number, Record<string, unknown>?]>([
    ['{ viewer { address } }', 1],
    ['{ groups(first: 1000) { edges { node { gid name } } } }', 1 + 31],
    ['mutation { groupDel(input: { gid: "1" }) { __typename } }', 1 + 5],
    ['mutation { a: groupDel(input: { gid: "1" }) { __typename } b: groupDel(input: { gid: "1" }) { __typename } }', 1 + 10],
    [
      'mutation ($a: [String!]!) { groupEditMembers(input: { gid: "1", remove: $a }) { __typename } }',
      1 + 5 + 2,
      { a: Array(250).fill('x') },
    ],
    [
      'mutation ($i: GroupEditMembersInput!) { groupEditMembers(input: $i) { __typename } }',
      1 + 5 + 4,
      {
        i: {
          gid: '1',
          add: [{ addresses: Array(300).fill('x') }, { addresses: 'y' }],
          update: { addresses: Array(99).fill('z') },
        },
      },
    ],
    [
      'mutation ($a: [String!]!) { groupAdd(input: { members: [{ addresses: $a }] }) { __typename } }',
      1 + 5 + 1,
      { a: Array(100).fill('x') },
    ],
    // 10 records, each of which usually has 10 members, and may have 1,000.
    [
      '{ group(gid: "1") { changes(first: 10) { edges { node { ... on MembersAdded { members { address } } } } } } }',
      1 + Math.floor((150 + 16 + 31 + 1 + 10 * (1 + 1 + 10)) / 100),
    ],
  ])('%s', (query, points, variables) => {
    expect(price(query, variables).points).toBe(points);
  });

  test('what lists have besides what they usually have is found in the answer', () => {
    const data = (members: number) => ({ a: { list: [{ members: Array(members).fill({ address: 'x' }), none: null }] } });
    const price = { fields: 2_000, usualFields: 24 };
    expect([119, 120, 320, 2_000].map((members) => pointsBeyond(price, data(members)))).toEqual([0, 1, 3, 19]);
    expect(pointsBeyond({ fields: 24, usualFields: 24 }, data(320))).toBe(0);
    expect(pointsBeyond(price, null)).toBe(0);
  });
});
