import type { Viewer } from '../../access/viewer.ts';
import type { Issues } from '../../model/issues.ts';
import type { MembersEdit, MembersInput } from './member-input.ts';

/**
 * Adds the user who creates a group to its first members: it joins first, and as an owner. A user that names itself may set its
 * permissions. An application does not become a member.
 */
export function withCreator(issues: Issues, { address }: Viewer, edit: MembersEdit): MembersEdit {
  if (address === null) return edit;
  let creator: MembersInput = { addresses: [address], admin: { owner: true } };
  const add = edit.add.map((input, index) => {
    const place = input.addresses.indexOf(address);
    if (place < 0) return input;
    if (input.admin !== undefined) {
      const path = [...edit.addPath, index, 'addresses', place];
      issues.add(path, 'makes the group and is its owner; give its permissions apart, without admin');
    }
    creator = { ...creator, permissions: input.permissions };
    return { ...input, addresses: input.addresses.toSpliced(place, 1) };
  });
  return { ...edit, add: [creator, ...add] };
}
