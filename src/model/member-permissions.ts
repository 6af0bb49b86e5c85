import { ACTIONS, type ActionName } from './flags.ts';

/** A member's own permissions as bits: SEND 1, RECV 2, PUB 4, SUB 8, LIST 16. They count where the group's level is 1. */
export type MemberPermissions = Record<ActionName, boolean>;

export const ALL_PERMISSIONS = 0x1f;
/** An entry for a message type has only these. */
export const TYPE_PERMISSIONS = 0x3;

export function permissionBit(action: ActionName): number {
  return 1 << ACTIONS.indexOf(action);
}

export function permissionsOf(bits: number): MemberPermissions {
  const has = (action: ActionName) => (bits & permissionBit(action)) !== 0;
  return { send: has('send'), recv: has('recv'), pub: has('pub'), sub: has('sub'), list: has('list') };
}

/** The bits with some permissions set or cleared, the others as they were. */
export function withPermissions(bits: number, given: Partial<MemberPermissions>): number {
  let result = bits;
  for (const action of ACTIONS) {
    const value = given[action];
    if (value !== undefined) result = value ? result | permissionBit(action) : result & ~permissionBit(action);
  }
  return result;
}

/**
 * A member's permissions for a message type: send and recv are those of its entry, false without one. The others do not depend
 * on the message type.
 */
export function entryPermissions(own: number, entry: number | undefined): MemberPermissions {
  return permissionsOf((own & ~TYPE_PERMISSIONS) | ((entry ?? 0) & TYPE_PERMISSIONS));
}
