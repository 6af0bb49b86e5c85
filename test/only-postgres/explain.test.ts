import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { GroupAddDocument, GroupsDocument, type GroupsQueryVariables, MembersDocument } from '../../src/generated/operations.ts';
import { GROUP_ORDER_FIELDS, type GroupOrderField } from '../../src/groups/read/groups.ts';
import { MEMBER_ORDER_FIELDS, type MemberOrderField } from '../../src/groups/read/members.ts';
import { sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { type RecordedStatement, StatementRecorder } from '../setup/recorder.ts';
import { addGroup, editMembers } from '../watching/setup.ts';

const recorder = new StatementRecorder();
// One connection, so that its prepared statements can be asked for the plans that they have come to.
const gateway = await openTestGateway({ observe: recorder.observe, poolSize: 1 });
const { db } = gateway;
const app = await gateway.caller();
const large = await fill();
const [{ trigrams } = { trigrams: false }] = await sql<{ trigrams: boolean }>(
  db,
  `select exists (select from pg_extension where extname = 'pg_trgm') as trigrams`,
);

/** Copies of two groups of two apps, 8,000 in all, with a few members each; one of them has 30,000. Gives its gid. */
async function fill(): Promise<string> {
  const other = await gateway.caller();
  let gid = '';
  for (const caller of [app, other]) {
    const input = { members: [{ addresses: ['first'], admin: { admin: true } }] };
    const { groupAdd } = await caller.call(GroupAddDocument, { input });
    if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
    gid ||= groupAdd.group.gid;
    const { gid: first } = groupAdd.group;
    await sql(
      db,
      `insert into groups select c.* from groups g, generate_series(1, 4000) i,
          lateral (select case when i % 10 > 0 then md5(i::text) end as name) n,
          jsonb_populate_record(g, jsonb_build_object('gid', nextval('groups_gid_seq'), 'name', n.name, 'name_folded', n.name,
            'member_count', i % 1000, 'created_at', g.created_at - i * interval '7 s',
            'updated_at', g.updated_at - i * 7919 % 8000 * interval '1 s')) c where g.gid = $1`,
      [first],
    );
    await sql(
      db,
      `insert into members select c.* from members m, groups g, generate_series(1, 5) i,
          jsonb_populate_record(m, jsonb_build_object('gid', g.gid, 'rights', 0, 'join_number', i, 'address',
            case when i = 1 and g.gid % 100 = 0 then 'anna' else 'm' || md5((g.gid * 7 + i)::text) end)) c
        where m.gid = $1 and g.app_id = m.app_id and g.gid <> m.gid`,
      [first],
    );
  }
  await sql(
    db,
    `insert into members select c.* from members m, generate_series(1, 30000) i,
        jsonb_populate_record(m, jsonb_build_object('address', 'm' || md5(i::text), 'join_number', i + 1,
          'rights', case when i % 1000 = 0 then 4 else 0 end)) c where m.gid = $1`,
    [gid],
  );
  await sql(db, 'vacuum analyze'); // as autovacuum does; it empties the trigram index's list of what is new, too
  return gid;
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Plans?: PlanNode[];
}
type PlanRow = { 'QUERY PLAN': [{ Plan: PlanNode }] };

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

function literal(value: unknown): string {
  if (Array.isArray(value)) return `array[${value.map(literal).join(', ')}]`;
  if (value instanceof Date) return `'${value.toISOString()}'`;
  return typeof value === 'string' ? pg.escapeLiteral(value) : String(value);
}

/**
 * The plans of the statement of that name that ran last: the one for its values, and the one that the connection uses by now
 * for the prepared statement, which may be generic, unless it keeps none.
 */
async function plansOf(name: string): Promise<PlanNode[][]> {
  const found = recorder.statements.findLast((statement) => statement.name === name);
  if (!found)
    throw new Error(`${name} did not run, only ${[...new Set(recorder.statements.map((each) => each.name))].join(', ')}`);
  const { text, values, planEachTime }: RecordedStatement = found;
  const execute = `execute "${name}"${values.length > 0 ? `(${values.map(literal).join(', ')})` : ''}`;
  const rows = await sql<PlanRow>(db, `explain (format json) ${text}`, values);
  const prepared = await sql(db, 'select from pg_prepared_statements where name = $1', [name]);
  expect(prepared, name).toHaveLength(planEachTime ? 0 : 1);
  if (!planEachTime) rows.push(...(await sql<PlanRow>(db, `explain (format json) ${execute}`)));
  return rows.map((row) => nodesOf(row['QUERY PLAN'][0].Plan));
}

/** The plans use the index (or one of several that are as good), scan no table of groups or members, and sort nothing. */
async function expectIndex(name: string, index: string | string[], sorting = false): Promise<void> {
  const plans = await plansOf(name);
  for (const nodes of plans) {
    const types = nodes.map((node) => node['Node Type']);
    expect(types, name).not.toContain('Seq Scan');
    if (!sorting)
      expect(
        types.filter((type) => /Sort/.test(type)),
        name,
      ).toEqual([]);
    const indexes = nodes.map((node) => node['Index Name'] ?? '');
    expect([index].flat().some((each) => indexes.includes(each)) || indexes, name).toBe(true);
  }
}

/** More often than it takes PostgreSQL to think of a generic plan. */
async function often(run: () => Promise<unknown>): Promise<void> {
  for (let time = 0; time < 8; time++) await run();
}

const GROUP_INDEX: Record<GroupOrderField, string> = {
  GID: 'groups_pkey',
  NAME: 'groups_by_name',
  CREATED_AT: 'groups_by_created_at',
  UPDATED_AT: 'groups_by_updated_at',
  MEMBER_COUNT: 'groups_by_member_count',
};
const MEMBER_INDEX: Record<MemberOrderField, string> = {
  ADDRESS: 'members_pkey',
  JOINED_AT: 'members_app_id_gid_join_number_key',
};
/** Both have app, group and address; for some addresses they are as good. */
const BY_ADDRESS = ['members_pkey', 'members_app_id_address_gid_idx'];
const DIRECTIONS = ['ASC', 'DESC'] as const;

describe.each(GROUP_ORDER_FIELDS)('groups by %s', (field) => {
  test.each(DIRECTIONS)('%s: every page and what lies around it', async (direction) => {
    const orderBy = { field, direction };
    const page = async (args: GroupsQueryVariables) => (await app.call(GroupsDocument, { ...args, orderBy })).groups;
    const { pageInfo } = await page({ first: 1000 });
    const name = `groups_${field}_${direction}`.toLowerCase();
    const { endCursor } = pageInfo;
    await often(async () => {
      expect((await page({})).edges).toHaveLength(50);
      expect((await page({ last: 50 })).edges).toHaveLength(50);
      expect((await page({ first: 20, after: endCursor })).pageInfo.hasPreviousPage).toBe(true);
      expect((await page({ last: 20, before: endCursor })).pageInfo.hasNextPage).toBe(true);
    });
    for (const form of ['', '_last', '_to', '_up_last', '_upeq', '_toeq'])
      await expectIndex(`${name}${form}`, GROUP_INDEX[field]);
  });
});

describe.each(MEMBER_ORDER_FIELDS)('members by %s', (field) => {
  test.each(DIRECTIONS)('%s: every page and what lies around it', async (direction) => {
    const orderBy = { field, direction };
    const page = async (args: object) => (await app.call(MembersDocument, { gid: large, ...args, orderBy })).groupGetMembers;
    const endCursor = (await page({ first: 1000 }))?.pageInfo.endCursor;
    const name = `members_page_${field}_${direction}`.toLowerCase();
    await often(async () => {
      expect((await page({}))?.edges).toHaveLength(50);
      expect((await page({ last: 50 }))?.edges).toHaveLength(50);
      expect((await page({ first: 20, after: endCursor }))?.pageInfo.hasPreviousPage).toBe(true);
      expect((await page({ last: 20, before: endCursor }))?.pageInfo.hasNextPage).toBe(true);
    });
    for (const form of ['', '_last', '_to', '_up_last', '_upeq', '_toeq'])
      await expectIndex(`${name}${form}`, MEMBER_INDEX[field]);
  });
});

test('the members with rights, and those of a beginning, by address', async () => {
  const find = async (filter: object) => (await app.call(MembersDocument, { gid: large, filter })).groupGetMembers?.edges.length;
  await often(async () => {
    expect(await find({ admin: true })).toBe(31);
    expect(await find({ addressStartsWith: 'm00' })).toBeGreaterThan(10);
    expect(await find({ addresses: ['first', 'nobody'] })).toBe(1);
  });
  await expectIndex('members_page_address_asc_admin', 'members_with_rights');
  await expectIndex('members_page_address_asc_from_until', BY_ADDRESS);
  await expectIndex('members_page_address_asc_among', BY_ADDRESS, true);
});

test('the first members of many groups at once', async () => {
  await often(async () => {
    const { data } = await app.send('{ groups { edges { node { members(first: 2) { edges { cursor } } } } } }');
    expect(data?.groups.edges).toHaveLength(50);
  });
  await expectIndex('members_page_address_asc_many', 'members_pkey', true);
});

test('the groups of an address, for itself and for an application', async () => {
  const anna = await app.user('anna');
  await often(async () => {
    expect((await anna.call(GroupsDocument, {})).groups.edges).toHaveLength(40);
    expect((await app.call(GroupsDocument, { filter: { member: 'anna' } })).groups.edges).toHaveLength(40);
  });
  await expectIndex('groups_gid_asc_user', 'members_app_id_address_gid_idx', true);
  await expectIndex('groups_gid_asc_member', 'members_app_id_address_gid_idx', true);
});

test('users, and the groups and tokens of many at once', async () => {
  await sql(
    db,
    `with known as (insert into users (app_id, address)
        select m.app_id, m.address from members m where m.gid <> $1 and m.gid % 10 = 0 group by m.app_id, m.address returning app_id, address)
      insert into tokens (app_id, hash, address, scopes)
        select app_id, sha256(convert_to(app_id || address || i, 'UTF8')), address, 1 from known, generate_series(1, 2) i`,
    [Number(large)],
  );
  await sql(db, 'vacuum analyze users, tokens');
  const below = 'address active groups(first: 5) { edges { cursor } } tokens(first: 2) { edges { cursor } }';
  await often(async () => {
    const { data } = await app.send(
      `{ users { edges { node { ${below} } } } from: users(filter: { addressStartsWith: "m00" }) { edges { cursor } } }`,
    );
    expect(data?.users.edges).toHaveLength(50);
    expect(data?.from.edges.length).toBeGreaterThan(3);
    for (const { node } of data?.users.edges ?? []) {
      expect(node.active).toBe(true);
      expect(node.groups.edges.length).toBeGreaterThan(0);
      expect(node.tokens.edges).toHaveLength(2);
    }
    const one = await app.send(`{ user(address: "anna") { ${below} } }`);
    expect(one.data?.user.groups.edges).toHaveLength(5);
    for (const addr of ['m00*', 'anna']) {
      const body = JSON.stringify({ op: 'usersget', token: app.token, addr });
      const answer = await gateway.fetch(new Request('http://gateway/backend', { method: 'POST', body }));
      expect(await answer.json()).toMatchObject({ result: true, userscount: addr === 'anna' ? 1 : expect.any(Number) });
    }
  });
  await expectIndex('users_page', 'users_app_id_address_key');
  await expectIndex('users_page_from_until', 'users_app_id_address_key', true);
  await expectIndex('users_page_address', 'users_app_id_address_key');
  await expectIndex('users_count_from_until', 'users_app_id_address_key', true);
  await expectIndex('users_find', 'users_app_id_address_key', true);
  await expectIndex('groups_gid_asc_of', 'members_app_id_address_gid_idx', true);
  await expectIndex('groups_gid_asc_of_many', 'members_app_id_address_gid_idx', true);
  await expectIndex('tokens_page_many', 'tokens_app_id_address_idx', true);
});

test('one group, one member, several of them', async () => {
  const anna = await app.user('anna');
  const { groups } = await anna.call(GroupsDocument, { first: 3 });
  const gids = groups.edges.map(({ node }) => node.gid);
  const ids = gids.flatMap((gid) => [`Group:${gid}`, `Member:${gid}:anna`]).map((id) => Buffer.from(id).toString('base64'));
  await often(async () => {
    for (const caller of [app, anna]) {
      const one = await caller.send('query ($gid: ID!) { group(gid: $gid) { member(address: "anna") { address } } }', {
        gid: gids[0],
      });
      expect(one.data?.group.member).toEqual({ address: 'anna' });
      const { data } = await caller.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
      expect(data?.nodes).toEqual(ids.map((id) => ({ id })));
    }
  });
  for (const name of ['groups_find_one', 'groups_find_many', 'groups_find_user_one', 'groups_find_user_many']) {
    await expectIndex(name, 'groups_pkey', true);
  }
  await expectIndex('member_find_one', BY_ADDRESS);
  await expectIndex('member_find_many', BY_ADDRESS, true);
});

test.runIf(trigrams)('a part of a name by its trigrams', async () => {
  const [one] = await sql<{ name: string }>(db, 'select name from groups where name is not null limit 1');
  const filter = { nameContains: one?.name.slice(5, 15).toUpperCase() };
  await often(async () => {
    const { groups } = await app.call(GroupsDocument, { filter });
    expect(groups.edges.map(({ node }) => node.name)).toEqual([one?.name]);
  });
  await expectIndex('groups_gid_asc_name', 'groups_by_name_part', true);
});

test('many who are changed or removed after a few are joined by hash, not each with every other', async () => {
  const everyone = Array.from({ length: 2_000 }, (_, index) => `x${index}`);
  const { gid } = await addGroup(app, { members: [{ addresses: everyone }] });
  const change = (addresses: string[], send: boolean) =>
    editMembers(app, { gid, update: [{ addresses, permissions: { send } }] });
  const few = everyone.splice(0, 8);
  for (const address of few) await change([address], false);
  for (const address of few) await editMembers(app, { gid, remove: [address] });
  await change(everyone, false);
  await editMembers(app, { gid, remove: everyone });
  for (const name of ['members_update', 'members_remove']) {
    const found = recorder.statements.findLast((statement) => statement.name === name);
    expect([name, found?.planEachTime]).toEqual([name, true]);
    const [row] = await sql<PlanRow>(db, `explain (format json) ${found?.text}`, found?.values);
    const types = nodesOf(row?.['QUERY PLAN'][0].Plan as PlanNode).map((node) => node['Node Type']);
    expect(types).toContain('Hash Join');
    expect(types).not.toContain('Nested Loop');
  }
});

test('this sees a scan of a table, and a sort', async () => {
  const text = 'select gid from groups where flags = 0 order by flags, name_folded limit 5';
  recorder.observe({ name: 'scanning', text, parameters: [], columns: {} }, []);
  await sql(db, `prepare scanning as ${text}`);
  for (const nodes of await plansOf('scanning')) {
    expect(nodes.map((node) => node['Node Type'])).toEqual(expect.arrayContaining(['Seq Scan', 'Sort']));
  }
  await expect(expectIndex('scanning', 'groups_pkey')).rejects.toThrow();
});
