import { describe, expect, test } from 'vitest';
import { GroupSetDocument } from '../src/generated/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, operationsOf } from './setup/operations.ts';
import { sendAs } from './setup/refusals.ts';
import { writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { viewer } = caller;
const { add, set, del, edit, make, change, read, members } = operationsOf(caller);

let keys = 0;
/** A key that no other test uses. */
const newKey = () => `key ${++keys}`;

describe('a repetition answers as the first did, with the group as it is now', () => {
  test('groupAdd', async () => {
    const input = { name: 'Once', members: [{ addresses: ['anna'] }], idempotencyKey: newKey() };
    const first = answered(await add(input), 'GroupAddPayload');
    const now = await change({ gid: first.group.gid, name: 'Twice' });
    const again = await writesNothing(db, viewer, () => add(input));
    expect(again).toEqual({ __typename: 'GroupAddPayload', cursor: first.cursor, group: now });
  });

  test('groupSet', async () => {
    const { gid } = await make();
    const input = { gid, name: 'Once', idempotencyKey: newKey() };
    const first = answered(await set(input), 'GroupSetPayload');
    const now = await change({ gid, name: 'Twice' });
    const again = await writesNothing(db, viewer, () => set(input));
    expect(again).toEqual({ __typename: 'GroupSetPayload', cursor: first.cursor, group: now });
  });

  test('groupEditMembers, with the counts of the first', async () => {
    const { gid } = await make({ members: [{ addresses: ['anna', 'ben', 'carl'] }] });
    const input = {
      gid,
      add: [{ addresses: ['dora', 'emil', 'anna'] }],
      update: [{ addresses: ['ben'], permissions: { send: false } }],
      remove: ['carl'],
      idempotencyKey: newKey(),
    };
    const { group, ...first } = answered(await edit(input), 'GroupEditMembersPayload');
    expect(first).toMatchObject({ added: 2, updated: 1, removed: 1, unchanged: 1 });
    await edit({ gid, add: [{ addresses: ['carl'] }], remove: ['dora'] });
    const now = await read(gid);
    const again = await writesNothing(db, viewer, () => edit(input));
    expect(again).toEqual({ ...first, group: now });
    expect(now.cursor).not.toBe(group.cursor);
  });

  test('groupDel', async () => {
    const { gid } = await make();
    const input = { gid, idempotencyKey: newKey() };
    const first = answered(await del(input), 'GroupDelPayload');
    expect(await writesNothing(db, viewer, () => del(input))).toEqual(first);
    answered(await writesNothing(db, viewer, () => del({ gid })), 'GroupNotFound');
  });

  test('of a request that changed nothing too', async () => {
    const { gid } = await make();
    const input = { gid, remove: ['anna'], idempotencyKey: newKey() };
    expect(answered(await edit(input), 'GroupEditMembersPayload').removed).toBe(0);
    await edit({ gid, add: [{ addresses: ['anna'] }] });
    const again = answered(await writesNothing(db, viewer, () => edit(input)), 'GroupEditMembersPayload');
    expect(again).toMatchObject({ removed: 0, group: { memberCount: 1 } });
    expect((await members(gid)).map(({ address }) => address)).toEqual(['anna']);
  });

  test('however the same input is written', async () => {
    const { gid } = await make();
    const idempotencyKey = newKey();
    const first = answered(
      await set({ gid, name: 'Same', validity: { start: 5, duration: 6 }, idempotencyKey }),
      'GroupSetPayload',
    );
    const turned = { idempotencyKey, validity: { duration: 6, start: 5 }, name: 'Same', gid: Number(gid) };
    const { data } = await writesNothing(db, viewer, () => caller.send(GroupSetDocument, { input: turned }));
    expect(data).toMatchObject({ groupSet: { __typename: 'GroupSetPayload', cursor: first.cursor } });
  });
});

describe('another input under the same key is a conflict', () => {
  test.each<[string, object]>([
    ['another value', { name: 'Other' }],
    ['one field more', { active: true }],
    ['one field less', { name: undefined }],
    ['another version', { ifVersion: 1 }],
    ['members in another order', { members: [{ addresses: ['ben', 'anna'] }] }],
    ['a group that is none', { gid: '1' }],
  ])('%s', async (_, other) => {
    const { gid } = await make();
    const input = { gid, name: 'First', members: [{ addresses: ['anna', 'ben'] }], idempotencyKey: newKey() };
    answered(await set(input), 'GroupSetPayload');
    const result = await writesNothing(db, viewer, () => set({ ...input, ...other }));
    expect(answered(result, 'IdempotencyConflict')).toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      message: expect.stringMatching(/./),
    });
  });

  test('each operation says so', async () => {
    const { gid } = await make();
    const idempotencyKey = newKey();
    answered(await add({ name: 'One', idempotencyKey }), 'GroupAddPayload');
    answered(await edit({ gid, add: [{ addresses: ['anna'] }], idempotencyKey }), 'GroupEditMembersPayload');
    answered(await del({ gid, idempotencyKey }), 'GroupDelPayload');
    await writesNothing(db, viewer, async () => {
      answered(await add({ name: 'Two', idempotencyKey }), 'IdempotencyConflict');
      answered(await edit({ gid, add: [{ addresses: ['ben'] }], idempotencyKey }), 'IdempotencyConflict');
      answered(await del({ gid, ifVersion: 7, idempotencyKey }), 'IdempotencyConflict');
    });
  });
});

