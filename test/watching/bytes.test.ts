import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type ChangeRecord, READER_BYTES, READER_RECORDS, readAppLog, readGroupLog } from '../../src/changes/log/read.ts';
import { AppTail } from '../../src/changes/streams/app-tail.ts';
import { GroupTail } from '../../src/changes/streams/group-tail.ts';
import { RING_BYTES, Ring, RingBudget } from '../../src/changes/streams/ring.ts';
import { addGroup } from '../../src/groups/operations.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { settled, until } from '../setup/watch.ts';
import { addresses } from './setup.ts';

const db = await openTestDatabase();
const RECORDS = 40;
const MIB = 1024 * 1024;

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

/** A group with records of 1,000 members each behind version 1, which take little in storage: they are compressed. */
async function newGroup() {
  const { viewer } = await createViewer(db);
  const { group } = await addGroup(db, viewer, { members: [{ addresses: addresses(1_000) }] });
  const add = () =>
    sql(
      db,
      `with head as (update groups set version = version + ${RECORDS} where gid = $1)
        insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
        select app_id, gid, version + n, generation, xid, kind, at, mark, member_count, data
        from changes, generate_series(1, ${RECORDS}) n where gid = $1 and version = 2`,
      [group.gid],
    );
  return { viewer, appId: viewer.appId, gid: group.gid, add };
}

async function markOf(gid: number): Promise<number> {
  const [row] = await sql<{ mark: number }>(db, 'select mark from groups where gid = $1', [gid]);
  return row?.mark ?? 0;
}

const sizeOf = (records: readonly { size: number }[]) => records.reduce((sum, { size }) => sum + size, 0);

/** The bytes that the heap grows by. */
async function heapOf(fill: () => Promise<unknown>): Promise<number> {
  // What other files of this process left may go meanwhile: first until nothing more does.
  let before = Number.POSITIVE_INFINITY;
  for (let freed = before; freed > 100_000; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
    const now = process.memoryUsage().heapUsed;
    freed = before - now;
    before = now;
  }
  const kept = await fill();
  gc();
  const used = process.memoryUsage().heapUsed - before;
  expect(kept).toBeDefined();
  return used;
}

test('a record’s size is about what it takes in memory', async () => {
  const group = await newGroup();
  await group.add();
  const [stored] = await sql<{ bytes: number }>(
    db,
    'select sum(pg_column_size(data))::float8 as bytes from changes where gid = $1',
    [group.gid],
  );
  await readGroupLog(db, group, { version: 1 }); // what is made once
  let records: ChangeRecord[] = [];
  const heap = await heapOf(async () => {
    records = await readGroupLog(db, group, { version: 1 }, 64 * MIB, 500);
    return records;
  });
  expect(records.length).toBe(RECORDS + 1);
  expect(heap / sizeOf(records)).toBeGreaterThan(0.5);
  expect(heap / sizeOf(records)).toBeLessThan(1.5);
  expect(sizeOf(records)).toBeGreaterThan(10 * (stored?.bytes ?? 0));
});

test('a read takes whole records up to its bytes, at least one', async () => {
  const group = await newGroup();
  await group.add();
  await settled(db);
  const begin = { generation: 0, xid: 0, id: 0, mark: 0 };
  expect(await readGroupLog(db, group, { version: 1 })).toHaveLength(1);
  expect((await readAppLog(db, group.appId, begin)).map(({ version }) => version)).toEqual([1, 2]);
  const [{ size } = { size: 0 }] = await readGroupLog(db, group, { version: 1 });
  expect(size).toBeGreaterThan(READER_BYTES);
  for (const records of [
    await readGroupLog(db, group, { version: 1 }, Math.round(2.5 * size)),
    await readAppLog(db, group.appId, begin, Math.round(2.5 * size)),
    await readGroupLog(db, group, { version: 1 }, 64 * MIB, 3),
  ]) {
    expect(records.filter(({ kind }) => kind === 'MEMBERS_ADDED')).toHaveLength(3);
  }
});

test('rings take the bytes that they may, and a reader takes few of them', async () => {
  const group = await newGroup();
  await group.add();
  const budget = new RingBudget();
  const rings: Ring<ChangeRecord>[] = [];
  const heap = await heapOf(async () => {
    for (let n = 0; n < 8; n++) {
      const ring = new Ring<ChangeRecord>(budget);
      ring.push(await readGroupLog(db, group, { version: 1 }, 64 * MIB, 500));
      rings.push(ring);
    }
    return rings;
  });
  for (const { items } of rings) {
    expect(sizeOf(items)).toBeLessThanOrEqual(RING_BYTES);
    expect(sizeOf(items)).toBeGreaterThan(RING_BYTES / 2);
  }
  expect(budget.used).toBe(rings.reduce((sum, { items }) => sum + sizeOf(items), 0));
  expect(heap).toBeLessThan(8 * RING_BYTES * 1.5);
  expect(rings[0]?.take(0)).toHaveLength(1);
  const small = new Ring<{ size: number }>(budget);
  small.push(Array(250).fill({ size: 100 }));
  expect([small.take(0).length, small.take(240).length]).toEqual([READER_RECORDS, 10]);
  small.push(Array(250).fill({ size: READER_BYTES / 4 }));
  expect(small.take(small.items.length - 50)).toHaveLength(4);
});

test('a tail gives a reader no more at a time, so that none holds more while it is stalled', async () => {
  const group = await newGroup();
  await settled(db);
  const groupTail = new GroupTail(db, group.appId, group.gid, new RingBudget());
  groupTail.meet(groupTail.known, { version: 2, mark: await markOf(group.gid) });
  const appTail = new AppTail(db, group.appId, new RingBudget(), () => {});
  const head = await appTail.head();
  await sql(
    db,
    `insert into changes (app_id, gid, version, generation, xid, kind, at, mark, member_count, data)
      select app_id, gid, 2 + n, generation, xid, 2, at, n, 0, '{}' from changes, generate_series(1, 150) n
      where gid = $1 and version = 1`,
    [group.gid],
  );
  groupTail.move(152);
  appTail.move();
  const lengths = () => [groupTail.after(2)?.length, appTail.after(head)?.length];
  await until(() => lengths().every((length) => length));
  expect(lengths()).toEqual([READER_RECORDS, READER_RECORDS]);
  for (const tail of [groupTail, appTail]) tail.close();
});
