import { ACTIONS } from '../../model/flags.ts';
import { Issues, MAX_INT, type Path } from '../../model/issues.ts';
import type { MemberPermissions } from '../../model/member-permissions.ts';
import { contradictions, type RightsChange } from '../../model/rights.ts';

/** Addresses with the permissions and rights that all of them get. */
export interface MembersInput {
  addresses: readonly string[];
  permissions?: Partial<MemberPermissions>;
  admin?: RightsChange;
}

/** A change of a group's members: valid once `checkMembersEdit` found no issue. */
export interface MembersEdit {
  /** 0: the memberships themselves; above 0: the members' entries for that message type. */
  messageType: number;
  /** To be added, or changed if they exist. */
  add: readonly MembersInput[];
  /** To be changed; they must exist. */
  update: readonly MembersInput[];
  remove: readonly string[];
  /** All that the edit does not name are removed. */
  replace?: boolean;
  /** The paths of `add` and `update` in the input, for issues found later. */
  addPath: Path;
  updatePath: Path;
}

export const MAX_ADDRESSES = 100_000;

/** Adds an issue for everything in the lists that is invalid for any group. */
export function checkMembersEdit(issues: Issues, edit: MembersEdit, removePath: Path): void {
  const { messageType, add, update, remove, addPath, updatePath } = edit;
  const named = [...add, ...update].reduce((count, { addresses }) => count + addresses.length, remove.length);
  if (named > MAX_ADDRESSES) {
    issues.add(addPath.slice(0, 1), `names ${named} addresses; one request takes at most ${MAX_ADDRESSES}`);
    return;
  }
  const seen = new Set<string>();
  const address = (value: string, path: Path) => {
    issues.address(value, path);
    if (seen.has(value)) issues.add(path, 'the address is named twice in this request');
    seen.add(value);
  };
  const lists = [
    { list: add, path: addPath },
    { list: update, path: updatePath },
  ];
  for (const { list, path } of lists) {
    for (const [index, input] of list.entries()) {
      const here = [...path, index];
      input.addresses.forEach((value, place) => {
        address(value, [...here, 'addresses', place]);
      });
      issues.noNulls(input, here);
      checkPermissions(issues, input.permissions, messageType, [...here, 'permissions']);
      checkRights(issues, input.admin, messageType, [...here, 'admin']);
    }
  }
  remove.forEach((value, place) => {
    address(value, [...removePath, place]);
  });
}

/** The message type of an input; null means the default 0. */
export function messageTypeOf(issues: Issues, value: number | null | undefined, path: Path): number {
  issues.range(value, 0, MAX_INT, path);
  return value ?? 0;
}

function checkPermissions(issues: Issues, given: Partial<MemberPermissions> | undefined, messageType: number, path: Path): void {
  if (!given) return;
  issues.noNulls(given, path);
  noTypedCallPermissions(issues, given, messageType, path);
}

/** Adds issues for pub, sub and list, which do not depend on the message type. */
export function noTypedCallPermissions(issues: Issues, given: object, messageType: number, path: Path): void {
  if (messageType === 0) return;
  for (const action of ACTIONS.slice(2)) {
    if ((given as Record<string, unknown>)[action] !== undefined) {
      issues.add([...path, action], 'cannot be given for a message type; only send and recv can');
    }
  }
}

function checkRights(issues: Issues, given: RightsChange | undefined, messageType: number, path: Path): void {
  if (!given) return;
  issues.noNulls(given, path);
  if (messageType > 0) issues.add(path, 'rights cannot be given for a message type');
  for (const right of contradictions(0, given)) issues.add([...path, right], 'an owner has every right');
}

/**
 * The message type of a field's argument; null means the default 0.
 * @throws InvalidInputError
 */
export function messageTypeArgument(value: number | null | undefined): number {
  const issues = new Issues();
  const messageType = messageTypeOf(issues, value, ['messageType']);
  issues.settle();
  return messageType;
}
