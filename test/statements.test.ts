import { expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupByGidDocument,
  GroupDelDocument,
  GroupEditMembersDocument,
  GroupSetDocument,
} from '../src/generated/operations.ts';
import { type Caller, callerOf, gatewayOn, openTestGateway } from './setup/gateway.ts';
import { interrupted } from './setup/interrupted.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
// Whole groups with all of their members are more fields than are allowed by default.
const gateway = await openTestGateway({ observe: recorder.observe, config: { maxFields: 10_000_000 } });
const app = await gateway.caller();

const addresses = (count: number) => Array.from({ length: count }, (_, index) => `member-${index}`);

/** Groups with members, a set and an entry for message type 7. */
async function addGroups(caller: Caller, count: number, members: number): Promise<string[]> {
  const gids: string[] = [];
  for (let index = 0; index < count; index++) {
    const { groupAdd } = await caller.call(GroupAddDocument, { input: { members: [{ addresses: addresses(members) }] } });
    if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(groupAdd.__typename);
    const { gid } = groupAdd.group;
    await caller.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
    await caller.call(GroupEditMembersDocument, { input: { gid, messageType: 7, add: [{ addresses: ['member-0'] }] } });
    gids.push(gid);
  }
  return gids;
}

const gids = await addGroups(app, 52, 21);

const LEVELS = '{ send recv pub sub list }';
const MEMBER = `id address permissions ${LEVELS} typed: permissions(messageType: 7) ${LEVELS}
  admin { owner admin modify } joinedAt updatedAt group { gid name }`;
const GROUP = `id gid name active state flags validity { startsAt expiresAt extension } permissions ${LEVELS}
  typed: permissions(messageType: 7) ${LEVELS} messageTypes storesMessages loopsBack membersMayLeave
  callSettings { flags resolution maxDuration } memberCount version cursor createdAt updatedAt`;