describe('a key belongs to operation, app and actor', () => {
  test('each of them has its own effect', async () => {
    const idempotencyKey = newKey();
    const other = operationsOf(await gateway.caller());
    const [olga, peter] = [operationsOf(await caller.user('olga')), operationsOf(await caller.user('peter'))];
    const gids = [];
    for (const by of [{ add }, other, olga, peter]) {
      gids.push(answered(await by.add({ name: 'Mine', idempotencyKey }), 'GroupAddPayload').group.gid);
    }
    expect(new Set(gids).size).toBe(4);
    const [gid = ''] = gids;
    answered(await set({ gid, name: 'Set', idempotencyKey }), 'GroupSetPayload');
    expect(answered(await edit({ gid, add: [{ addresses: ['x'] }], idempotencyKey }), 'GroupEditMembersPayload').added).toBe(1);
    answered(await del({ gid, idempotencyKey }), 'GroupDelPayload');
  });

  test('an actor is an address, whichever of its tokens it shows', async () => {
    const input = { name: 'Mine', idempotencyKey: newKey() };
    const first = answered(await operationsOf(await caller.user('nora')).add(input), 'GroupAddPayload');
    const again = answered(await operationsOf(await caller.user('nora')).add(input), 'GroupAddPayload');
    expect(again).toEqual(first);
  });
});

describe('only successes are kept', () => {
  test('a refused request leaves its key free', async () => {
    const { gid } = await make({ members: [{ addresses: ['reader'] }] });
    const idempotencyKey = newKey();
    const reader = operationsOf(await caller.user('reader', ['READ']));
    await writesNothing(db, viewer, async () => {
      answered(await edit({ gid: '1', idempotencyKey }), 'GroupNotFound');
      answered(await edit({ gid, remove: ['a,b'], idempotencyKey }), 'InvalidInput');
      answered(await edit({ gid, update: [{ addresses: ['nobody'] }], idempotencyKey }), 'NotAMember');
      answered(await edit({ gid, ifVersion: 99, idempotencyKey }), 'VersionConflict');
      answered(await reader.edit({ gid, remove: ['reader'], idempotencyKey }), 'NotAllowed');
    });
    expect(answered(await edit({ gid, add: [{ addresses: ['anna'] }], idempotencyKey }), 'GroupEditMembersPayload').added).toBe(
      1,
    );
  });
});

describe('when a key is looked up', () => {
  test('before ifVersion: a retry meets its first result, not its own effect', async () => {
    const { gid, version } = await make();
    const input = { gid, ifVersion: version, name: 'Once', idempotencyKey: newKey() };
    const first = answered(await set(input), 'GroupSetPayload');
    expect(await writesNothing(db, viewer, () => set(input))).toEqual(first);
    answered(await set({ ...input, idempotencyKey: newKey() }), 'VersionConflict');
  });

  test('before rights: who lost them since still gets the first answer', async () => {
    const { gid } = await make({ members: [{ addresses: ['olga'], admin: { modify: true } }] });
    const olga = operationsOf(await caller.user('olga'));
    const input = { gid, name: "Olga's", idempotencyKey: newKey() };
    const first = answered(await olga.set(input), 'GroupSetPayload');
    await edit({ gid, update: [{ addresses: ['olga'], admin: { modify: false } }] });
    const again = answered(await writesNothing(db, viewer, () => olga.set(input)), 'GroupSetPayload');
    expect(again).toMatchObject({ cursor: first.cursor, group: { version: first.group.version + 1 } });
  });

  test('after token and scope', async () => {
    const { gid } = await make({ members: [{ addresses: ['olga'], admin: { owner: true } }] });
    const input = { gid, name: 'Once', idempotencyKey: newKey() };
    answered(await operationsOf(await caller.user('olga')).set(input), 'GroupSetPayload');
    const reader = operationsOf(await caller.user('olga', ['READ']));
    expect(answered(await writesNothing(db, viewer, () => reader.set(input)), 'NotAllowed').right).toBe('WRITE');
    expect((await sendAs(gateway, 'Bearer nobody', GroupSetDocument, { input })).status).toBe(401);
  });

  test('a repetition after the group is gone: GroupNotFound', async () => {
    const made = { name: 'Brief', idempotencyKey: newKey() };
    const { gid } = answered(await add(made), 'GroupAddPayload').group;
    const named = { gid, name: 'Set', idempotencyKey: newKey() };
    const edited = { gid, add: [{ addresses: ['anna'] }], idempotencyKey: newKey() };
    answered(await set(named), 'GroupSetPayload');
    answered(await edit(edited), 'GroupEditMembersPayload');
    answered(await del({ gid }), 'GroupDelPayload');
    await writesNothing(db, viewer, async () => {
      for (const result of [await add(made), await set(named), await edit(edited)]) {
        expect(result).toMatchObject({ __typename: 'GroupNotFound', code: 'GROUP_NOT_FOUND', gid });
      }
    });
  });

  test('a repetition by a user who is no member any more: GroupNotFound', async () => {
    const olga = operationsOf(await caller.user('olga'));
    const input = { name: 'Left', idempotencyKey: newKey() };
    const { gid } = answered(await olga.add(input), 'GroupAddPayload').group;
    await edit({ gid, remove: ['olga'] });
    expect(await writesNothing(db, viewer, () => olga.add(input))).toMatchObject({ __typename: 'GroupNotFound', gid });
  });
});
