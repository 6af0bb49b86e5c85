import type { Sql } from '../../db/sql.ts';
import { resolutionOf } from '../../model/call-settings.ts';
import { MEMBERS_A_RECORD, type RecordedMember, type RecordedSettings } from '../log/records.ts';

/** A part of a snapshot: at most 1,000 members, each followed by its entries for message types. */
export interface SnapshotPage {
  settings: RecordedSettings;
  members: RecordedMember[];
}

const SETTINGS = {
  name: 'snapshot_settings',
  text: `select g.name, g.active, g.flags, g.starts_at, g.expires_at, g.extension, g.call_flags, g.call_resolution, g.call_max_duration,
      coalesce((select json_agg(json_build_array(t.message_type, t.send, t.recv) order by t.message_type)
        from group_types t where t.app_id = g.app_id and t.gid = g.gid), '[]') as types
    from groups g where g.app_id = $1 and g.gid = $2`,
};
const MEMBERS = {
  name: 'snapshot_members',
  text: `select m.address, m.permissions, m.rights from members m
    where m.app_id = $1 and m.gid = $2 and m.address > $3 order by m.address limit ${MEMBERS_A_RECORD}`,
};
const ENTRIES = {
  name: 'snapshot_entries',
  text: `select t.address, t.message_type, t.permissions from member_types t
    where t.app_id = $1 and t.gid = $2 and t.address >= $3 and t.address <= $4 order by t.address, t.message_type`,
};

interface MemberRow {
  address: string;
  permissions: number;
  rights: number;
}
interface EntryRow {
  address: string;
  message_type: number;
  permissions: number;
}

/** The settings and members of a group as they are now, each page read by key in statements of its own. */
export async function* snapshotPages(sql: Sql, appId: number, gid: number): AsyncGenerator<SnapshotPage, void> {
  const settings = await readSettings(sql, appId, gid);
  if (!settings) return;
  let after = '';
  for (let first = true; ; first = false) {
    const rows = await sql.query<MemberRow>(MEMBERS, [appId, gid, after]);
    const last = rows.at(-1)?.address;
    if (last === undefined) {
      if (first) yield { settings, members: [] };
      return;
    }
    const entries = await sql.query<EntryRow>(ENTRIES, [appId, gid, rows[0]?.address, last]);
    const members = together(rows, entries);
    for (let from = 0; from < members.length; from += MEMBERS_A_RECORD) {
      yield { settings, members: members.slice(from, from + MEMBERS_A_RECORD) };
    }
    if (rows.length < MEMBERS_A_RECORD) return;
    after = last;
  }
}

function together(rows: readonly MemberRow[], entries: readonly EntryRow[]): RecordedMember[] {
  const byAddress = Map.groupBy(entries, ({ address }) => address);
  return rows.flatMap(({ address, permissions, rights }): RecordedMember[] => [
    [address, 0, true, permissions, rights],
    ...(byAddress.get(address) ?? []).map(
      (entry): RecordedMember => [address, entry.message_type, true, entry.permissions, rights],
    ),
  ]);
}

async function readSettings(sql: Sql, appId: number, gid: number): Promise<RecordedSettings | undefined> {
  interface Row extends Omit<RecordedSettings, 'startsAt' | 'expiresAt' | 'call'> {
    starts_at: Date;
    expires_at: Date;
    call_flags: number;
    call_resolution: number;
    call_max_duration: number | null;
  }
  const [row] = await sql.query<Row>(SETTINGS, [appId, gid]);
  if (!row) return undefined;
  const { name, active, flags, extension, types } = row;
  return {
    name,
    active,
    flags,
    startsAt: row.starts_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    extension,
    call: {
      flags: row.call_flags,
      resolution: resolutionOf(row.call_resolution) ?? 'DEFAULT',
      maxDuration: row.call_max_duration,
    },
    types,
  };
}
