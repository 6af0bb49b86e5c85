import { describe, expect, test } from 'vitest';
import { pruneOutcomes } from '../src/groups/write/idempotency.ts';
import { databaseKind, sql } from './setup/database.ts';
import { callerOf, gatewayOn, openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { changesOf, rowsOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { viewer } = caller;
const { add, set, del, edit, make } = operationsOf(caller);

let keys = 0;
/** A key that no other test uses. */
const newKey = () => `key ${++keys}`;

describe('at once', () => {
  // On PostgreSQL half of the requests go to another gateway; PGlite has only one.
  const another = databaseKind === 'postgres' ? { ...db, ...db.openAnother() } : undefined;
  const elsewhere = another ? operationsOf(callerOf(gatewayOn(another), another, caller)) : operationsOf(caller);
  const here = operationsOf(caller);
  const sides = [here, elsewhere, here, elsewhere, here, elsewhere];

  test('groupAdd under one key makes one group', async () => {
    const input = { name: 'Race', members: [{ addresses: ['anna'] }], idempotencyKey: newKey() };
    const before = (await rowsOf(db, viewer.appId)).groups.length;
    const [first, ...others] = await Promise.all(sides.map((side) => side.add(input)));
    expect(first).toMatchObject({ __typename: 'GroupAddPayload', group: { memberCount: 1 } });
    for (const other of others) expect(other).toEqual(first);
    expect((await rowsOf(db, viewer.appId)).groups).toHaveLength(before + 1);
  });

  test('groupSet, groupEditMembers and groupDel take effect once', async () => {
    const { gid } = await make();
    const [named, edited, deleted] = [
      { gid, name: 'Race', idempotencyKey: newKey() },
      { gid, add: [{ addresses: ['anna'] }], idempotencyKey: newKey() },
      { gid, idempotencyKey: newKey() },
    ];
    for (const result of await Promise.all(sides.map((side) => side.set(named)))) answered(result, 'GroupSetPayload');
    for (const result of await Promise.all(sides.map((side) => side.edit(edited)))) {
      expect(answered(result, 'GroupEditMembersPayload')).toMatchObject({ added: 1, unchanged: 0 });
    }
    for (const result of await Promise.all(sides.map((side) => side.del(deleted)))) answered(result, 'GroupDelPayload');
    const kinds = (await changesOf(db, gid)).map(({ kind }) => kind);
    expect(kinds).toEqual(['GROUP_ADDED', 'GROUP_UPDATED', 'MEMBERS_ADDED', 'GROUP_DELETED']);
  });

  test('of different inputs one succeeds, the others conflict', async () => {
    const { gid } = await make();
    const idempotencyKey = newKey();
    const results = await Promise.all(sides.map((side, index) => side.set({ gid, name: `Race ${index}`, idempotencyKey })));
    expect(results.map(({ __typename }) => __typename).sort()).toEqual([
      'GroupSetPayload',
      ...Array(5).fill('IdempotencyConflict'),
    ]);
    expect(await changesOf(db, gid, 1)).toHaveLength(1);
  });

  test('one that fails lets the other run', async () => {
    for (let round = 0; round < 5; round++) {
      const { gid } = await make();
      const idempotencyKey = newKey();
      const [failed, done] = await Promise.all([
        here.set({ gid, name: 'No', ifVersion: 99, idempotencyKey }),
        elsewhere.set({ gid, name: 'Yes', idempotencyKey }),
      ]);
      expect(['VersionConflict', 'IdempotencyConflict']).toContain(failed.__typename);
      expect(answered(done, 'GroupSetPayload').group.name).toBe('Yes');
    }
  });
});

test.each<[string, string, boolean]>([
  ['one character', 'k', true],
  ['255 characters', 'k'.repeat(255), true],
  ['spaces', '   ', true],
  ['all of printable ASCII', String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index)), true],
  ['nothing', '', false],
  ['256 characters', 'k'.repeat(256), false],
  ['a letter beyond ASCII', 'schlüssel', false],
  ['an emoji', '\u{1f511}', false],
  ['a line feed at the end', 'key\n', false],
  ['a tab', 'a\tb', false],
  ['delete', 'a\u007f', false],
  ['a null character', 'a\0', false],
])('a key of %s', async (_, idempotencyKey, valid) => {
  const { gid } = await make();
  const operations = [
    () => add({ idempotencyKey }),
    () => set({ gid, idempotencyKey }),
    () => edit({ gid, idempotencyKey }),
    () => del({ gid, idempotencyKey }),
  ];
  if (valid) {
    const types = [];
    for (const operation of operations) types.push((await operation()).__typename);
    expect(types).toEqual(['GroupAddPayload', 'GroupSetPayload', 'GroupEditMembersPayload', 'GroupDelPayload']);
  } else {
    const results = await writesNothing(db, viewer, () => Promise.all(operations.map((operation) => operation())));
    expect(results.map(issuePaths)).toEqual(Array(4).fill(['input.idempotencyKey']));
  }
});

describe('after 24 hours', () => {
  const age = async (key: string, interval: string) => {
    const text = 'update idempotency_keys set created_at = clock_timestamp() - $1::interval where key = $2';
    await sql(db, text, [interval, key]);
  };

  test('a key is free again, and not before', async () => {
    const input = { name: 'Daily', idempotencyKey: newKey() };
    const first = answered(await add(input), 'GroupAddPayload');
    await age(input.idempotencyKey, '23 hours 59 minutes');
    expect(answered(await add(input), 'GroupAddPayload').group.gid).toBe(first.group.gid);
    await age(input.idempotencyKey, '24 hours 1 second');
    const second = answered(await add({ ...input, name: 'Next day' }), 'GroupAddPayload');
    expect(second.group.gid).not.toBe(first.group.gid);
    answered(await add(input), 'IdempotencyConflict');
  });

  test('all that are older are pruned, 1,000 a statement, and no younger one', async () => {
    const [old, young] = [newKey(), newKey()];
    await add({ idempotencyKey: old });
    await add({ idempotencyKey: young });
    await age(young, '23 hours 59 minutes');
    await age(old, '25 hours');
    const text = `insert into idempotency_keys (app_id, operation, actor, key, hash, gid, version, mark, created_at)
      select app_id, operation, actor, key || n, hash, gid, version, mark, created_at - interval '1 second'
      from idempotency_keys, generate_series(1, 1200) n where key = $1`;
    await sql(db, text, [old]);
    expect([await pruneOutcomes(db), await pruneOutcomes(db)]).toEqual([1_201, 0]);
    const left = (await rowsOf(db, viewer.appId)).idempotency_keys.map((row) => row['key']);
    expect(left).toContain(young);
    expect(left).not.toContain(old);
  });
});
