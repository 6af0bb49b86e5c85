import { pageSize } from '../../model/page.ts';
import { WEIGHTS } from './weights.ts';

/** The arguments of a field as they were sent, before they were coerced: what is of the wrong type is refused later. */
export type SentArgs = Readonly<Record<string, unknown>>;

/** A number that is always the same, or one that arguments say: those that it reads, so that no other is looked at. */
export type Size = number | { reads: readonly string[]; of: (args: SentArgs) => number };

/** What a field has to say of its price, as `extensions.price`, beside what its type tells. */
export interface FieldPrice {
  /**
   * The most items that its list has; of a connection, its page; of `edges`, the page that they are of; or as many as a group
   * has message types.
   */
  items?: Size | 'page' | 'messageTypes';
  /** How many it usually has, where nobody knows before they are read: points are taken for these, and for more afterwards. */
  usually?: number;
  /** Whether what it returns, or each item of that, is read from a row of its own: MAX_NODES. */
  nodes?: true;
  /** Whether it costs a statement of its own: MAX_LISTS. */
  list?: true;
  /** How many fields it weighs more than one that has its value at hand. */
  weight?: Size;
  /** Whether it returns text of any length that the caller sent. */
  echo?: true;
  /** The addresses that it writes. */
  addresses?: Size;
}

const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : value == null ? 0 : 1);

/** As long as the list in an argument. */
const asLongAs = (name: string): Size => ({ reads: [name], of: ({ [name]: list }) => lengthOf(list) });

const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const page: Size = {
  reads: ['first', 'last'],
  of: ({ first, last }) => pageSize({ first: numberIn(first), last: numberIn(last) }),
};

/** For the extensions of a field: what it is read by. */
export const priced = (price: FieldPrice) => ({ price });

/** A field that returns an object that is looked up. */
export const NODE = priced({ nodes: true, weight: WEIGHTS.lookUp });

/** A connection: Relay's arguments say how long its page may be. */
export const PAGE = priced({ items: page, nodes: true, list: true, weight: WEIGHTS.page });

const namePart = (filter: unknown) => (filter as { nameContains?: unknown } | null | undefined)?.nameContains;

/** The same, of groups, whose names may be searched. */
export const GROUP_PAGE = priced({
  ...PAGE.price,
  weight: {
    reads: ['filter'],
    of: ({ filter }) => WEIGHTS.page + (namePart(filter) == null ? 0 : WEIGHTS.nameContains),
  },
});

/** Something for each item of an argument. */
const forEachOf = (name: string, weight: number) =>
  priced({
    items: asLongAs(name),
    nodes: true,
    weight: { reads: [name], of: ({ [name]: list }) => lengthOf(list) * weight },
  });

export const DECISION = priced({ nodes: true, weight: WEIGHTS.decision });
export const DECISIONS = forEachOf('checks', WEIGHTS.decision);
export const NODES = forEachOf('ids', WEIGHTS.lookUp);

/** A field that waits for a loader. */
export const LOADED = priced({ weight: WEIGHTS.loaded });

/** The same, if its argument asks for more than the object has at hand. */
export const BY_MESSAGE_TYPE = priced({
  weight: { reads: ['messageType'], of: ({ messageType }) => (messageType == null || messageType === 0 ? 0 : WEIGHTS.loaded) },
});

export const RIGHTS_OF_MEMBER = priced({ weight: WEIGHTS.rights });

/** The message types of a group with a set of their own. */
export const MESSAGE_TYPES = priced({ items: 'messageTypes', usually: 10, weight: WEIGHTS.loaded });

/** The input of a mutation that writes members. */
export const WRITES_MEMBERS = priced({
  addresses: {
    reads: ['input'],
    of: ({ input }) => {
      const { members, add, update, remove } = (input ?? {}) as Record<string, unknown>;
      return [members, add, update].reduce<number>((sum, list) => sum + addressesIn(list), lengthOf(remove));
    },
  },
});

function addressesIn(list: unknown): number {
  const items: unknown[] = Array.isArray(list) ? list : [list];
  return items.reduce<number>((sum, item) => sum + lengthOf((item as { addresses?: unknown } | null | undefined)?.addresses), 0);
}
