import { expect, test } from 'vitest';
import type { GroupRouteMessageInput } from '../../src/groups/input/routing-input.ts';
import { addGroup, editGroupMembers } from '../../src/groups/operations.ts';
import { routeMessage } from '../../src/groups/routing/route-message.ts';
import { takeTurn } from '../../src/groups/routing/turn.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';

/** Two gateways on one database, and four callers on each. */
const db = await openTestDatabase();
const gateways = [db, db.openAnother()];
const { viewer } = await createViewer(db);
const CALLERS = Array.from({ length: 8 }, (_, index) => gateways[index % gateways.length] ?? db);
const MEMBERS = ['anna', 'ben', 'cleo', 'dora', 'emil', 'fred', 'gina'];

async function huntGroup(): Promise<string> {
  const { group } = await addGroup(db, viewer, {
    permissions: { send: 'ANYONE', recv: 'ROUND_ROBIN' },
    members: [{ addresses: MEMBERS }],
  });
  return String(group.gid);
}

/** Sends so many messages, each caller the next when it has its answer. Gives the receivers. */
async function send(count: number, input: (index: number) => GroupRouteMessageInput): Promise<(string | undefined)[]> {
  const receivers: (string | undefined)[] = [];
  let next = 0;
  const call = async (gateway: (typeof CALLERS)[number]) => {
    while (next < count) {
      const index = next++;
      receivers[index] = (await routeMessage(gateway, viewer, input(index))).receiver?.address;
    }
  };
  await Promise.all(CALLERS.map(call));
  return receivers;
}

const shares = (receivers: readonly (string | undefined)[], of: readonly string[]) =>
  of.map((address) => receivers.filter((receiver) => receiver === address).length);

// A turn that is lost or given twice shows among some hundreds; MESSAGES: more.
const MESSAGES = Number(process.env['MESSAGES'] ?? 2_504);

test(`8 callers on 2 gateways: ${MESSAGES} messages, and each of 7 members gets its share`, async () => {
  const gid = await huntGroup();
  const receivers = await send(MESSAGES, () => ({ gid, from: 'a customer' }));
  // In order of joining: 2,504 = 7 × 357 + 5.
  const expected = MEMBERS.map((_, place) => Math.ceil((MESSAGES - place) / MEMBERS.length));
  expect(shares(receivers, MEMBERS)).toEqual(expected);
}, 120_000);

test('the sender is never chosen, and the others get their shares', async () => {
  const gid = await huntGroup();
  const [sender, ...others] = MEMBERS;
  const receivers = await send(1_000, () => ({ gid, from: sender as string }));
  expect(shares(receivers, MEMBERS)).toEqual([0, 167, 167, 167, 167, 166, 166]);
  const mixed = await send(1_000, (index) => ({ gid, from: others[index % others.length] as string }));
  expect(mixed.filter((receiver, index) => receiver === others[index % others.length])).toEqual([]);
  expect(mixed).not.toContain(undefined);
}, 60_000);

test('while members join and leave, nobody who stays is passed over', async () => {
  const gid = await huntGroup();
  let sending = true;
  const comeAndGo = async (address: string, gateway: (typeof CALLERS)[number]) => {
    while (sending) {
      await editGroupMembers(gateway, viewer, { gid, add: [{ addresses: [address] }] });
      await editGroupMembers(gateway, viewer, { gid, remove: [address] });
    }
  };
  const churn = ['x', 'y', 'z'].map((address, index) => comeAndGo(address, CALLERS[index] ?? db));
  await send(1_500, (index) => ({ gid, from: 'a customer', idempotencyKey: `churn ${index}` }));
  sending = false;
  await Promise.all(churn);
  // A turn gets its transaction id under the lock: that is the order of the turns.
  const turns = await sql<{ receiver: string }>(
    db,
    `select receiver from routed_messages where key like 'churn %' order by xmin::text::bigint`,
  );
  expect(turns).toHaveLength(1_500);
  expect(turns.some(({ receiver }) => !MEMBERS.includes(receiver))).toBe(true);
  const stayed = turns.map(({ receiver }) => receiver).filter((receiver) => MEMBERS.includes(receiver));
  expect(stayed).toEqual(stayed.map((_, index) => MEMBERS[index % MEMBERS.length]));
}, 120_000);

test('100 retries of one message on both gateways: one receiver, one turn; ten times over', async () => {
  const gid = await huntGroup();
  for (let index = 0; index < 10; index++) {
    const retries = await send(100, () => ({ gid, from: 'a customer', idempotencyKey: `again ${index}` }));
    expect(new Set(retries)).toEqual(new Set([MEMBERS[index % MEMBERS.length]]));
  }
});

test('a turn waits for no one who writes to the group, and no one who writes to it waits for a turn', async () => {
  const gid = await huntGroup();
  await db.transaction(async (tx) => {
    await sql(tx, 'select pg_advisory_xact_lock($1)', [Number(gid)]);
    await sql(tx, 'update groups set updated_at = updated_at where gid = $1', [Number(gid)]);
    expect((await send(2, () => ({ gid, from: 'a customer' }))).toSorted()).toEqual(['anna', 'ben']);
  });
  await db.transaction(async (tx) => {
    const { appId } = viewer;
    const request = {
      appId,
      gid: Number(gid),
      flags: 0x20,
      messageType: 0,
      type: undefined,
      from: 'a customer',
      among: undefined,
    };
    expect((await takeTurn(tx, request))?.address).toBe('cleo');
    const { added } = await editGroupMembers(CALLERS[1] ?? db, viewer, { gid, add: [{ addresses: ['hugo'] }] });
    expect(added).toBe(1);
  });
  expect((await send(5, () => ({ gid, from: 'a customer' }))).toSorted()).toEqual(['dora', 'emil', 'fred', 'gina', 'hugo']);
});
