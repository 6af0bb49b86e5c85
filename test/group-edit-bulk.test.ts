import { expect, test } from 'vitest';
import { databaseKind, sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, issuePaths, operationsOf } from './setup/operations.ts';
import { changesOf, writesNothing } from './setup/rows.ts';

// The limits of time are other tests' business.
const gateway = await openTestGateway({ statementTimeout: 120_000, transactionTimeout: 240_000 });
const { db } = gateway;
const caller = await gateway.caller();
const { make, edit, read } = operationsOf(caller);

const MAX = 100_000;
// On PGlite to add takes as many, to change and to remove goes by the same slices and records.
const CHANGED = databaseKind === 'postgres' ? MAX : 20_000;
const RECORDS = CHANGED / 1_000;
const LONG = 280_000; // milliseconds
const names = (count: number, prefix = 'u') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

async function countOf(table: 'members' | 'former_members', gid: string): Promise<number | undefined> {
  const text = `select count(*)::int as count from ${table} where gid = $1`;
  return (await sql<{ count: number }>(db, text, [gid]))[0]?.count;
}

/** How many of the rows bear another version than the record that names them. */
async function misplaced(gid: string, table: 'members' | 'former_members'): Promise<number | undefined> {
  const [version, named] =
    table === 'members'
      ? ['joined_version', "jsonb_array_elements(data->'members')->>0"]
      : ['left_version', "jsonb_array_elements_text(data->'addresses')"];
  const kind = table === 'members' ? 6 : 8;
  const text = `with named as (select version, ${named} as address from changes where gid = $1 and kind = ${kind})
    select count(*)::int as count from ${table} m
    where m.gid = $1 and not exists (select from named n where n.address = m.address and n.version = m.${version})`;
  return (await sql<{ count: number }>(db, text, [gid]))[0]?.count;
}

test(
  `${MAX} members are added, ${CHANGED} changed and removed in one request each, 1,000 a record`,
  async () => {
    // In an app of its own: the other tests compare every row of theirs.
    const { make, edit } = operationsOf(await gateway.caller());
    const { gid } = await make();
    const addresses = names(MAX);

    const added = answered(await edit({ gid, add: [{ addresses }] }), 'GroupEditMembersPayload');
    expect(added).toMatchObject({ added: MAX, group: { memberCount: MAX, version: 101, cursor: added.cursor } });
    const additions = await changesOf(db, gid, 1);
    expect(additions.map(({ version, kind, memberCount, data }) => [version, kind, memberCount, data.members.length])).toEqual(
      Array.from({ length: 100 }, (_, index) => [index + 2, 'MEMBERS_ADDED', (index + 1) * 1_000, 1_000]),
    );
    expect(additions.flatMap(({ data }) => data.members.map(([address]: [string]) => address))).toEqual(addresses);
    expect(await countOf('members', gid)).toBe(MAX);
    expect(await misplaced(gid, 'members')).toBe(0);

    const some = addresses.slice(0, CHANGED);
    const update = [{ addresses: some, permissions: { send: false } }];
    const updated = answered(await edit({ gid, update }), 'GroupEditMembersPayload');
    expect(updated).toMatchObject({ updated: CHANGED, group: { memberCount: MAX, version: 101 + RECORDS } });

    const removed = answered(await edit({ gid, remove: some }), 'GroupEditMembersPayload');
    const left = MAX - CHANGED;
    expect(removed).toMatchObject({ removed: CHANGED, group: { memberCount: left, version: 101 + 2 * RECORDS } });
    const removals = await changesOf(db, gid, 101 + RECORDS);
    expect(removals.map(({ kind, memberCount }) => [kind, memberCount])).toEqual(
      Array.from({ length: RECORDS }, (_, index) => ['MEMBERS_REMOVED', MAX - (index + 1) * 1_000]),
    );
    expect(removals.flatMap(({ data }) => data.addresses)).toEqual(some);
    expect(await countOf('members', gid)).toBe(left);
    expect(await countOf('former_members', gid)).toBe(CHANGED);
    expect(await misplaced(gid, 'former_members')).toBe(0);
  },
  LONG,
);

test(
  'all or nothing: an invalid one, one that is no member, behind 99,999 others',
  async () => {
    const { gid } = await make({ members: [{ addresses: ['anna'] }] });
    const many = names(MAX - 1);
    const invalid = await writesNothing(db, caller.viewer, () => edit({ gid, add: [{ addresses: [...many, 'a,b'] }] }));
    expect(issuePaths(invalid)).toEqual([`input.add.0.addresses.${MAX - 1}`]);
    const missing = await writesNothing(db, caller.viewer, () =>
      edit({ gid, add: [{ addresses: many }], update: [{ addresses: ['nobody'] }] }),
    );
    expect(answered(missing, 'NotAMember').addresses).toEqual(['nobody']);
    expect(await read(gid)).toMatchObject({ memberCount: 1, version: 2 });
  },
  LONG,
);

test(
  'all or nothing: a failure of the database after thousands were written',
  async () => {
    const { gid } = await make();
    // The last of the additions breaks a constraint that nobody checks before.
    await sql(db, "alter table members add constraint bulk_guard check (address <> 'forbidden')");
    const addresses = [...names(12_000), 'forbidden'];
    const query = `mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { __typename } }`;
    const answer = await writesNothing(db, caller.viewer, () => caller.send(query, { input: { gid, add: [{ addresses }] } }));
    await sql(db, 'alter table members drop constraint bulk_guard');
    expect(answer.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(JSON.stringify(answer)).not.toContain('bulk_guard');
    expect(await read(gid)).toMatchObject({ memberCount: 0, version: 1 });
  },
  LONG,
);

test('100,001 addresses in all lists together are refused', async () => {
  const { gid } = await make({ members: [{ addresses: ['anna'] }] });
  const input = {
    gid,
    add: [{ addresses: names(50_000) }],
    update: [{ addresses: names(50_000, 'v') }],
    remove: ['anna'],
  };
  const result = answered(await writesNothing(db, caller.viewer, () => edit(input)), 'InvalidInput');
  expect(result.issues).toHaveLength(1);
  expect(result.issues[0]?.message).toMatch(/100001.*100000/);
  expect(answered(await edit({ gid, remove: [...names(99_999), 'anna'] }), 'GroupEditMembersPayload').removed).toBe(1);
});
