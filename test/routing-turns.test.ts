import { describe, expect, test } from 'vitest';
import {
  type GroupAddInput,
  GroupByGidDocument,
  GroupEditMembersDocument,
  GroupSetDocument,
} from '../src/generated/operations.ts';
import { addGroup, receiverOf, receiversOf } from './setup/asking.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();
const CUSTOMER = { from: 'a customer' };
const HUNT = { send: 'ANYONE', recv: 'ROUND_ROBIN' } as const;

const huntGroup = (addresses: string[], input: GroupAddInput = {}) =>
  addGroup(app, { permissions: HUNT, members: [{ addresses }], ...input });

const edit = (gid: string, input: object) => app.call(GroupEditMembersDocument, { input: { gid, ...input } });

describe('the turn', () => {
  test('goes around in order of joining', async () => {
    const gid = await huntGroup(['cleo', 'anna', 'ben']);
    expect(await receiversOf(app, gid, 7, CUSTOMER)).toBe('cleo anna ben cleo anna ben cleo');
  });

  test('is steady when members come and go', async () => {
    const gid = await huntGroup(['a', 'b', 'c', 'd']);
    expect(await receiversOf(app, gid, 2, CUSTOMER)).toBe('a b');
    await edit(gid, { remove: ['b'], add: [{ addresses: ['e'] }] });
    expect(await receiversOf(app, gid, 5, CUSTOMER)).toBe('c d e a c');
    // Who comes back is the last to have joined.
    await edit(gid, { remove: ['d'] });
    await edit(gid, { add: [{ addresses: ['d'] }] });
    expect(await receiversOf(app, gid, 5, CUSTOMER)).toBe('e d a c e');
  });

  test('passes over the sender, without a claim', async () => {
    const gid = await huntGroup(['a', 'b', 'c']);
    expect(await receiverOf(app, gid, { from: 'a' })).toBe('b');
    expect(await receiverOf(app, gid, { from: 'c' })).toBe('a');
    expect(await receiverOf(app, gid, { from: 'a' })).toBe('b');
    expect(await receiversOf(app, gid, 3, CUSTOMER)).toBe('c a b');
    const alone = await huntGroup(['a']);
    expect(await receiversOf(app, alone, 2, { from: 'a' })).toBe(' ');
    expect(await receiverOf(app, alone, CUSTOMER)).toBe('a');
  });

  test('is only among those whom the caller names', async () => {
    const gid = await huntGroup(['a', 'b', 'c', 'd']);
    expect(await receiversOf(app, gid, 3, { ...CUSTOMER, among: ['d', 'b', 'nobody', 'a customer'] })).toBe('b d b');
    expect(await receiverOf(app, gid, { from: 'd', among: ['d', 'a'] })).toBe('a');
    expect(await receiversOf(app, gid, 2, CUSTOMER)).toBe('b c');
    expect(await receiverOf(app, gid, { ...CUSTOMER, among: [] })).toBeNull();
    expect(await receiverOf(app, gid, { ...CUSTOMER, among: ['nobody'] })).toBeNull();
    expect(await receiverOf(app, gid, CUSTOMER)).toBe('d');
  });

  test('of an empty group is nobody’s', async () => {
    expect(await receiverOf(app, await huntGroup([]), CUSTOMER)).toBeNull();
  });

  test('is no change of the group', async () => {
    const gid = await huntGroup(['a', 'b']);
    const { group: before } = await app.call(GroupByGidDocument, { gid });
    await receiversOf(app, gid, 3, CUSTOMER);
    expect((await app.call(GroupByGidDocument, { gid })).group).toEqual(before);
    expect(await sql(gateway.db, 'select count(*)::int as n from changes where gid = $1', [gid])).toEqual([
      { n: before?.version },
    ]);
  });
});

