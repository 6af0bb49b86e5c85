/**
 * `npm run bench -- documents`: how long the event loop is kept by the largest documents of each kind that are let through, from
 * their text to their price. Nobody needs a token for that outside of production.
 */
import { OverlappingFieldsCanBeMergedRule, parse, specifiedRules, validate } from 'graphql';
import { OPERATION_LIMITS } from '../src/config.ts';
import { FieldMergingRule } from '../src/graphql/field-merging.ts';
import { priceOf } from '../src/graphql/price/price.ts';
import { schema } from '../src/graphql/schema.ts';
import { limitPassedBy } from '../src/http/yoga/document-size.ts';
import { isLong } from '../src/http/yoga/locations.ts';

/** As the gateway has them. */
const RULES = specifiedRules.map((rule) => (rule === OverlappingFieldsCanBeMergedRule ? FieldMergingRule : rule));
/** The goal, in milliseconds. */
const MOST = 100;
const ROUNDS = 5;

const many = (count: number, of: (n: number) => string, separator = ' ') =>
  Array.from({ length: count }, (_, n) => of(n)).join(separator);
const nested = (levels: number, open: string, inside: string) => open.repeat(levels) + inside + '}'.repeat(levels);

/** Each is made as large as is let through: `size` is about how many names it has. */
const DOCUMENTS: Record<string, (size: number) => string> = {
  'a field again and again': (size) => `{ viewer { ${'address '.repeat(size)} } }`,
  'a field with fields again and again': (size) => `{ ${'viewer { address } '.repeat(size / 2)} }`,
  'two levels of them': (size) => `{ ${'viewer { app { id } } '.repeat(size / 3)} }`,
  'seven levels, wide below': (size) =>
    `{ ${nested(1, 'viewer { groups { edges { node { members { edges { node {', 'address '.repeat(size))}}}}}}} }`,
  'one and many in turn': (size) => `{ ${many(size / 30, () => `viewer { ${'address '.repeat(29)} }`)} }`,
  'a field with arguments again and again': (size) => `{ ${many(size / 2, () => 'group(gid: "1") { gid }')} }`,
  'many arguments again and again': (size) =>
    `{ ${many(size / 2, () => `groups(filter: { nameContains: "${'x'.repeat(100)}" }, first: 1, orderBy: { field: NAME, direction: ASC }) { __typename }`)} }`,
  'a field under many names': (size) => `{ viewer { ${many(size / 2, (n) => `a${n}: address`)} } }`,
  'inline fragments': (size) => `{ viewer { ${'... { address } '.repeat(size)} } }`,
  'inline fragments on types': (size) =>
    `{ node(id: "") { ${'... on Group { name } ... on Member { address } '.repeat(size / 6)} } }`,
  'inline fragments on types with fields below': (size) =>
    `{ node(id: "") { ${'... on Group { permissions { send } } ... on Member { permissions { send } } '.repeat(size / 8)} } }`,
  'many fragments, all spread': (size) =>
    `{ viewer { ${many(490, (n) => `...f${n}`)} } } ${many(490, (n) => `fragment f${n} on Viewer { ${'address '.repeat(size / 490 - 4)} }`)}`,
  'many fragments, fields differ': (size) =>
    `{ viewer { ${many(490, (n) => `...f${n}`)} } } ${many(490, (n) => `fragment f${n} on Viewer { ${many(size / 980 - 2, (m) => `a${n}x${m}: address`)} }`)}`,
  'a chain of fragments, each twice': () =>
    `{ ...f0 } ${many(490, (n) => `fragment f${n} on Query { ...f${n + 1} ...f${n + 1} }`)} fragment f490 on Query { viewer { address } }`,
  'a chain of fragments within fields': () =>
    `{ viewer { groups { edges { node { ...f0 } } } } } ${many(490, (n) => `fragment f${n} on Group { member(address: "a") { group { ...f${n + 1} } } }`)} fragment f490 on Group { gid }`,
  'fragments that spread all later ones': () =>
    `{ ...f0 } ${many(130, (n) => `fragment f${n} on Query { viewer { address } ${many(130 - n, (m) => `...f${n + m + 1}`)} }`)} fragment f130 on Query { viewer { address } }`,
  'fragments in fields that merge': (size) =>
    `{ ${many(400, (n) => `viewer { ...f${n} }`)} } ${many(400, (n) => `fragment f${n} on Viewer { ${'address '.repeat(size / 400 - 6)} }`)}`,
  'a fragment spread again and again': (size) =>
    `{ ${'...f '.repeat(size / 2)} ${many(size / 4, () => 'viewer { ...g }')} } fragment f on Query { viewer { address } } fragment g on Viewer { address }`,
  'many operations, a fragment each': (size) =>
    `${many(240, (n) => `query q${n} { ...f0 }`)} ${many(240, (n) => `fragment f${n} on Query { ...f${n + 1} ${'__typename '.repeat(size / 500)} }`)} fragment f240 on Query { __typename }`,
  'many operations and variables': () =>
    `${many(240, (n) => `query q${n}($a: ID!) { ...f0 }`)} ${many(250, (n) => `fragment f${n} on Query { ${n < 249 ? `...f${n + 1}` : ''} ${many(10, (m) => `a${n}x${m}: group(gid: $a) { gid }`)} }`)}`,
  'many variables': (size) =>
    `query (${many(size, (n) => `$v${n}: ID!`)}) { nodes(ids: [${many(size, (n) => `$v${n}`)}]) { id } }`,
  'many unused variables': (size) => `query (${many(size, (n) => `$v${n}: ID`)}) { viewer { address } }`,
  'many undefined variables': (size) => `{ nodes(ids: [${many(size, (n) => `$v${n}`)}]) { id } }`,
  'many undefined variables, many operations': () =>
    `${many(490, (n) => `query q${n} { ...f }`)} fragment f on Query { nodes(ids: [${many(19_000, (n) => `$v${n}`)}]) { id } }`,
  'many unknown fields': (size) => `{ ${many(size, (n) => `f${n}`)} }`,
  'a long list': () => `{ nodes(ids: [${'"a" '.repeat(109_000)}]) { id } }`,
  'a long list, all wrong': () => `{ nodes(ids: [${'1.5 '.repeat(109_000)}]) { id } }`,
  'a long list of objects': () =>
    `{ permissions(checks: [${'{ gid: 1, address: "a", action: SEND } '.repeat(4_900)}]) { allowed } }`,
  'long lists of objects that merge': () =>
    `{ ${many(40, () => `permissions(checks: [${'{ gid: 1, address: "a", action: SEND } '.repeat(120)}]) { allowed }`)} }`,
  'an object with many fields': () => `{ groups(filter: { ${many(19_000, (n) => `a${n}: 1`)} }) { __typename } }`,
  'an object with one field again and again': () =>
    `{ groups(filter: { ${'nameContains: "a" '.repeat(19_000)} }) { __typename } }`,
  'deep objects': () => `{ groups(filter: ${'{ a: '.repeat(195)}1${' }'.repeat(195)}) { __typename } }`,
  'many arguments': () => `{ group(${many(19_000, (n) => `a${n}: 1`)}) { gid } }`,
  'one argument again and again': () => `{ group(${'gid: "1" '.repeat(19_000)}) { gid } }`,
  'many directives': (size) => `{ viewer { address ${'@skip(if: false) '.repeat(size - 10)} } }`,
  'many unknown directives': (size) => `{ viewer { address ${many(size - 10, (n) => `@d${n}`)} } }`,
  'a long string': () => `{ group(gid: "${'x'.repeat(4_000_000)}") { gid } }`,
  'a long block string': () => `{ group(gid: """${' x\n'.repeat(100_000)}""") { gid } }`,
  'escapes in a string': () => `{ group(gid: "${'\\u00e9'.repeat(600_000)}") { gid } }`,
  'a long name': () => `{ ${'x'.repeat(4_000_000)} }`,
  'a long number': () => `{ group(gid: ${'1'.repeat(4_000_000)}) { gid } }`,
  'nothing but blanks': () => `{ viewer { address } }${' '.repeat(4_000_000)}`,
  comments: () => `${'#\n'.repeat(100_000)}{ viewer { address } }`,
  'introspection, wide': (size) => `{ ${'__schema { types { name } } '.repeat(size / 3)} }`,
  'introspection, deep': () => `{ __schema { types { ${nested(40, 'ofType { ', 'name ')} } } }`,
  'types that may not be spread there': (size) => `{ viewer { ${'... on Group { name } '.repeat(size / 3)} } }`,
};

