import type { GroupEditMembersInput, GroupSetInput } from '../groups/input/operation-input.ts';

/** What an op costs, as `graphql/price/` has it of the same operation. */
export interface OpCost {
  points: number;
  fields: number;
}

const ROWS_A_POINT = 100;
/** What a row of an answer has, about. */
const FIELDS_A_ROW = 18;
const POINTS_A_WRITE = 5;
const ADDRESSES_A_POINT = 100;

/** Of a read: 1 point, and 1 for every 100 rows that are asked for. */
export function reading(rows = 0): OpCost {
  return { points: 1 + Math.floor(rows / ROWS_A_POINT), fields: rows * FIELDS_A_ROW };
}

/** Of a write: 5 more, and 1 for every 100 addresses that it writes. */
export function writing(addresses = 0): OpCost {
  return { points: 1 + POINTS_A_WRITE + Math.floor(addresses / ADDRESSES_A_POINT), fields: 0 };
}

type MembersInput = Partial<Pick<GroupSetInput, 'members'> & Pick<GroupEditMembersInput, 'add' | 'remove'>>;

/** How many addresses an input writes. */
export function addressesOf({ members, add, remove }: MembersInput): number {
  return [...(members ?? []), ...(add ?? [])].reduce((sum, { addresses }) => sum + addresses.length, remove?.length ?? 0);
}
