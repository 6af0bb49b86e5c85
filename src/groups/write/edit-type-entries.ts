import type { RecordedMember } from '../../changes/log/records.ts';
import { NotAMemberError } from '../../model/errors.ts';
import { both, NO_NEEDS, needsToChangeEntry } from '../../model/may.ts';
import { TYPE_PERMISSIONS, withPermissions } from '../../model/member-permissions.ts';
import type { MembersEdit, MembersInput } from '../input/member-input.ts';
import { chunks } from './edit-members.ts';
import type { MemberCounts } from './idempotency.ts';
import { type GroupWrite, slices } from './transaction.ts';

interface MemberEntry {
  address: string;
  rights: number;
  /** The bits of the entry; null: the member has none. */
  permissions: number | null;
}

// Two statements: without statistics the planner would join them by comparing every member with every entry.
const FIND_MEMBERS = {
  name: 'entries_find_members',
  text: 'select address, rights, null as permissions from members where app_id = $1 and gid = $2 and address = any($3::text[])',
};
const FIND = {
  name: 'entries_find',
  text: `select address, permissions from member_types
    where app_id = $1 and gid = $2 and message_type = $3 and address = any($4::text[])`,
};
const PUT = {
  name: 'entries_put',
  text: `insert into member_types (app_id, gid, address, message_type, permissions)
    select $1, $2, n.address, $3, n.permissions from unnest($4::text[], $5::int[]) n(address, permissions)
    on conflict (app_id, gid, address, message_type) do update set permissions = excluded.permissions`,
};
const DROP = {
  name: 'entries_drop',
  text: 'delete from member_types where app_id = $1 and gid = $2 and message_type = $3 and address = any($4::text[])',
};
const TOUCH = {
  name: 'members_touch',
  text: `update members set updated_at = $4, xid = pg_current_xact_id()::text::bigint, generation = $5
    where app_id = $1 and gid = $2 and address = any($3::text[])`,
};

/**
 * Adds, changes and removes members' entries for one message type, each a MembersUpdated. The counts count entries.
 * @throws NotAMemberError when `add` names an address that is no member, or `update` one without an entry; NotAllowedError
 * for a user
 */
export async function editTypeEntries(write: GroupWrite, edit: MembersEdit): Promise<MemberCounts> {
  const { messageType } = edit;
  const named = [...edit.add, ...edit.update].flatMap(({ addresses }) => addresses);
  const found = new Map<string, MemberEntry>();
  for await (const slice of slices([...named, ...edit.remove])) {
    const members = await write.tx.query<MemberEntry>(FIND_MEMBERS, [write.appId, write.gid, slice]);
    for (const member of members) found.set(member.address, member);
    const entries = await write.tx.query<MemberEntry>(FIND, [write.appId, write.gid, messageType, slice]);
    for (const { address, permissions } of entries) {
      const member = found.get(address);
      if (member) member.permissions = permissions;
    }
  }
  const missing = [
    ...edit.add.flatMap(({ addresses }) => addresses.filter((address) => !found.has(address))),
    ...edit.update.flatMap(({ addresses }) => addresses.filter((address) => found.get(address)?.permissions == null)),
  ];
  if (missing.length > 0) throw new NotAMemberError(missing, messageType);

  const counts: MemberCounts = { added: 0, updated: 0, removed: 0, unchanged: 0 };
  const dropped: RecordedMember[] = [];
  const put: RecordedMember[] = [];
  for (const address of edit.remove) {
    const member = found.get(address);
    if (member?.permissions == null) continue;
    counts.removed++;
    dropped.push([address, messageType, false, 0, member.rights]);
  }
  const change = ({ addresses, permissions = {} }: MembersInput) => {
    for (const address of addresses) {
      const member = found.get(address);
      if (!member) continue;
      const bits = withPermissions(member.permissions ?? TYPE_PERMISSIONS, permissions);
      if (member.permissions === bits) {
        counts.unchanged++;
        continue;
      }
      counts[member.permissions === null ? 'added' : 'updated']++;
      put.push([address, messageType, true, bits, member.rights]);
    }
  };
  edit.add.forEach(change);
  edit.update.forEach(change);

  write.demand([...dropped, ...put].reduce((needs, [, , , , rights]) => both(needs, needsToChangeEntry(rights)), NO_NEEDS));

  const { appId, gid, tx, at, head } = write;
  for await (const slice of slices(dropped)) {
    await tx.query(DROP, [appId, gid, messageType, slice.map(([address]) => address)]);
  }
  for await (const slice of slices(put)) {
    await tx.query(PUT, [appId, gid, messageType, slice.map(([address]) => address), slice.map(([, , , bits]) => bits)]);
  }
  for await (const slice of slices([...dropped, ...put])) {
    await tx.query(TOUCH, [appId, gid, slice.map(([address]) => address), at, head.generation]);
    for (const members of chunks(slice)) {
      await write.record({ kind: 'MEMBERS_UPDATED', members, memberCount: head.memberCount });
    }
  }
  return counts;
}
