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
const ENTRIES_A_STATEMENT = 5_000;
const ENTRIES = statement({
  name: 'snapshot_entries',
  parameters: [int4, int8, text, int4, text],
  columns: ENTRY.columns,
  text: `select ${ENTRY.list} from member_types t
    where t.app_id = $1 and t.gid = $2 and (t.address, t.message_type) > ($3, $4) and t.address <= $5
    order by t.address, t.message_type limit ${ENTRIES_A_STATEMENT}`,
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
    const entries = entriesOf(sql, appId, gid, begin.address, end.address);
    for await (const members of parts(withEntries(rows, entries))) yield { settings, members };
    if (rows.length < MEMBERS_A_RECORD) return;
    after = end.address;
  }
}

/** The entries of the members between two addresses, in their order, some at a time. */
async function* entriesOf(sql: Sql, appId: number, gid: number, from: string, to: string): AsyncGenerator<EntryRow[], void> {
  let after: Pick<EntryRow, 'address' | 'message_type'> | undefined = { address: from, message_type: 0 };
  while (after) {
    const entries: EntryRow[] = await sql.query(ENTRIES, [appId, gid, after.address, after.message_type, to]);
    yield entries;
    after = entries.length < ENTRIES_A_STATEMENT ? undefined : entries.at(-1);
  }
}

/** Members, each before its entries; entries of those who are not among them are left out. Some at a time. */
async function* withEntries(
  rows: readonly MemberRow[],
  pages: AsyncIterable<readonly EntryRow[]>,
): AsyncGenerator<RecordedMember[], void> {
  const places = new Map(rows.map(({ address }, index) => [address, index]));
  let told = 0;
  for await (const entries of pages) {
    const recorded: RecordedMember[] = [];
    for (const { address, message_type, permissions } of entries) {
      const place = places.get(address);
      const member = place === undefined ? undefined : rows[place];
      if (place === undefined || !member) continue;
      for (; told <= place; told++) recorded.push(ownRecord(rows[told] as MemberRow));
      recorded.push([address, message_type, true, permissions, member.rights]);
    }
    yield recorded;
  }
  yield rows.slice(told).map(ownRecord);
}

const ownRecord = ({ address, permissions, rights }: MemberRow): RecordedMember => [address, 0, true, permissions, rights];

/** The same in parts that an event may have. */
async function* parts(pages: AsyncIterable<readonly RecordedMember[]>): AsyncGenerator<RecordedMember[], void> {
  let waiting: RecordedMember[] = [];
  for await (const page of pages) {
    waiting.push(...page);
    for (; waiting.length > MEMBERS_A_RECORD; waiting = waiting.slice(MEMBERS_A_RECORD)) {
      yield waiting.slice(0, MEMBERS_A_RECORD);
    }
  }
  if (waiting.length > 0) yield waiting;
}

async function readSettings(sql: Sql, appId: number, gid: number): Promise<RecordedSettings | undefined> {
  const [row] = await sql.query(SETTINGS, [appId, gid]);
  if (!row) return undefined;
  const types = new Map(row.types.map(([messageType, send, recv]) => [messageType, { send, recv }]));
  return recordedSettings({ ...groupOf(row), types });
}