const PAGE = `query ($groups: Int, $members: Int, $after: String) { groups(first: $groups, after: $after) {
  edges { cursor node { ${GROUP} members(first: $members) {
    edges { cursor node { ${MEMBER} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;

interface Counted {
  groups: { edges: { node: { members: { edges: unknown[] } } }[] };
}
const counts = ({ groups: { edges } }: Counted) => edges.map(({ node }) => node.members.edges.length);

test('a page of 50 groups with 20 members each, their permissions, types and entries', async () => {
  const names = await recorder.during(async () => {
    const { data, errors } = await app.send<Counted>(PAGE, { groups: 50, members: 20 });
    expect(errors).toBeUndefined();
    expect(counts(data as Counted)).toEqual(Array(50).fill(20));
  });
  expect(names.toSorted()).toEqual(['entries_find_many', 'group_types_find', 'groups_gid_asc', 'members_page_address_asc_many']);
});

test('one group with 50 members', async () => {
  const query = `query ($gid: ID!) { group(gid: $gid) { ${GROUP} members(first: 50) {
    edges { cursor node { ${MEMBER} } } pageInfo { hasNextPage hasPreviousPage } } } }`;
  const names = await recorder.during(async () => {
    const { data, errors } = await app.send(query, { gid: gids[0] });
    expect(errors).toBeUndefined();
    expect(data?.group.members.edges).toHaveLength(21);
  });
  expect(names.toSorted()).toEqual(['entries_find_many', 'group_types_find', 'groups_find_one', 'members_page_address_asc']);
  const same = await recorder.during(() =>
    app.send(`query ($gid: ID!) { groupGetMembers(gid: $gid) { edges { node { ${MEMBER} } } } }`, { gid: gids[0] }),
  );
  expect(same.toSorted()).toEqual(['entries_find_many', 'groups_find_one', 'members_page_address_asc']);
});

test('the number of statements does not grow with the page', async () => {
  for (const [groups, members] of [
    [2, 1],
    [2, 21],
    [52, 1],
    [52, 21],
  ] as const) {
    const names = await recorder.during(async () => {
      const { data } = await app.send<Counted>(PAGE, { groups, members });
      expect(counts(data as Counted)).toEqual(Array(groups).fill(members));
    });
    expect(names).toHaveLength(4);
  }
});

test('what lies around a page costs a statement only where the page does not tell it', async () => {
  const { data } = await app.send('{ groups(first: 10) { pageInfo { endCursor } } }');
  const after = data?.groups.pageInfo.endCursor;
  const ask = (args: string, fields: string) =>
    recorder.during(async () => {
      const { errors } = await app.send(`query ($c: String) { groups(${args}) { edges { cursor } pageInfo { ${fields} } } }`, {
        c: after,
      });
      expect(errors).toBeUndefined();
    });
  expect(await ask('first: 10, after: $c', 'startCursor endCursor')).toEqual(['groups_gid_asc_to']);
  expect(await ask('first: 10, after: $c', 'hasNextPage')).toEqual(['groups_gid_asc_to']);
  expect(await ask('first: 10, after: $c', 'hasPreviousPage')).toEqual(['groups_gid_asc_to', 'groups_gid_asc_upeq']);
  expect(await ask('last: 3, before: $c', 'hasPreviousPage')).toEqual(['groups_gid_asc_up_last']);
  expect(await ask('last: 3, before: $c', 'hasNextPage')).toEqual(['groups_gid_asc_up_last', 'groups_gid_asc_toeq']);
});

test('no statement reads more than 5,000 rows: more pages take more statements', async () => {
  const from = recorder.statements.length;
  const { data, errors } = await app.send<Counted>(PAGE, { groups: 52, members: 999 });
  expect(errors).toBeUndefined();
  expect(counts(data as Counted)).toEqual(Array(52).fill(21));
  const pages = recorder.statements.slice(from).filter(({ name }) => name.startsWith('members_page'));
  const lengths = pages.map(({ values }) => (values[1] as number[]).length);
  expect(lengths.toSorted((a, b) => b - a)).toEqual([...Array(10).fill(5), 2]);
});

test('a group that is deleted while its page is read is in it, with its members', async () => {
  const [gid = ''] = await addGroups(app, 1, 2);
  const other = gatewayOn(interrupted(gateway.db, 'groups_gid_desc', () => app.call(GroupDelDocument, { input: { gid } })));
  const { data, errors } = await callerOf(other, gateway.db, app).send(
    '{ groups(first: 2, orderBy: { field: GID, direction: DESC }) { edges { node { gid members { edges { node { group { gid } } } } } } } }',
  );
  expect(errors).toBeUndefined();
  expect(data?.groups.edges[0].node).toEqual({ gid, members: { edges: Array(2).fill({ node: { group: { gid } } }) } });
});

test('many members and nodes of one operation are read at once', async () => {
  const [gid] = gids;
  const members = Array.from({ length: 20 }, (_, index) => `m${index}: member(address: "member-${index}") { ${MEMBER} }`);
  const names = await recorder.during(() => app.send(`query ($gid: ID!) { group(gid: $gid) { ${members.join(' ')} } }`, { gid }));
  expect(names).toEqual(['groups_find_one', 'member_find_many', 'entries_find_many']);
  const ids = gids
    .flatMap((group) => [`Group:${group}`, `Member:${group}:member-1`])
    .map((id) => Buffer.from(id).toString('base64'));
  const nodes = await recorder.during(async () => {
    const { data } = await app.send('query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Member { group { gid } } } }', { ids });
    expect(data?.nodes.map((node: { id: string }) => node.id)).toEqual(ids);
  });
  expect(nodes).toEqual(['groups_find_many', 'member_find_many']);
});

test('groupEditMembers: lock, state, members, each kind of change, records', async () => {
  const [gid = ''] = await addGroups(app, 1, 3);
  const edit = (input: object) =>
    recorder.during(async () => {
      const { groupEditMembers } = await app.call(GroupEditMembersDocument, { input: { gid, ...input } });
      expect(groupEditMembers.__typename).toBe('GroupEditMembersPayload');
    });
  // GroupFields asks for messageTypes.
  const [begin, end] = [
    ['group_lock', 'group_read_locked', 'members_find'],
    ['changes_append', 'group_types_find'],
  ];
  expect(await edit({ add: [{ addresses: ['new'] }] })).toEqual([...begin, 'members_add', ...end]);
  expect(await edit({ add: [{ addresses: addresses(900) }] })).toEqual([...begin, 'members_add', ...end]);
  const permissions = { send: false };
  expect(await edit({ update: [{ addresses: ['new'], permissions }] })).toEqual([...begin, 'members_update', ...end]);
  expect(await edit({ remove: ['new'] })).toEqual([...begin, 'members_remove', ...end]);
  const all = { add: [{ addresses: ['newer'] }], update: [{ addresses: ['member-1'], permissions }], remove: ['member-2'] };
  expect(await edit(all)).toEqual([...begin, 'members_remove', 'members_add', 'members_update', ...end]);
  expect(await edit({ add: [{ addresses: ['newer'] }] })).toEqual([...begin, 'group_types_find']);
});

test('groupSet: lock, state, types, update, record', async () => {
  const [gid = ''] = gids;
  const set = (input: object) =>
    recorder.during(async () => {
      const { groupSet } = await app.call(GroupSetDocument, { input: { gid, ...input } });
      expect(groupSet.__typename).toBe('GroupSetPayload');
    });
  const begin = ['group_lock', 'group_read_locked', 'group_types_find'];
  const end = ['changes_append', 'group_types_find'];
  expect(await set({ name: 'named' })).toEqual([...begin, 'group_update', ...end]);
  expect(await set({ name: 'named' })).toEqual([...begin, 'group_types_find']);
  const typed = { messageType: 7, permissions: { recv: 'SELECTED' } };
  expect(await set(typed)).toEqual([...begin, 'group_update', 'group_type_put', ...end]);
});

test('a read of a group that was just read is not asked again in one operation', async () => {
  const names = await recorder.during(async () => {
    const { data } = await app.send(
      'query ($gid: ID!) { a: group(gid: $gid) { gid } b: group(gid: $gid) { gid messageTypes } c: groupGetMembers(gid: $gid, first: 1) { edges { cursor } } }',
      { gid: gids[0] },
    );
    expect([data?.a.gid, data?.b.gid, data?.c.edges.length]).toEqual([gids[0], gids[0], 1]);
  });
  expect(names.toSorted()).toEqual(['group_types_find', 'groups_find_one', 'members_page_address_asc']);
  const again = await recorder.during(() => app.call(GroupByGidDocument, { gid: gids[0] ?? '' }));
  expect(again).toEqual(['groups_find_one', 'group_types_find']);
});
