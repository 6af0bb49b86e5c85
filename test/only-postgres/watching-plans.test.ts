/** What streams read by key they read by an index, however much there is of a group or an app. */
import { expect, test } from 'vitest';
import { readGroupLog } from '../../src/changes/log/read.ts';
import { findTypesAt, typesIn } from '../../src/changes/log/recorded-types.ts';
import { changedStates, presentStates } from '../../src/changes/streams/membership-states.ts';
import { snapshotPages } from '../../src/changes/streams/snapshot.ts';
import { addGroup, editGroupMembers, setGroup } from '../../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { addresses } from '../watching/setup.ts';

const recorder = new StatementRecorder();
const db = await openTestDatabase({ observe: recorder.observe });
const { viewer } = await createViewer(db);
const { appId } = viewer;

/** A group of 3,000 members with 20 entries each, 600 message types, and 20,000 records about members behind those of its sets. */
const { gid } = (await addGroup(db, viewer, { members: [{ addresses: addresses(3_000) }] })).group;
await sql(
  db,
  `insert into member_types (app_id, gid, address, message_type, permissions)
    select app_id, gid, address, n, 3 from members, generate_series(1, 20) n where gid = $1`,
  [gid],
);
await sql(
  db,
  'insert into group_types (app_id, gid, message_type, send, recv) select app_id, gid, n, 1, 0 from groups, generate_series(1, 600) n where gid = $1',
  [gid],
);
for (const send of ['ANYONE', 'MEMBERS'] as const) {
  await setGroup(db, viewer, { gid: String(gid), messageType: 7, permissions: { send } });
}
await sql(
  db,
  `with head as (update groups set version = version + 20000 where gid = $1)
    insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
    select app_id, gid, 6 + n, generation, xid, kind, at, mark, member_count, '{"members": []}'
    from changes, generate_series(1, 20000) n where gid = $1 and version = 2`,
  [gid],
);
await sql(
  db,
  `insert into groups select c.* from groups g, generate_series(1, 5000) i,
      jsonb_populate_record(g, jsonb_build_object('gid', g.gid + 100000 + i)) c where g.gid = $1`,
  [gid],
);
await sql(
  db,
  `insert into members select c.* from members m, groups g,
      jsonb_populate_record(m, jsonb_build_object('gid', g.gid)) c where m.gid = $1 and m.address = $2 and g.gid <> $1`,
  [gid, addresses(1)[0]],
);
await sql(db, 'vacuum analyze');

/** The lines of the plan of the statement of that name that ran first, as it ran. */
async function planOf(name: string): Promise<string> {
  const found = recorder.statements.find((statement) => statement.name === name);
  if (!found) throw new Error(`${name} did not run`);
  const rows = await sql<{ 'QUERY PLAN': string }>(db, `explain (analyze, timing off) ${found.text}`, found.values);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

async function expectIndexes(name: string, ...indexes: string[]): Promise<void> {
  const plan = await planOf(name);
  for (const index of indexes) expect(plan).toContain(index);
  for (const table of ['changes', 'members', 'member_types', 'groups'])
    expect(plan).not.toMatch(new RegExp(`Seq Scan on ${table} `));
}

test('entries of a snapshot', async () => {
  let told = 0;
  for await (const { members } of snapshotPages(db, appId, gid)) told += members.length;
  expect(told).toBe(3_000 * 21);
  await expectIndexes('snapshot_entries', 'member_types_pkey');
  expect(await planOf('snapshot_entries')).not.toContain('Sort');
});

test('the message types that a group has entries for', async () => {
  const edit = { gid: String(gid), messageType: 21, add: [{ addresses: addresses(2) }] };
  expect((await editGroupMembers(db, viewer, edit)).added).toBe(2);
  await expectIndexes('entries_types', 'member_types_app_id_gid_message_type');
});

test('the sets at a version, far behind', async () => {
  const [before] = await findTypesAt(db, appId, [{ gid, version: 5 }]);
  expect(before?.find(([type]) => type === 7)).toEqual([7, 2, 0]);
  await expectIndexes('recorded_types_later', 'changes_with_sets');
  await setGroup(db, viewer, { gid: String(gid), messageType: 8, permissions: { send: 'ANYONE' } });
  await expectIndexes('recorded_types_due', 'changes_with_sets');
  const [record] = await readGroupLog(db, { appId, gid }, { version: 4 });
  if (record?.kind !== 'GROUP_UPDATED') throw new Error(`${record?.kind}`);
  expect(record.settings.typeCount).toBe(600);
  expect(record.settings).not.toHaveProperty('types');
  expect(await typesIn(record.settings, async () => before ?? [])).toBe(before);
});

test('the memberships of an address', async () => {
  const [address = ''] = addresses(1);
  let pages = 0;
  for await (const states of presentStates(db, appId, address)) pages += states.length > 0 ? 1 : 0;
  expect(pages).toBe(6);
  await expectIndexes('memberships_present', 'members_app_id_address_gid_idx');
  const from = { generation: 0, xid: 0, id: 0, mark: 0 };
  let changed = 0;
  for await (const { states } of changedStates(db, appId, address, from)) changed += states.length;
  expect(changed).toBe(5_001);
  await expectIndexes('memberships_changed', 'members_app_id_address_gid_idx');
});
