import { type Sql, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { int4, int8, json, type RowOf, text } from '../../db/types.ts';
import { members, memberTypes } from '../../generated/tables.ts';
import type { Level } from '../../model/flags.ts';
import { GROUP_COLUMNS, GROUP_LIST, groupOf } from '../log/group-row.ts';
import { MEMBERS_A_RECORD, type RecordedMember, type RecordedSettings, recordedSettings } from '../log/records.ts';

/** A part of a snapshot: at most 1,000 members, each followed by its entries for message types. */
export interface SnapshotPage {
  settings: RecordedSettings;
  members: RecordedMember[];
}

const SETTINGS = statement({
  name: 'snapshot_settings',
  parameters: [int4, int8],
  columns: { ...GROUP_COLUMNS, types: json<[messageType: number, send: Level, recv: Level][]>() },
  text: `select ${GROUP_LIST}, statement_timestamp() as read_at,
      coalesce((select json_agg(json_build_array(t.message_type, t.send, t.recv) order by t.message_type)
        from group_types t where t.app_id = g.app_id and t.gid = g.gid), '[]') as types
    from groups g where g.app_id = $1 and g.gid = $2`,
});
const MEMBER = pick(members, 'm', ['address', 'permissions', 'rights']);
const MEMBERS = statement({
  name: 'snapshot_members',
  parameters: [int4, int8, text],
  columns: MEMBER.columns,
  text: `select ${MEMBER.list} from members m
    where m.app_id = $1 and m.gid = $2 and m.address > $3 order by m.address limit ${MEMBERS_A_RECORD}`,
});
const ENTRY = pick(memberTypes, 't', ['address', 'messageType', 'permissions']);
const ENTRIES = statement({
  name: 'snapshot_entries',
  parameters: [int4, int8, text, text],
  columns: ENTRY.columns,
  text: `select ${ENTRY.list} from member_types t
    where t.app_id = $1 and t.gid = $2 and t.address >= $3 and t.address <= $4 order by t.address, t.message_type`,
});
type MemberRow = RowOf<typeof MEMBER.columns>;
type EntryRow = RowOf<typeof ENTRY.columns>;

/** The settings and members of a group as they are now; each page is read by key in statements of its own. */
export async function* snapshotPages(sql: Sql, appId: number, gid: number): AsyncGenerator<SnapshotPage, void> {
  const settings = await readSettings(sql, appId, gid);
  if (!settings) return;
  let after = '';
  for (let first = true; ; first = false) {
    const rows = await sql.query(MEMBERS, [appId, gid, after]);
    const [begin, end] = [rows[0], rows.at(-1)];
    if (!begin || !end) {
      if (first) yield { settings, members: [] };
      return;
    }
    const entries = await sql.query(ENTRIES, [appId, gid, begin.address, end.address]);
    const members = withEntries(rows, entries);
    for (let from = 0; from < members.length; from += MEMBERS_A_RECORD) {
      yield { settings, members: members.slice(from, from + MEMBERS_A_RECORD) };
    }
    if (rows.length < MEMBERS_A_RECORD) return;
    after = end.address;
  }
}

function withEntries(rows: readonly MemberRow[], entries: readonly EntryRow[]): RecordedMember[] {
  const byAddress = Map.groupBy(entries, ({ address }) => address);
  return rows.flatMap(({ address, permissions, rights }): RecordedMember[] => [
    [address, 0, true, permissions, rights],
    ...(byAddress.get(address) ?? []).map(
      (entry): RecordedMember => [address, entry.message_type, true, entry.permissions, rights],
    ),
  ]);
}

async function readSettings(sql: Sql, appId: number, gid: number): Promise<RecordedSettings | undefined> {
  const [row] = await sql.query(SETTINGS, [appId, gid]);
  if (!row) return undefined;
  const types = new Map(row.types.map(([messageType, send, recv]) => [messageType, { send, recv }]));
  return recordedSettings({ ...groupOf(row), types });
}
