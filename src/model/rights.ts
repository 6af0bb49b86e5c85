/**
 * The one list of rights: it drives the stored bits, the GraphQL fields and inputs, the checks and their documentation.
 * The order is that of the bits.
 */
export const RIGHTS = [
  ['owner', 'the role of an owner: has every right; only an owner makes an owner'],
  ['admin', 'the role of an admin: stands for modify, addUser, removeUser, addAdmin and removeAdmin'],
  ['modify', "may change the group's settings"],
  ['remove', 'may delete the group'],
  ['addUser', 'may add plain members, change their permissions and entries, and remove those entries'],
  ['removeUser', 'may remove plain members'],
  ['addAdmin', 'may give rights that it holds itself, and change the permissions and entries of members with rights'],
  ['removeAdmin', 'may take rights, also ones that it does not hold, and remove members with rights'],
  ['removeOwner', 'may change the permissions and entries of an owner, take its rights, and remove it'],
] as const;

export type Right = (typeof RIGHTS)[number][0];
export type Rights = Record<Right, boolean>;
/** What an input gives (true) and takes (false). */
export type RightsChange = Partial<Rights>;

export const RIGHT_NAMES: readonly Right[] = RIGHTS.map(([name]) => name);

export function rightBit(right: Right): number {
  return 1 << RIGHT_NAMES.indexOf(right);
}

const bitsOf = (...rights: Right[]) => rights.reduce((bits, right) => bits | rightBit(right), 0);

export const ALL_RIGHTS = bitsOf(...RIGHT_NAMES);
/** What the role of an admin stands for. */
export const ADMIN_STANDS_FOR = bitsOf('modify', 'addUser', 'removeUser', 'addAdmin', 'removeAdmin');

/** The stored bits are the effective ones: an owner has them all, an admin those that its role stands for. */
export function hasRight(bits: number, right: Right): boolean {
  return (bits & rightBit(right)) !== 0;
}

export function rightsOf(bits: number): Rights {
  return Object.fromEntries(RIGHT_NAMES.map((right) => [right, hasRight(bits, right)])) as Rights;
}

/**
 * The bits after a change. `owner: true` gives everything; `owner: false` takes everything from an owner, except rights that
 * the same change sets to true. `admin: true` gives the role and the rights it stands for, except those set to false;
 * `admin: false` takes both, except those set to true.
 */
export function changeRights(bits: number, change: RightsChange): number {
  if (change.owner === true) return ALL_RIGHTS;
  let result = bits;
  if (change.owner === false && hasRight(bits, 'owner')) result = 0;
  if (change.admin === true) result |= rightBit('admin') | ADMIN_STANDS_FOR;
  if (change.admin === false) result &= ~(rightBit('admin') | ADMIN_STANDS_FOR);
  for (const right of RIGHT_NAMES) {
    if (right === 'owner' || right === 'admin') continue;
    if (change[right] === true) result |= rightBit(right);
    if (change[right] === false) result &= ~rightBit(right);
  }
  return result;
}

/**
 * The rights that contradict being an owner: set to false while the member becomes or stays an owner. An owner has every
 * right, so nothing else may be false.
 */
export function contradictions(bits: number, change: RightsChange): Right[] {
  const staysOwner = change.owner === true || (change.owner === undefined && hasRight(bits, 'owner'));
  return staysOwner ? RIGHT_NAMES.filter((right) => right !== 'owner' && change[right] === false) : [];
}
