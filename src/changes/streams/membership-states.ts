import { type Sql, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, date, int4, int8, type RowOf, text } from '../../db/types.ts';
import { members } from '../../generated/tables.ts';
import { checkAppPosition, type MarkedPosition } from '../log/read.ts';
import type { RecordedMember } from '../log/records.ts';

export const MEMBERSHIP_CHANGE_KINDS = [
  'JOINED',
  'UPDATED',
  'LEFT',
  'GROUP_DELETED',
  'GROUP_EXPIRED',
  'READY',
  'CHECKPOINT',
] as const;
export type MembershipChangeKind = (typeof MEMBERSHIP_CHANGE_KINDS)[number];

/** What is so of one address in one group. */
export interface MembershipState {
  kind: MembershipChangeKind;
  gid: number;
  member: RecordedMember | null;
  at: Date;
}

const PAGE = 1_000;

const GID = pick(members, 'm', ['gid']);
const BITS = pick(members, 'm', ['permissions', 'rights']);
const STATE_COLUMNS = {
  ...GID.columns,
  present: bool,
  ...BITS.columns,
  joined: bool,
  deleted: bool,
  expired: bool,
  at: date,
};
type Row = RowOf<typeof STATE_COLUMNS>;

// The states that changed after a position: memberships, former ones, and groups that ended with the address in them.
const CHANGED = statement({
  name: 'memberships_changed',
  parameters: [int4, text, int4, int8, int8],
  // The bits of former memberships are literal zeros, which makes the columns int4.
  columns: {
    ...GID.columns,
    present: bool,
    permissions: int4,
    rights: int4,
    deleted: bool,
    joined: bool,
    expired: bool,
    at: date,
  },
  text: `(select ${GID.list}, true as present, ${BITS.list}, g.deleted_at is not null as deleted,
      coalesce((c.generation, c.xid) > ($3::int, $4::bigint), false) as joined,
      g.deleted_at is null and g.expiry_due is null and coalesce((g.ended_generation, g.ended_xid) > ($3::int, $4::bigint), false) as expired,
      g.updated_at as at
    from members m join groups g on g.app_id = m.app_id and g.gid = m.gid
      left join changes c on c.app_id = m.app_id and c.gid = m.gid and c.version = m.joined_version
    where m.app_id = $1 and m.address = $2 and m.gid > $5
      and ((m.generation, m.xid) > ($3::int, $4::bigint) or (g.ended_generation, g.ended_xid) > ($3::int, $4::bigint))
    order by m.gid limit ${PAGE})
    union all
    (select f.gid, false, 0, 0, false, false, false, f.left_at
    from former_members f where f.app_id = $1 and f.address = $2 and f.gid > $5
      and (f.generation, f.xid) > ($3::int, $4::bigint)
    order by f.gid limit ${PAGE})
    order by gid limit ${PAGE}`,
});
// A cursor may lie between two records of one transaction; member rows only have the transaction's id.
const IN_TRANSACTION = statement({
  name: 'memberships_in_transaction',
  parameters: [int4, int4, int8, int8],
  columns: { found: bool },
  text: `select exists (select from changes where app_id = $1 and generation = $2 and xid = $3 and id > $4) as found`,
});
const PRESENT = statement({
  name: 'memberships_present',
  parameters: [int4, text, int8],
  columns: STATE_COLUMNS,
  text: `select ${GID.list}, true as present, ${BITS.list}, true as joined, false as deleted, false as expired, m.joined_at as at
    from members m join groups g on g.app_id = m.app_id and g.gid = m.gid and g.deleted_at is null
    where m.app_id = $1 and m.address = $2 and m.gid > $3 order by m.gid limit ${PAGE}`,
});

/** The memberships of an address as they are now, in pages by gid, each in a statement of its own. */
export async function* presentStates(sql: Sql, appId: number, address: string): AsyncGenerator<MembershipState[], void> {
  for (let last = 0; ; ) {
    const rows = await sql.query(PRESENT, [appId, address, last]);
    yield rows.flatMap((row) => statesOf(address, row));
    if (rows.length < PAGE) return;
    last = rows.at(-1)?.gid ?? last;
  }
}

/**
 * The states that changed after a position, in pages by gid, each in a statement of its own: what changes meanwhile in a group
 * whose page was read is for the caller to know of. `more`: there may be another page.
 * @throws StreamEndError CURSOR_EXPIRED where something that it should have found was pruned, or BAD_CURSOR
 */
export async function* changedStates(
  sql: Sql,
  appId: number,
  address: string,
  position: MarkedPosition,
): AsyncGenerator<{ states: MembershipState[]; more: boolean }, void> {
  const { generation, xid, id } = position;
  const [cut] = await sql.query(IN_TRANSACTION, [appId, generation, xid, id]);
  const from = cut?.found ? xid - 1 : xid;
  for (let last = 0; ; ) {
    const rows = await sql.query(CHANGED, [appId, address, generation, from, last]);
    // After the reading: up to here nothing was pruned that it should have found.
    await checkAppPosition(sql, appId, position);
    const more = rows.length === PAGE;
    yield { states: rows.flatMap((row) => statesOf(address, row)), more };
    if (!more) return;
    last = rows.at(-1)?.gid ?? last;
  }
}

function statesOf(address: string, row: Row): MembershipState[] {
  const { gid, at, permissions, rights } = row;
  if (row.deleted) return [{ kind: 'GROUP_DELETED', gid, member: null, at }];
  if (!row.present) return [{ kind: 'LEFT', gid, member: null, at }];
  const member: RecordedMember = [address, 0, true, permissions, rights];
  const states: MembershipState[] = [{ kind: row.joined ? 'JOINED' : 'UPDATED', gid, member, at }];
  if (row.expired) states.push({ kind: 'GROUP_EXPIRED', gid, member, at });
  return states;
}
