import {
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  isScalarType,
} from 'graphql';
import type { Random } from '../soak/random.ts';
import type { Names } from './names.ts';

/** Values that belong to no type. */
const STRANGE: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e308, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 9.2e18, '', ' ', '0', '-0', '0x10', '1e9'],
  ...['\0', 'a\0b', '\ud800', '\udfff\ud800', '\u202e', '\ufeff', '😀'.repeat(300), 'x'.repeat(5_000), '\n', '"', '\\', "'; --"],
  ...['__proto__', 'constructor', 'toString', 'null', 'undefined', 'NaN', '%00', '../../etc/passwd', '$1', '{}'],
  ...[[], [[]], {}, [null], { a: 1 }, { __proto__: null, toString: 1 }, [{}], [['a']], '='.repeat(40), 'W10=', 'WyJhIiwxXQ=='],
  ...[
    '2026-01-31T12:00:00.000Z',
    '0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00.001Z',
    '9999999999999999999999999',
    '-1',
    '1000.0',
  ],
];
/** The same, made only where it is needed. */
const LARGE: readonly (() => unknown)[] = [
  () => 'x'.repeat(200_000),
  () => Array.from({ length: 5_000 }, (_, n) => n),
  () => JSON.parse('['.repeat(500) + ']'.repeat(500)),
  () => JSON.parse(`${'{"a":'.repeat(500)}1${'}'.repeat(500)}`),
  () => JSON.parse(`{"__proto__":{"first":1},"constructor":{"prototype":{}}}`),
  () => Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`k${n}`, n])),
];

const INTS: readonly number[] = [0, 1, 1, 2, 3, 5, 7, 7, 50, 1_000, 1_001, 86_400, -1, 2 ** 31 - 1, -(2 ** 31)];
const TEXTS = ['Team', 'Tëam 🎉', '', 'a', 'x'.repeat(256), 'x'.repeat(257), 'e\u0301', '100%_\\', ' a', 'key-1'];
const base64 = (text: string) => Buffer.from(text).toString('base64');
const CURSORS = [
  '',
  'x',
  base64('["members:1000ADDRESS","bob"]'),
  base64('["groups:GID",1000]'),
  base64('["groups:NAME",null,1]'),
  '1.1.1',
];

/** Makes values of the types of a schema: with `strange` above 0 so often one that does not belong there. */
export class Values {
  readonly #random: Random;
  readonly #names: Names;
  readonly #strange: number;

  constructor(random: Random, names: Names, strange: number) {
    this.#random = random;
    this.#names = names;
    this.#strange = strange;
  }

  /** A value as JSON has it. @param name of the argument or field that it is for */
  of(type: GraphQLInputType, name: string, depth = 0): unknown {
    const random = this.#random;
    if (random.chance(this.#strange)) return this.strange();
    if (isNonNullType(type)) return this.of(type.ofType, name, depth);
    if (depth > 0 && random.chance(0.04)) return null;
    if (isListType(type)) {
      if (random.chance(0.1)) return this.of(type.ofType, name, depth + 1);
      return Array.from({ length: random.between(0, 3) }, () => this.of(type.ofType, name, depth + 1));
    }
    if (isEnumType(type)) return random.pick(type.getValues()).name;
    if (isInputObjectType(type)) {
      const entries = Object.values(type.getFields())
        .filter((field) => isRequiredInputField(field) || field.name === 'gid' || random.chance(0.35))
        .map((field) => [field.name, this.of(field.type, field.name, depth + 1)]);
      if (random.chance(this.#strange)) entries.push([random.pick(['__proto__', 'nonsense', 'id']), this.strange()]);
      return Object.fromEntries(entries);
    }
    return isScalarType(type) ? this.#scalar(type.name, name) : null;
  }

  strange(): unknown {
    return this.#random.chance(0.05) ? this.#random.pick(LARGE)() : this.#random.pick(STRANGE);
  }

  #scalar(type: string, name: string): unknown {
    const random = this.#random;
    const { gids, ids, addresses } = this.#names;
    if (type === 'Boolean') return random.chance(0.5);
    if (type === 'Int') return name === 'messageType' ? random.pick([0, 0, 7, 7, 8, -1]) : random.pick(INTS);
    if (name === 'id' || name === 'ids') return random.pick(ids);
    if (type === 'ID') return random.pick(gids);
    if (type === 'Cursor' || name === 'after' || name === 'before') return random.pick(CURSORS);
    if (/address|from|among|remove|member|except/i.test(name)) return random.pick(addresses);
    return random.pick(TEXTS);
  }
}

/** A value as a document has it; enums are names there. */
export function literalOf(value: unknown, type?: GraphQLInputType): string {
  const inner = type && isNonNullType(type) ? type.ofType : type;
  if (Array.isArray(value)) {
    const item = inner && isListType(inner) ? inner.ofType : undefined;
    return `[${value.map((each) => literalOf(each, item)).join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const fields = inner && isInputObjectType(inner) ? inner.getFields() : {};
    return `{${Object.entries(value)
      .map(([name, each]) => `${name}: ${literalOf(each, fields[name]?.type)}`)
      .join(', ')}}`;
  }
  if (typeof value === 'string' && inner && isEnumType(inner) && /^\w+$/.test(value)) return value;
  if (typeof value === 'string' && inner && isListType(inner)) return literalOf(value, inner.ofType);
  return JSON.stringify(value) ?? 'null';
}
