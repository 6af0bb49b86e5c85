/** A snapshot of a group whose members have many entries for message types. */
import { expect, test } from 'vitest';
import type { RecordedMember } from '../../src/changes/log/records.ts';
import { snapshotPages } from '../../src/changes/streams/snapshot.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup } from '../../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { altered } from '../setup/interrupted.ts';
import { addresses } from './setup.ts';

const db = await openTestDatabase();
const { viewer } = await createViewer(db);
const { appId } = viewer;

/** The rows that each statement brought. */
let brought: { name: string; rows: number }[] = [];
const query: Database['query'] = async (statement, ...given) => {
  const rows = await db.query(statement, ...given);
  brought.push({ name: statement.name, rows: rows.length });
  return rows;
};
const counted = altered(db, { query });

/** A group of so many members; the first `many` have `each` entries, one of them 4,000 more. */
async function newGroup(size: number, many: number, each: number): Promise<number> {
  const { gid } = (await addGroup(db, viewer, { members: [{ addresses: addresses(size) }] })).group;
  const entries = `insert into member_types (app_id, gid, address, message_type, permissions)
    select m.app_id, m.gid, m.address, n, n % 4 from members m, generate_series($2::int, $3::int) n where m.gid = $1`;
  await sql(db, `${entries} and m.address < $4`, [gid, 1, each, addresses(many + 1).at(-1)]);
  await sql(db, `${entries} and m.address = $4`, [gid, 1_001, 5_000, addresses(11).at(-1)]);
  return gid;
}

async function pagesOf(gid: number, after: () => Promise<unknown> = async () => {}): Promise<RecordedMember[][]> {
  brought = [];
  const pages: RecordedMember[][] = [];
  for await (const { members } of snapshotPages(counted, appId, gid)) {
    pages.push(members);
    await after();
  }
  return pages;
}

const rowsOf = (gid: number) =>
  sql<{ member: RecordedMember }>(
    db,
    `select member from (
        select address, 0 as type, json_build_array(address, 0, true, permissions, rights) as member from members where gid = $1
        union all
        select t.address, t.message_type, json_build_array(t.address, t.message_type, true, t.permissions, m.rights)
        from member_types t join members m using (app_id, gid, address) where t.gid = $1) r
      order by r.address, r.type`,
    [gid],
  );

test('is read in statements of at most 5,000 entries and told in parts of at most 1,000', async () => {
  const gid = await newGroup(2_300, 300, 25);
  const pages = await pagesOf(gid);
  const members = pages.flat();
  expect(members).toHaveLength(2_300 + 300 * 25 + 4_000);
  expect(members).toEqual((await rowsOf(gid)).map(({ member }) => member));
  for (const page of pages) expect(page.length).toBeLessThanOrEqual(1_000);
  const entries = brought.filter(({ name }) => name === 'snapshot_entries').map(({ rows }) => rows);
  expect(entries).toEqual([5_000, 5_000, 1_500, 0, 0]);
  expect(brought.filter(({ name }) => name === 'snapshot_members').map(({ rows }) => rows)).toEqual([1_000, 1_000, 300]);
});

test('loses nobody who stays while members and entries come and go between the statements', async () => {
  const gid = await newGroup(400, 400, 20);
  const gone = addresses(400).filter((_, n) => n % 7 === 3);
  let left = gone;
  const members = (
    await pagesOf(gid, async () => {
      const [some, more] = [left.slice(0, 10), left.slice(10)];
      left = more;
      await sql(db, 'delete from members where gid = $1 and address = any($2::text[])', [gid, some]);
      await sql(db, 'delete from member_types where gid = $1 and address = $2', [gid, addresses(400)[399 - left.length]]);
    })
  ).flat();
  const own = members.filter(([, messageType]) => messageType === 0).map(([address]) => address);
  expect(own).toEqual([...new Set(own)].sort());
  for (const address of addresses(400)) if (!gone.includes(address)) expect(own).toContain(address);
  // Each entry follows its member, and comes once.
  const seen = new Set<string>();
  for (const [address, messageType] of members) {
    if (messageType > 0) expect(seen.has(`${address} 0`)).toBe(true);
    expect(seen.has(`${address} ${messageType}`)).toBe(false);
    seen.add(`${address} ${messageType}`);
  }
});