describe('with a message type', () => {
  const setType = (gid: string, recv: 'MEMBERS' | 'SELECTED' | 'ROUND_ROBIN', addresses: string[] = [], messageType = 7) =>
    app.call(GroupSetDocument, {
      input: { gid, messageType, permissions: { recv }, members: addresses.length > 0 ? [{ addresses }] : undefined },
    });

  test('that only selected members receive, it has a turn of its own', async () => {
    const gid = await huntGroup(['a', 'b', 'c', 'd']);
    await setType(gid, 'SELECTED', ['d', 'b', 'a']);
    await edit(gid, { messageType: 7, update: [{ addresses: ['a'], permissions: { recv: false } }] });
    expect(await receiversOf(app, gid, 3, { ...CUSTOMER, messageType: 7 })).toBe('b d b');
    expect(await receiversOf(app, gid, 2, CUSTOMER)).toBe('a b');
    expect(await receiversOf(app, gid, 2, { ...CUSTOMER, messageType: 7 })).toBe('d b');
    expect(await receiverOf(app, gid, { ...CUSTOMER, messageType: 7, among: ['c', 'd', 'a'] })).toBe('d');
    expect(await receiverOf(app, gid, CUSTOMER)).toBe('c');
  });

  test('that all may receive, it shares the turn of the group', async () => {
    const gid = await huntGroup(['a', 'b', 'c']);
    await setType(gid, 'MEMBERS');
    await setType(gid, 'ROUND_ROBIN', [], 8);
    const types = [0, 7, 8, 9, 0, 7];
    const receivers: (string | null)[] = [];
    for (const messageType of types) receivers.push(await receiverOf(app, gid, { ...CUSTOMER, messageType }));
    expect(receivers.join(' ')).toBe('a b c a b c');
  });

  test('that goes round in a group that does not', async () => {
    const gid = await addGroup(app, {
      permissions: { send: 'ANYONE', recv: 'SELECTED' },
      members: [{ addresses: ['a', 'c', 'e'] }, { addresses: ['b', 'd'], permissions: { recv: false } }],
    });
    await setType(gid, 'ROUND_ROBIN');
    expect(await receiversOf(app, gid, 4, { ...CUSTOMER, messageType: 7 })).toBe('a c e a');
    expect(await receiverOf(app, gid, { ...CUSTOMER, messageType: 7, among: ['b', 'e', 'd'] })).toBe('e');
    expect(await receiverOf(app, gid, { from: 'a', messageType: 7 })).toBe('c');
    await edit(gid, {
      update: [
        { addresses: ['e'], permissions: { recv: false } },
        { addresses: ['d'], permissions: { recv: true } },
      ],
    });
    expect(await receiversOf(app, gid, 3, { ...CUSTOMER, messageType: 7 })).toBe('d a c');
  });

  test('goes around among more candidates than are gathered', async () => {
    // In pairs, of which the first is selected.
    const all = Array.from({ length: 2_600 }, (_, index) => `m${String(index).padStart(4, '0')}`);
    const [selected, others] = [all.filter((_, index) => index % 2 === 0), all.filter((_, index) => index % 2 === 1)];
    const gid = await addGroup(app, { permissions: { send: 'ANYONE', recv: 'SELECTED' }, members: [{ addresses: all }] });
    await edit(gid, { update: [{ addresses: others, permissions: { recv: false } }] });
    await setType(gid, 'ROUND_ROBIN');
    expect(await receiversOf(app, gid, 3, { ...CUSTOMER, messageType: 7 })).toBe('m0000 m0002 m0004');
    await sql(gateway.db, 'update routing_turns set last = 2597 where gid = $1', [gid]);
    expect(await receiversOf(app, gid, 2, { from: 'm2598', messageType: 7 })).toBe('m0000 m0002');

    await app.call(GroupSetDocument, { input: { gid, permissions: { recv: 'ROUND_ROBIN' } } });
    await setType(gid, 'SELECTED', selected, 8);
    await sql(gateway.db, `insert into routing_turns select app_id, gid, 8, 2596 from groups where gid = $1`, [gid]);
    expect(await receiversOf(app, gid, 3, { ...CUSTOMER, messageType: 8 })).toBe('m2596 m2598 m0000');
  });
});
