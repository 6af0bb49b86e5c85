import type { Random } from '../soak/random.ts';
import type { Operation } from './operations.ts';

const BITS = [
  '\0',
  '"',
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ':',
  '$',
  '@',
  '...',
  '!',
  '|',
  '&',
  '#',
  '\\',
  '\ud800',
  '😀',
  '\ufeff',
  '""',
  '"""',
];

/** Changes a text at one to three places: cuts, repeats, inserts, exchanges. */
export function mutateText(text: string, random: Random): string {
  let result = text;
  for (let times = random.between(1, 3); times > 0; times--) {
    const from = random.between(0, result.length);
    const length = random.between(0, 12);
    const [before, part, after] = [result.slice(0, from), result.slice(from, from + length), result.slice(from + length)];
    result = random.pick([
      () => before + after,
      () => before + part + part + after,
      () => before + random.pick(BITS) + part + after,
      () => before + part.toUpperCase() + after,
      () => before + random.between(-1, 2 ** 40) + after,
      () => before + [...part].reverse().join('') + after,
    ])();
  }
  return result;
}

/** Changes up to four bytes of a message: flips, cuts, inserts. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let times = random.between(1, 4); times > 0; times--) {
    const from = random.between(0, result.length);
    const rest = result.subarray(from);
    const one = Buffer.of(random.pick([0, 10, 13, 32, 34, 58, 127, 128, 255, random.between(0, 255)]));
    result = random.pick([
      () => Buffer.concat([result.subarray(0, from), one, rest.subarray(1)]),
      () => Buffer.concat([result.subarray(0, from), one, rest]),
      () => Buffer.concat([result.subarray(0, from), rest.subarray(random.between(0, 8))]),
      () => Buffer.concat([result.subarray(0, from), rest.subarray(0, 20), rest]),
    ])();
  }
  return result;
}

const LONG = 'n'.repeat(100_000);
const many = (count: number, of: (n: number) => string) => Array.from({ length: count }, (_, n) => of(n)).join(' ');

/** Documents that are wrong, or large, in a way of their own. */
const DOCUMENTS: readonly (() => string)[] = [
  () => `{ ${LONG} }`,
  () => `{ ${LONG}: __typename @${LONG} viewer(${LONG}: 1) { address } ...${LONG} }`,
  () => `query ${LONG}($${LONG}: ${LONG}) { viewer { address } }`,
  () => `{ viewer { ${many(3_000, () => 'address')} } }`,
  () => many(1_500, () => '{ viewer { address } }'),
  () => `{ ${many(3_000, () => 'viewer { address }')} }`,
  () => `{ ${many(500, (n) => `...f${n}`)} } ${many(450, (n) => `fragment f${n} on Query { viewer { address } }`)}`,
  () => `{ ...f0 } ${many(450, (n) => `fragment f${n} on Query { ...f${n + 1} ...f${n + 1} }`)}`,
  () => `query (${many(3_000, (n) => `$v${n}: Int`)}) { viewer { address } }`,
  () => `{ ${many(300, (n) => `group(gid: $v${n}) { name }`)} }`,
  () => `{ viewer { address ${many(2_000, () => '@skip(if: false)')} } }`,
  () => `{ group(gid: "${LONG}") { gid } }`,
  () => `{ group(gid: ${'1'.repeat(100_000)}) { gid } }`,
  () => `{ permissions(checks: [${many(2_000, () => '{ gid: "1", address: "a", action: SEND }')}]) { allowed } }`,
  () => `{ a: group(gid: "${'é'.repeat(50_000)}", ${many(500, (n) => `x${n}: 1`)}) { gid } }`,
  () => '{ '.repeat(150) + '}'.repeat(150),
  () => `{ viewer { ${many(120, () => '... { ... on Viewer {')} address ${many(120, () => '}}')} } }`,
  () => '',
  () => ' ',
  () => '{}',
  () => '#',
  () => 'type Query { a: Int }',
  () => 'extend schema @a { query: Q }',
  () => 'fragment F on Query { ...F } { ...F }',
  () => 'fragment A on Query { ...B } fragment B on Query { ...A } { ...A ...B }',
  () => '"description" query { __typename }',
  () => 'subscription { a: appChanges { __typename } b: appChanges { __typename } }',
  () => 'subscription { __typename }',
  () => 'subscription ($s: Boolean!) { appChanges @skip(if: $s) { __typename } }',
  () => 'subscription ($s: Boolean = true) { ...F @skip(if: $s) } fragment F on Subscription { appChanges { __typename } }',
  () => 'subscription { __schema { queryType { name } } }',
  () => '{ __schema { types { name { name } } } }',
  () => '{ viewer { ... on Group { name } ... on Node { id } } }',
  () => 'query A { __typename } query A { __typename }',
];

/** Spoils an operation somewhere: its text, its variables, its name, or all of it. */
export function mutateOperation(operation: Operation, random: Random): Operation {
  return random.pick<() => Operation>([
    () => ({ ...operation, query: mutateText(operation.query, random) }),
    () => ({ ...operation, query: mutateText(operation.query, random) }),
    () => ({ ...operation, query: random.pick(DOCUMENTS)() }),
    () => ({ ...operation, variables: {} }),
    () => ({ ...operation, variables: { ...operation.variables, more: 1, ['__proto__x']: LONG } }),
    () => ({ ...operation, variables: Object.fromEntries(Object.keys(operation.variables).map((name) => [name, name])) }),
    () => ({ ...operation, operationName: random.pick(['', 'Nobody', 'Other', '__proto__', LONG]) }),
    () => ({ ...operation, query: `${operation.query} ${operation.query}` }),
    () => ({ ...operation, query: operation.query.replace(/\b(name|address|gid|code)\b/, 'nonsense') }),
    () => ({ ...operation, query: operation.query.replace(/: (\d+|"[^"]*"|true|false)/, ': $undefined') }),
  ])();
}