/** As large as may be: the sizes are tried from above. */
function largest(make: (size: number) => string): string | undefined {
  for (let size = 10_000; size > 100; size = Math.floor(size * 0.97)) {
    const document = make(size);
    if (!limitPassedBy(document, OPERATION_LIMITS.maxTokens)) return document;
  }
  return undefined;
}

function take(document: string): { ms: number; errors: number } {
  const begun = process.cpuUsage();
  limitPassedBy(document, OPERATION_LIMITS.maxTokens);
  const parsed = parse(document, { noLocation: isLong(document) });
  let errors = 0;
  try {
    errors = validate(schema, parsed, RULES).length;
  } catch {
    errors = -1;
  }
  if (errors === 0) priceOf({ schema, document: parsed });
  const { user, system } = process.cpuUsage(begun);
  return { ms: (user + system) / 1000, errors };
}

export async function run(): Promise<boolean> {
  const rows = Object.entries(DOCUMENTS).map(([what, make]) => {
    const document = largest(make);
    if (document === undefined) throw new Error(`${what}: nothing of that is let through`);
    const taken = Array.from({ length: ROUNDS }, () => take(document));
    // The smallest: what others do on the machine only adds.
    return { what, bytes: document.length, errors: taken[0]?.errors, ms: Math.round(Math.min(...taken.map(({ ms }) => ms))) };
  });
  console.table(rows.toSorted((a, b) => b.ms - a.ms));
  return rows.every(({ ms }) => ms <= MOST);
}
