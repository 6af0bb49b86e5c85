import { expect, test } from 'vitest';
import { sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { GROUP_CHANGES, listen, watchOver } from '../setup/watch.ts';
import { addGroup, addresses, editMembers, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const server = await listen(gateway);
const caller = await gateway.caller();

test('promise 2, gap-free order: many writers at once are numbered 1, 2, 3 … in the order of their times', async () => {
  const { gid, cursor } = await addGroup(caller);
  const live = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid });
  await live.ready();
  await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      n % 2 ? setGroup(caller, { gid, name: `name ${n}` }) : editMembers(caller, { gid, add: [{ addresses: [`member ${n}`] }] }),
    ),
  );
  await live.until((events) => events.length === 41);
  const late = watchOver('sse', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  await late.ready();
  for (const { records } of [live, late]) {
    expect(records.map(({ version }) => version)).toEqual(Array.from({ length: 40 }, (_, index) => index + 2));
    const times = records.map(({ at }) => at);
    expect(times).toEqual(times.toSorted());
    const counts = records.filter(({ __typename }) => __typename === 'MembersAdded').map(({ memberCount }) => memberCount);
    expect(counts).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  }
  await Promise.all([live.stop(), late.stop()]);
});

test('promise 2: a bulk add is one record for each 1,000, seen all at once, and its cursor is that of the last', async () => {
  const { gid } = await addGroup(caller);
  const live = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid });
  await live.ready();
  const { cursor, group } = await editMembers(caller, { gid, add: [{ addresses: addresses(12_500) }] });
  expect(group.version).toBe(14);
  await live.until((events) => events.length === 14);
  expect(live.records.map(({ members }) => members.length)).toEqual([...Array(12).fill(1_000), 500]);
  expect(live.records.flatMap(({ members }) => members.map((member: { address: string }) => member.address))).toEqual(
    addresses(12_500),
  );
  expect(live.records.map(({ memberCount }) => memberCount)).toEqual([
    ...Array.from({ length: 12 }, (_, n) => (n + 1) * 1_000),
    12_500,
  ]);
  expect(live.last?.['cursor']).toBe(cursor);
  const rows = await sql<{ xids: number }>(
    gateway.db,
    'select count(distinct xid)::int as xids from changes where gid = $1 and version > 1',
    [gid],
  );
  expect(rows).toEqual([{ xids: 1 }]);
  await live.stop();
});

test('promise 2: `at` is never earlier than that of the record before, whatever the clock does', async () => {
  const { gid } = await addGroup(caller);
  await sql(gateway.db, `update groups set updated_at = updated_at + interval '1 hour' where gid = $1`, [gid]);
  const { group } = await setGroup(caller, { gid, name: 'later' });
  const [row] = await sql<{ ahead: boolean }>(
    gateway.db,
    `select at > clock_timestamp() + interval '59 minutes' as ahead from changes where gid = $1 and version = 2`,
    [gid],
  );
  expect(row).toEqual({ ahead: true });
  expect(new Date(group.updatedAt).getTime()).toBeGreaterThan(Date.now() + 59 * 60_000);
});
