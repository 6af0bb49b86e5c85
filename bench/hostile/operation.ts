/** Operations as trees, made and changed at random within the schema. */
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { schema } from '../../src/graphql/schema.ts';
import type { Random } from '../../test/soak/random.ts';
import type { Targets } from './targets.ts';

/** A field, under as many aliases as it is asked for, or a fragment on a type. */
export interface Selection {
  field: GraphQLField<unknown, unknown> | undefined;
  /** What `below` is selected of. */
  type: GraphQLNamedType;
  times: number;
  args: Record<string, string>;
  below: Selection[];
}

const PAGE_SIZES = [1, 10, 50, 100, 300, 1_000];
const LIST_SIZES = [1, 10, 100, 1_000];
const DEEPEST = 8;

/** What arguments are made of. */
export class Operations {
  readonly #random: Random;
  readonly #texts: Record<string, string[]>;

  /** @param ids global ids of objects that are there */
  constructor(random: Random, { thousand, large, own }: Targets, ids: readonly string[]) {
    this.#random = random;
    this.#texts = {
      gid: [thousand, large, ...own],
      id: [...ids],
      ids: [...ids],
      nameContains: ['number group number', 'group', 'none such'],
      addressStartsWith: ['member-0', 'm', 'x'],
    };
  }

  root(): Selection {
    const type = schema.getQueryType() as GraphQLNamedType;
    return { field: undefined, type, times: 1, args: {}, below: [this.#selectionOf(type, 0)] };
  }

  #oneOf<T>(list: readonly T[]): T {
    return this.#random.pick(list);
  }

  /** A field of a type with something below it, or a fragment. */
  #selectionOf(type: GraphQLNamedType, depth: number): Selection {
    if (isAbstractType(type)) {
      const one = this.#oneOf(schema.getPossibleTypes(type));
      return { field: undefined, type: one, times: 1, args: {}, below: [this.#selectionOf(one, depth)] };
    }
    if (!isObjectType(type)) throw new Error(`${type.name} has no fields`);
    const fields = Object.values(type.getFields());
    const leaves = fields.filter((field) => !hasFields(field.type));
    const field = this.#oneOf(depth >= DEEPEST && leaves.length > 0 ? leaves : fields);
    return this.#fieldOf(field, depth);
  }

  #fieldOf(field: GraphQLField<unknown, unknown>, depth: number): Selection {
    const type = getNamedType(field.type);
    const below = hasFields(field.type) ? [this.#selectionOf(type, depth + 1)] : [];
    return { field, type, times: 1, args: this.#argsOf(field), below };
  }

  #argsOf({ args }: GraphQLField<unknown, unknown>): Record<string, string> {
    const found: Record<string, string> = {};
    const paged = args.some(({ name }) => name === 'first');
    if (paged) found['first'] = String(this.#oneOf(PAGE_SIZES));
    for (const { name, type } of args) {
      if (['first', 'last', 'after', 'before'].includes(name)) continue;
      if (isNonNullType(type) || this.#random.between(1, 3) === 1) found[name] = this.#valueOf(name, type);
    }
    return found;
  }

  #valueOf(name: string, type: GraphQLInputType): string {
    if (isNonNullType(type)) return this.#valueOf(name, type.ofType);
    if (isListType(type)) {
      return `[${Array.from({ length: this.#oneOf(LIST_SIZES) }, () => this.#valueOf(name, type.ofType)).join(', ')}]`;
    }
    if (isEnumType(type)) return this.#oneOf(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(
        (field) => isNonNullType(field.type) || this.#random.between(1, 2) === 1,
      );
      return `{ ${fields.map((field) => `${field.name}: ${this.#valueOf(field.name, field.type)}`).join(', ')} }`;
    }
    if (type.name === 'Boolean') return this.#oneOf(['true', 'false']);
    if (type.name === 'Int') return String(this.#random.between(0, 4));
    return JSON.stringify(this.#oneOf(this.#texts[name] ?? ['member-000001', 'member-000500', 'mallory', 'nobody']));
  }

  /** The same but for one change. */
  changed(root: Selection): Selection {
    const copy = copyOf(root);
    const all = [...within(copy)];
    const one = this.#oneOf(all);
    const change = this.#random.between(0, 5);
    if (change === 0 && hasSelections(one.type)) one.below.push(this.#selectionOf(one.type, 0));
    else if (change === 1) one.times = Math.max(1, Math.round(one.times * this.#oneOf([0.5, 0.8, 1.3, 2, 5])));
    else if (change === 2 && one.field) one.args = this.#argsOf(one.field);
    else if (change === 3 && one.args['first']) one.args['first'] = String(this.#oneOf(PAGE_SIZES));
    else if (change === 4 && one.below.length > 1) one.below.splice(this.#random.between(0, one.below.length - 1), 1);
    else if (hasSelections(one.type)) one.below = [this.#selectionOf(one.type, 0), ...one.below.slice(1)];
    return copy;
  }

  /** One that asks for less of something. */
  smaller(root: Selection): Selection {
    const copy = copyOf(root);
    const one = this.#oneOf([...within(copy)].filter(({ times, args }) => times > 1 || Number(args['first']) > 1));
    if (!one) return this.root();
    if (one.times > 1) one.times = Math.ceil(one.times / 2);
    else one.args['first'] = String(Math.ceil(Number(one.args['first']) / 2));
    return copy;
  }

  /** One that asks for more of something. */
  larger(root: Selection): Selection {
    const copy = copyOf(root);
    const one = this.#oneOf([...within(copy)].filter(({ field }) => field));
    one.times = Math.ceil(one.times * 1.5) + 1;
    return copy;
  }
}

const hasSelections = (type: GraphQLNamedType) => isObjectType(type) || isAbstractType(type);
const hasFields = (type: GraphQLOutputType) => hasSelections(getNamedType(type));
const copyOf = (selection: Selection): Selection => ({
  ...selection,
  args: { ...selection.args },
  below: selection.below.map(copyOf),
});

function* within(selection: Selection): Generator<Selection> {
  for (const each of selection.below) {
    yield each;
    yield* within(each);
  }
}

const argsText = (args: Record<string, string>) => {
  const given = Object.entries(args);
  return given.length > 0 ? `(${given.map(([name, value]) => `${name}: ${value}`).join(', ')})` : '';
};

/** The document, each field under as many aliases as it is asked for. */
export function textOf(root: Selection): string {
  let aliases = 0;
  const part = ({ field, type, times, args, below }: Selection): string => {
    const selected = below.length > 0 ? ` { ${below.map(part).join(' ')} }` : '';
    if (!field) return `... on ${type.name}${selected}`;
    return Array.from({ length: times }, () => `a${(aliases++).toString(36)}: ${field.name}${argsText(args)}${selected}`).join(
      ' ',
    );
  };
  return `{ ${root.below.map(part).join(' ')} }`;
}

/** The same for reading: with numbers in place of aliases, and long arguments cut. */
export function shown({ field, type, times, args, below }: Selection): string {
  const selected = below.length > 0 ? ` { ${below.map(shown).join(' ')} }` : '';
  if (!field) return type === schema.getQueryType() ? selected.trim() : `... on ${type.name}${selected}`;
  const given = argsText(args);
  return `${times > 1 ? `${times} × ` : ''}${field.name}${given.length > 200 ? `${given.slice(0, 200)}…)` : given}${selected}`;
}
