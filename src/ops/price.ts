import type { GroupEditMembersInput, GroupSetInput } from '../groups/input/operation-input.ts';
import { ADDRESSES_A_POINT, type Cost, POINTS_A_WRITE, ROWS_A_POINT } from '../model/points.ts';

/** What a row of an answer has, about. */
const FIELDS_A_ROW = 18;

/** Of a read: 1 point, and 1 for every 100 rows that are asked for. */
export function reading(rows = 0): Cost {
  return { points: 1 + Math.floor(rows / ROWS_A_POINT), fields: rows * FIELDS_A_ROW };
}

/** Of a write: 5 more, and 1 for every 100 addresses that it writes. */
export function writing(addresses = 0): Cost {
  return { points: 1 + POINTS_A_WRITE + Math.floor(addresses / ADDRESSES_A_POINT), fields: 0 };
}

type MembersInput = Partial<Pick<GroupSetInput, 'members'> & Pick<GroupEditMembersInput, 'add' | 'remove'>>;

/** How many addresses an input writes. */
export function addressesOf({ members, add, remove }: MembersInput): number {
  return [...(members ?? []), ...(add ?? [])].reduce((sum, { addresses }) => sum + addresses.length, remove?.length ?? 0);
}
