import { MEMBER } from './members.ts';

/**
 * Which of a group's members a statement selects: all of them; those with the permission; or those with an entry for a message
 * type that allows it (and the permission, if `mask` has its bit). `permission` and `entry` use an index by the permission
 * bits, one range for each of the few values that have the bit: so a few among a million are found as fast as all.
 * Only where both entry and permission must allow it are entries skipped one by one.
 */
export type MembersForm = 'all' | 'permission' | 'entry';

/** The texts that stand for the values: parameters, columns or literals. */
export interface MembersSql {
  gid: string;
  /** An address, in byte order; '' comes before all. */
  after: string;
  except: string;
  limit: string;
  /** An array of the values of the permission bits that include the permission. */
  bits: string;
  messageType: string;
  /** The bits that the member's own permissions must also have. */
  mask: string;
}

// The bits are equal in each range, but are bounded by two inequalities and named in the order: only the index by bits fits
// that. With an equality the planner may pick another index, and read the whole group for a value that no member has.
function range(table: string, { after, except }: MembersSql, back: boolean): string {
  const place = back
    ? `${table}.permissions >= b.bits and (${table}.permissions, ${table}.address) <= (b.bits, ${after})`
    : `(${table}.permissions, ${table}.address) > (b.bits, ${after}) and ${table}.permissions <= b.bits`;
  return `${place} and ${table}.address <> ${except}`;
}

/** One page of the members by address, app $1: those after `after`, or with `back` any of those up to it. */
export function membersSql(form: MembersForm, sql: MembersSql, back = false): string {
  const { gid, after, except, limit, bits } = sql;
  if (form === 'all') {
    return `select ${MEMBER.list} from members m
      where m.app_id = $1 and m.gid = ${gid} and m.address ${back ? '<=' : '>'} ${after} and m.address <> ${except}
      order by m.address limit ${limit}`;
  }
  const inner = form === 'permission' ? byPermission(sql, back) : byEntry(sql, back);
  return `select m.* from unnest(${bits}::smallint[]) b(bits) cross join lateral (${inner}) m order by m.address limit ${limit}`;
}

function byPermission(sql: MembersSql, back: boolean): string {
  return `select ${MEMBER.list} from members m where m.app_id = $1 and m.gid = ${sql.gid} and ${range('m', sql, back)}
    order by m.permissions, m.address limit ${sql.limit}`;
}

// `offset 0` keeps the planner from joining by hash, for which it would read all entries and all members.
function byEntry(sql: MembersSql, back: boolean): string {
  return `select m.* from member_types t cross join lateral (
      select ${MEMBER.list} from members m where m.app_id = t.app_id and m.gid = t.gid and m.address = t.address offset 0) m
    where t.app_id = $1 and t.gid = ${sql.gid} and t.message_type = ${sql.messageType} and ${range('t', sql, back)}
      and m.permissions & ${sql.mask} = ${sql.mask}
    order by t.permissions, t.address limit ${sql.limit}`;
}
