import type { RecordedMember } from '../../changes/log/records.ts';
import { statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { date, int4, int4Array, int8, textArray } from '../../db/types.ts';
import { members, memberTypes } from '../../generated/tables.ts';
import { NotAMemberError } from '../../model/errors.ts';
import type { GroupLimits } from '../../model/group.ts';
import { invalid } from '../../model/issues.ts';
import { addNeeds, NO_NEEDS, needsToChangeEntry } from '../../model/may.ts';
import { TYPE_PERMISSIONS, withPermissions } from '../../model/member-permissions.ts';
import type { MembersEdit, MembersInput } from '../input/member-input.ts';
import { recordChunks } from './edit-members.ts';
import { type GroupWrite, slices } from './group-write.ts';
import type { MemberCounts } from './idempotency.ts';

/** A member's entry for the message type. */
interface MemberEntry {
  /** The member's own rights. */
  rights: number;
  /** The bits of the entry; null: the member has none. */
  permissions: number | null;
}

// Two statements: without statistics the planner would join the tables by comparing every member with every entry.
const MEMBER = pick(members, '', ['address', 'rights']);
const FIND_MEMBERS = statement({
  name: 'entries_find_members',
  parameters: [int4, int8, textArray],
  columns: MEMBER.columns,
  text: `select ${MEMBER.list} from members where app_id = $1 and gid = $2 and address = any($3::text[])`,
});
const ENTRY = pick(memberTypes, '', ['address', 'permissions']);
const FIND = statement({
  name: 'entries_find',
  parameters: [int4, int8, int4, textArray],
  columns: ENTRY.columns,
  text: `select ${ENTRY.list} from member_types
    where app_id = $1 and gid = $2 and message_type = $3 and address = any($4::text[])`,
});
const PUT = statement({
  name: 'entries_put',
  parameters: [int4, int8, int4, textArray, int4Array],
  columns: {},
  text: `insert into member_types (app_id, gid, address, message_type, permissions)
    select $1, $2, n.address, $3, n.permissions from unnest($4::text[], $5::int[]) n(address, permissions)
    on conflict (app_id, gid, address, message_type) do update set permissions = excluded.permissions`,
});
const DROP = statement({
  name: 'entries_drop',
  parameters: [int4, int8, int4, textArray],
  columns: {},
  text: 'delete from member_types where app_id = $1 and gid = $2 and message_type = $3 and address = any($4::text[])',
});
const TOUCH = statement({
  name: 'members_touch',
  parameters: [int4, int8, textArray, date, int4],
  columns: {},
  text: `update members set updated_at = $4, xid = pg_current_xact_id()::text::bigint, generation = $5
    where app_id = $1 and gid = $2 and address = any($3::text[])`,
});

// One step for each message type, whatever the number of entries; none where the group has entries for this one.
const TYPES = statement({
  name: 'entries_types',
  parameters: [int4, int8, int4, int8],
  columns: { types: int8 },
  text: `with recursive types as (
      (select t.message_type from member_types t where t.app_id = $1 and t.gid = $2
        and not exists (select from member_types s where s.app_id = $1 and s.gid = $2 and s.message_type = $3)
        order by t.message_type limit 1)
      union all
      select (select t.message_type from member_types t where t.app_id = $1 and t.gid = $2 and t.message_type > types.message_type
        order by t.message_type limit 1)
      from types where types.message_type is not null)
    select count(*) as types from (select from types where message_type is not null limit $4) as counted`,
});

/** @throws InvalidInputError */
export function tooManyTypes(most: number, what: string): never {
  invalid(['input', 'messageType'], `would be more than ${most} message types of the group with ${what}`);
}

/**
 * Checks that the group does not get entries for more message types than it may have. One that has more, from before there was
 * a limit, may change them and drop them.
 * @throws InvalidInputError
 */
async function checkTypes({ tx, appId, gid }: GroupWrite, messageType: number, { maxMessageTypes }: GroupLimits): Promise<void> {
  const [counted] = await tx.query(TYPES, [appId, gid, messageType, maxMessageTypes]);
  if ((counted?.types ?? 0) >= maxMessageTypes) tooManyTypes(maxMessageTypes, 'entries of members');
}

/** The members among the addresses, with their entries. */
async function findMemberEntries(
  { tx, appId, gid }: GroupWrite,
  messageType: number,
  addresses: readonly string[],
): Promise<Map<string, MemberEntry>> {
  const found = new Map<string, MemberEntry>();
  for await (const slice of slices(addresses)) {
    for (const { address, rights } of await tx.query(FIND_MEMBERS, [appId, gid, slice])) {
      found.set(address, { rights, permissions: null });
    }
    for (const { address, permissions } of await tx.query(FIND, [appId, gid, messageType, slice])) {
      const member = found.get(address);
      if (member) member.permissions = permissions;
    }
  }
  return found;
}

/**
 * The changes that an edit of entries makes, as they are recorded.
 * @param found the members that the edit names, with their entries before it
 * @throws NotAMemberError
 */
function planEntries(edit: MembersEdit, found: ReadonlyMap<string, MemberEntry>) {
  const { messageType } = edit;
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
  return { counts, dropped, put };
}

/**
 * Adds, changes and removes members' entries for one message type, each a MembersUpdated. The counts count entries.
 * @throws NotAMemberError when `add` names an address that is not a member, or `update` one without an entry; NotAllowedError
 * for a user; InvalidInputError when the group would have entries for too many message types
 */
export async function editTypeEntries(write: GroupWrite, edit: MembersEdit, limits: GroupLimits): Promise<MemberCounts> {
  const { messageType } = edit;
  const named = [...edit.add, ...edit.update].flatMap(({ addresses }) => addresses);
  const found = await findMemberEntries(write, messageType, [...named, ...edit.remove]);
  const { counts, dropped, put } = planEntries(edit, found);
  write.demand([...dropped, ...put].reduce((needs, [, , , , rights]) => addNeeds(needs, needsToChangeEntry(rights)), NO_NEEDS));

  // Where one of them has an entry, the message type is not new.
  const isNew = counts.added > 0 && counts.updated + counts.removed + counts.unchanged === 0;
  if (isNew) await checkTypes(write, messageType, limits);
  write.begin();

  const { appId, gid, tx, at, head } = write;
  for await (const slice of slices(dropped)) {
    await tx.query(DROP, [appId, gid, messageType, slice.map(([address]) => address)]);
  }
  for await (const slice of slices(put)) {
    await tx.query(PUT, [appId, gid, messageType, slice.map(([address]) => address), slice.map(([, , , bits]) => bits)]);
  }
  for await (const slice of slices([...dropped, ...put])) {
    await tx.query(TOUCH, [appId, gid, slice.map(([address]) => address), at, head.generation]);
    for (const changed of recordChunks(slice)) {
      await write.record({ kind: 'MEMBERS_UPDATED', members: changed, memberCount: head.memberCount });
    }
  }
  return counts;
}
