import { NotAMemberError } from '../../model/errors.ts';
import { Issues } from '../../model/issues.ts';
import { ALL_PERMISSIONS, withPermissions } from '../../model/member-permissions.ts';
import { changeRights, contradictions } from '../../model/rights.ts';
import type { MembersEdit, MembersInput } from '../input/member-input.ts';

export interface MemberBits {
  address: string;
  permissions: number;
  rights: number;
}

/** The changes that an edit makes to the members that exist. */
export interface MembersPlan {
  added: MemberBits[];
  updated: MemberBits[];
  removed: string[];
  unchanged: number;
}

/**
 * Finds the changes that an edit of members makes.
 * @param found the members that the edit names, before it
 * @throws NotAMemberError when `update` names an address that is not a member; InvalidInputError
 */
export function planMembers(edit: MembersEdit, found: ReadonlyMap<string, MemberBits>): MembersPlan {
  const issues = new Issues();
  const missing: string[] = [];
  const result: MembersPlan = { added: [], updated: [], removed: [], unchanged: 0 };
  const each = (inputs: readonly MembersInput[], path: MembersEdit['addPath'], mayAdd: boolean) => {
    for (const [index, { addresses, permissions = {}, admin = {} }] of inputs.entries()) {
      for (const address of addresses) {
        const old = found.get(address);
        if (!old && !mayAdd) missing.push(address);
        for (const right of contradictions(old?.rights ?? 0, admin)) {
          issues.add([...path, index, 'admin', right], `${address} is an owner, who has every right`);
        }
        const bits = {
          address,
          permissions: withPermissions(old?.permissions ?? ALL_PERMISSIONS, permissions),
          rights: changeRights(old?.rights ?? 0, admin),
        };
        if (!old) result.added.push(bits);
        else if (old.permissions !== bits.permissions || old.rights !== bits.rights) result.updated.push(bits);
        else result.unchanged++;
      }
    }
  };
  each(edit.add, edit.addPath, true);
  each(edit.update, edit.updatePath, false);
  if (missing.length > 0) throw new NotAMemberError(missing);
  issues.settle();
  result.removed = edit.remove.filter((address) => found.has(address));
  return result;
}
