import { describe, expect, test } from 'vitest';
import { type GroupAddInput, GroupDelDocument, GroupEditMembersDocument, GroupSetDocument } from '../src/generated/operations.ts';
import { pruneRoutings } from '../src/groups/routing/routed-messages.ts';
import { addGroup, type RouteInput, receiverOf, receiversOf, route } from './setup/asking.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();
const CUSTOMER = { from: 'a customer' };
const HUNT = { send: 'ANYONE', recv: 'ROUND_ROBIN' } as const;
let ids = 0;
const message = (): RouteInput & { idempotencyKey: string } => ({ ...CUSTOMER, idempotencyKey: `message ${++ids}` });

const huntGroup = (input: GroupAddInput = {}) =>
  addGroup(app, { permissions: HUNT, members: [{ addresses: ['a', 'b', 'c'] }], ...input });

const set = (gid: string, input: object) => app.call(GroupSetDocument, { input: { gid, ...input } });
const age = (minutes: number) =>
  sql(gateway.db, `update routed_messages set created_at = created_at - $1::int * interval '1 minute'`, [minutes]);

describe('a repetition of the same message', () => {
  test('gets the same receiver and takes no turn', async () => {
    const gid = await huntGroup();
    const first = message();
    expect(await receiverOf(app, gid, first)).toBe('a');
    expect(await receiversOf(app, gid, 3, first)).toBe('a a a');
    expect(await receiverOf(app, gid, message())).toBe('b');
    expect(await receiverOf(app, gid, first)).toBe('a');
    expect(await receiverOf(app, gid, CUSTOMER)).toBe('c');
  });

  test('a hundred times at once, also with other messages between', async () => {
    const gid = await huntGroup();
    const same = message();
    const [repeated, others] = await Promise.all([
      Promise.all(Array.from({ length: 100 }, () => receiverOf(app, gid, same))),
      Promise.all(Array.from({ length: 8 }, () => receiverOf(app, gid, message()))),
    ]);
    expect(new Set(repeated).size).toBe(1);
    // Nine turns of three members.
    expect([...others, repeated[0]].toSorted().join('')).toBe('aaabbbccc');
    expect(await receiverOf(app, gid, CUSTOMER)).toBe('a');
  });

  test('with another input is a conflict', async () => {
    const gid = await huntGroup();
    const other = await huntGroup();
    const { idempotencyKey } = message();
    expect(await receiverOf(app, gid, { ...CUSTOMER, idempotencyKey })).toBe('a');
    const conflict = { __typename: 'IdempotencyConflict', code: 'IDEMPOTENCY_CONFLICT' };
    for (const changed of [{ from: 'another' }, { messageType: 7 }, { among: ['a'] }]) {
      expect(await route(app, gid, { ...CUSTOMER, idempotencyKey, ...changed })).toMatchObject(conflict);
    }
    expect(await route(app, other, { ...CUSTOMER, idempotencyKey })).toMatchObject(conflict);
    // Left out, the message type is 0.
    expect(await receiverOf(app, gid, { ...CUSTOMER, idempotencyKey, messageType: 0 })).toBe('a');
    expect(await receiverOf(app, gid, CUSTOMER)).toBe('b');
  });

  test('belongs to its app', async () => {
    const other = await gateway.caller();
    const [mine, theirs] = [await huntGroup(), await addGroup(other, { permissions: HUNT, members: [{ addresses: ['x'] }] })];
    const same = message();
    expect(await receiverOf(app, mine, same)).toBe('a');
    expect(await receiverOf(other, theirs, same)).toBe('x');
  });

  test('meets its first answer also when the group has changed since', async () => {
    const gid = await huntGroup();
    const first = message();
    expect(await receiverOf(app, gid, first)).toBe('a');
    await set(gid, { active: false, storesMessages: false, loopsBack: true, permissions: { recv: 'MEMBERS' } });
    expect(await route(app, gid, first)).toMatchObject({
      __typename: 'RoutedMessage',
      store: true,
      loopback: false,
      receiver: { address: 'a' },
    });
    expect(await route(app, gid, message())).toMatchObject({ __typename: 'MessageRefused' });
    await app.call(GroupDelDocument, { input: { gid } });
    expect(await route(app, gid, first)).toMatchObject({ __typename: 'GroupNotFound', gid });
  });

  test('is routed anew when its receiver has left', async () => {
    const gid = await huntGroup();
    const first = message();
    expect(await receiverOf(app, gid, first)).toBe('a');
    await app.call(GroupEditMembersDocument, { input: { gid, remove: ['a'] } });
    expect(await receiversOf(app, gid, 3, first)).toBe('b b b');
    expect(await receiverOf(app, gid, CUSTOMER)).toBe('c');
  });

  test('is routed anew when it found nobody, or was refused', async () => {
    const gid = await huntGroup({ members: [], active: false });
    const first = message();
    expect(await route(app, gid, first)).toMatchObject({ __typename: 'MessageRefused' });
    await set(gid, { active: true });
    expect(await receiverOf(app, gid, first)).toBeNull();
    await set(gid, { members: [{ addresses: ['a', 'b'] }] });
    expect(await receiversOf(app, gid, 2, first)).toBe('a a');
  });

  test('is known for ten minutes', async () => {
    const gid = await huntGroup();
    const first = message();
    expect(await receiverOf(app, gid, first)).toBe('a');
    await age(9);
    expect(await receiverOf(app, gid, first)).toBe('a');
    await age(1);
    expect(await receiverOf(app, gid, first)).toBe('b');
    expect(await receiverOf(app, gid, { ...first, from: 'another' }).catch(() => 'conflict')).toBe('conflict');
    await age(10);
    expect(await receiverOf(app, gid, { ...first, from: 'another' })).toBe('c');
  });

  test('is known in a group without turns too', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['a', 'b'] }] });
    const { idempotencyKey } = message();
    for (let time = 0; time < 2; time++) {
      expect(await route(app, gid, { from: 'a', idempotencyKey })).toMatchObject({
        receiver: null,
        recipients: { edges: [{ node: { address: 'b' } }] },
      });
    }
    expect(await route(app, gid, { from: 'b', idempotencyKey })).toMatchObject({ __typename: 'IdempotencyConflict' });
  });
});

test('the ids of messages are forgotten after ten minutes, however many', async () => {
  const gid = await huntGroup();
  await sql(gateway.db, 'delete from routed_messages');
  await sql(
    gateway.db,
    `insert into routed_messages (app_id, key, hash, store, loopback, created_at)
      select $1, 'old ' || n, sha256(n::text::bytea), true, false, clock_timestamp() - interval '11 minutes' from generate_series(1, 2500) n`,
    [app.viewer.appId],
  );
  const young = message();
  expect(await receiverOf(app, gid, young)).toBe('a');
  expect(await pruneRoutings(gateway.db)).toBe(2_500);
  expect(await sql(gateway.db, 'select key from routed_messages')).toEqual([{ key: young.idempotencyKey }]);
  expect(await pruneRoutings(gateway.db)).toBe(0);
});
