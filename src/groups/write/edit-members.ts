import { MEMBERS_A_RECORD, type RecordedMember } from '../../changes/log/records.ts';
import { statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { date, int4, int4Array, int8, textArray } from '../../db/types.ts';
import * as tables from '../../generated/tables.ts';
import type { MembersEdit } from '../input/member-input.ts';
import { checkEdit } from './check-edit.ts';
import { type GroupWrite, slices } from './group-write.ts';
import type { MemberCounts } from './idempotency.ts';
import { type MemberBits, planMembers } from './members-plan.ts';

const BITS = pick(tables.members, '', ['address', 'permissions', 'rights']);
const FIND = statement({
  name: 'members_find',
  parameters: [int4, int8, textArray],
  columns: BITS.columns,
  text: `select ${BITS.list} from members where app_id = $1 and gid = $2 and address = any($3::text[])`,
});
// `address = any(…)` in addition to a join: without statistics the planner would read the whole group for the join.
const ADD = statement({
  name: 'members_add',
  parameters: [int4, int8, textArray, int4Array, int4Array, int8, int8, int4, date],
  columns: {},
  text: `with new as (
      select * from unnest($3::text[], $4::int[], $5::int[]) with ordinality n(address, permissions, rights, place)),
    back as (
      delete from former_members where app_id = $1 and gid = $2 and address = any($3::text[]))
    insert into members (app_id, gid, address, permissions, rights, join_number, joined_version, xid, generation, joined_at, updated_at)
    select $1, $2, address, permissions, rights, $6 + place, $7 + (place - 1) / ${MEMBERS_A_RECORD},
      pg_current_xact_id()::text::bigint, $8, $9, $9
    from new`,
});
const UPDATE = statement({
  name: 'members_update',
  parameters: [int4, int8, textArray, int4Array, int4Array, date, int4],
  columns: {},
  text: `update members m set permissions = n.permissions, rights = n.rights, updated_at = $6,
      xid = pg_current_xact_id()::text::bigint, generation = $7
    from unnest($3::text[], $4::int[], $5::int[]) n(address, permissions, rights)
    where m.app_id = $1 and m.gid = $2 and m.address = any($3::text[]) and m.address = n.address`,
});
const REMOVE = statement({
  name: 'members_remove',
  parameters: [int4, int8, textArray, int8, int4, date],
  columns: {},
  text: `with gone as (
      select * from unnest($3::text[]) with ordinality n(address, place)),
    deleted as (
      delete from members m using gone
      where m.app_id = $1 and m.gid = $2 and m.address = any($3::text[]) and m.address = gone.address
      returning m.address, m.joined_version, gone.place)
    insert into former_members (app_id, gid, address, joined_version, left_version, xid, generation, left_at)
    select $1, $2, address, joined_version, $4 + (place - 1) / ${MEMBERS_A_RECORD}, pg_current_xact_id()::text::bigint, $5, $6
    from deleted`,
});

/** The members among the addresses. */
async function findBits(write: GroupWrite, addresses: readonly string[]): Promise<Map<string, MemberBits>> {
  const found = new Map<string, MemberBits>();
  if (write.group.memberCount === 0) return found;
  for await (const slice of slices(addresses)) {
    for (const row of await write.tx.query(FIND, [write.appId, write.gid, slice])) found.set(row.address, row);
  }
  return found;
}

/**
 * Adds, changes and removes members (message type 0) with their records: MembersRemoved, MembersAdded, MembersUpdated.
 * @throws NotAMemberError when `update` names an address that is not a member; InvalidInputError; NotAllowedError and
 * LastOwnerError for a user
 */
export async function editMembers(write: GroupWrite, edit: MembersEdit): Promise<MemberCounts> {
  const named = [...edit.add, ...edit.update].flatMap(({ addresses }) => addresses);
  const found = await findBits(write, [...named, ...edit.remove]);
  const planned = planMembers(edit, found);
  await checkEdit(write, found, planned);
  write.begin();
  const { added, updated, removed, unchanged } = planned;
  const { appId, gid, tx, at, head } = write;
  for await (const slice of slices(removed)) {
    await tx.query(REMOVE, [appId, gid, slice, write.nextVersion, head.generation, at]);
    for (const addresses of recordChunks(slice)) {
      await write.record({ kind: 'MEMBERS_REMOVED', addresses, memberCount: head.memberCount - addresses.length });
    }
  }
  for await (const slice of slices(added)) {
    await tx.query(ADD, [appId, gid, ...columns(slice), head.joins, write.nextVersion, head.generation, at]);
    head.joins += slice.length;
    for (const members of recordChunks(slice)) {
      await write.record({
        kind: 'MEMBERS_ADDED',
        members: members.map(recorded),
        memberCount: head.memberCount + members.length,
      });
    }
  }
  for await (const slice of slices(updated)) {
    await tx.query(UPDATE, [appId, gid, ...columns(slice), at, head.generation]);
    for (const members of recordChunks(slice)) {
      await write.record({ kind: 'MEMBERS_UPDATED', members: members.map(recorded), memberCount: head.memberCount });
    }
  }
  return { added: added.length, updated: updated.length, removed: removed.length, unchanged };
}

const recorded = ({ address, permissions, rights }: MemberBits): RecordedMember => [address, 0, true, permissions, rights];

const columns = (members: readonly MemberBits[]) =>
  [
    members.map(({ address }) => address),
    members.map(({ permissions }) => permissions),
    members.map(({ rights }) => rights),
  ] as const;

/** The list in pieces of one record each. */
export function recordChunks<T>(list: readonly T[]): T[][] {
  const pieces: T[][] = [];
  for (let from = 0; from < list.length; from += MEMBERS_A_RECORD) pieces.push(list.slice(from, from + MEMBERS_A_RECORD));
  return pieces;
}
