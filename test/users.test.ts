/** What users may do beside the table of rights.test.ts: making groups, leaving, the last owner, what they see. */
import { describe, expect, test } from 'vitest';
import {
  GroupAddDocument,
  type GroupAddInput,
  GroupByGidDocument,
  GroupDelDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
  GroupsDocument,
  type MembersInput,
} from '../src/generated/operations.ts';
import { sql } from './setup/database.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';
import { groupState } from './setup/group-state.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const { db } = gateway;
const app = await gateway.caller();
const [anna, bert, carl] = [await app.user('anna'), await app.user('bert'), await app.user('carl')] as const;
const OWNER = { owner: true };

async function addGroup(caller: Caller, input: GroupAddInput | MembersInput[] = {}): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input: Array.isArray(input) ? { members: input } : input });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return groupAdd.group.gid;
}
const edit = async (caller: Caller, input: GroupEditMembersInput) =>
  (await caller.call(GroupEditMembersDocument, { input })).groupEditMembers;
const names = async (run: () => Promise<unknown>) => (await recorder.during(run)).join(' ');

interface Row {
  address: string;
  permissions: number;
  rights: number;
  place: number;
}
const membersOf = (gid: string) =>
  sql<Row>(db, 'select address, permissions, rights, join_number as place from members where gid = $1 order by join_number', [
    Number(gid),
  ]);
const recordsOf = (gid: string) =>
  sql<{ kind: number; actor: string | null; count: number }>(
    db,
    'select kind, actor, member_count as count from changes where gid = $1 order by version',
    [Number(gid)],
  );
const ALL = 511;

describe('the user who makes a group', () => {
  test('is its first member and owner, in one record with the others', async () => {
    const gid = await addGroup(anna, [{ addresses: ['bert'], admin: { admin: true } }, { addresses: ['carl'] }]);
    expect(await membersOf(gid)).toEqual([
      { address: 'anna', permissions: 31, rights: ALL, place: 1 },
      { address: 'bert', permissions: 31, rights: 0b011110110, place: 2 },
      { address: 'carl', permissions: 31, rights: 0, place: 3 },
    ]);
    expect(await recordsOf(gid)).toEqual([
      { kind: 1, actor: 'anna', count: 0 },
      { kind: 6, actor: 'anna', count: 3 },
    ]);
  });

  test('is so without any members, and is there for its payload', async () => {
    const { data } = await anna.send(`mutation { groupAdd(input: {}) { ... on GroupAddPayload { group {
      memberCount version viewerMember { address admin { owner } } members { edges { node { address } } } } } } }`);
    const viewerMember = { address: 'anna', admin: { owner: true } };
    const members = { edges: [{ node: { address: 'anna' } }] };
    expect(data?.groupAdd.group).toEqual({ memberCount: 1, version: 2, viewerMember, members });
  });

  test('may give its own permissions, in the midst of others', async () => {
    const gid = await addGroup(anna, [
      { addresses: ['bert', 'anna', 'carl'], permissions: { send: false } },
      { addresses: ['dora'] },
    ]);
    expect(await membersOf(gid)).toEqual([
      { address: 'anna', permissions: 30, rights: ALL, place: 1 },
      { address: 'bert', permissions: 30, rights: 0, place: 2 },
      { address: 'carl', permissions: 30, rights: 0, place: 3 },
      { address: 'dora', permissions: 31, rights: 0, place: 4 },
    ]);
  });

  test.each([{ owner: true }, { owner: false }, { admin: true }, {}])('may not give itself admin %j', async (admin) => {
    const before = await sql(db, 'select max(gid) from groups');
    const members = [{ addresses: ['carl'] }, { addresses: ['bert', 'anna'], admin }];
    const { groupAdd } = await anna.call(GroupAddDocument, { input: { members } });
    expect(groupAdd).toMatchObject({
      __typename: 'InvalidInput',
      issues: [{ path: ['input', 'members', '1', 'addresses', '1'] }],
    });
    expect(await sql(db, 'select max(gid) from groups')).toEqual(before);
  });

  test('may make others owners; an application is no member of what it makes', async () => {
    const gid = await addGroup(anna, [{ addresses: ['bert'], admin: OWNER }]);
    expect((await membersOf(gid)).map(({ rights }) => rights)).toEqual([ALL, ALL]);
    const { data } = await app.send(
      'mutation { groupAdd(input: {}) { ... on GroupAddPayload { group { memberCount viewerMember { id } } } } }',
    );
    expect(data?.groupAdd.group).toEqual({ memberCount: 0, viewerMember: null });
  });

  test('gets the same group for the same key, which is not that of another user or of the application', async () => {
    const input = { name: 'once', idempotencyKey: 'k' };
    const gids = [];
    for (const caller of [anna, anna, bert, app]) gids.push(await addGroup(caller, input));
    expect(new Set(gids).size).toBe(3);
    expect(gids[0]).toBe(gids[1]);
    expect(await membersOf(gids[1] ?? '')).toHaveLength(1);
  });

  test('needs CREATE_GROUPS, which alone is enough', async () => {
    const creator = await app.user('anna', ['CREATE_GROUPS']);
    expect(await membersOf(await addGroup(creator))).toHaveLength(1);
    const writer = await app.user('anna', ['READ', 'WRITE']);
    const { groupAdd } = await writer.call(GroupAddDocument, { input: {} });
    expect(groupAdd).toMatchObject({ __typename: 'NotAllowed', right: 'CREATE_GROUPS' });
  });
});

describe('the last owner', () => {
  const two = () => addGroup(app, [{ addresses: ['anna', 'bert'], admin: OWNER }, { addresses: ['carl', 'dora'] }]);
  const one = () =>
    addGroup(app, [
      { addresses: ['anna'], admin: OWNER },
      { addresses: ['carl'] },
      { addresses: ['bert'], admin: { admin: true, removeOwner: true } },
    ]);

  test.each<[string, Caller, Omit<GroupEditMembersInput, 'gid'>]>([
    ['does not leave', anna, { remove: ['anna'] }],
    ['does not leave with others', anna, { remove: ['carl', 'anna', 'bert'] }],
    ['does not give up ownership', anna, { update: [{ addresses: ['anna'], admin: { owner: false } }] }],
    ['does not become an admin', anna, { update: [{ addresses: ['anna'], admin: { owner: false, admin: true } }] }],
    ['is not removed', bert, { remove: ['anna'] }],
    ['does not lose ownership', bert, { add: [{ addresses: ['anna'], admin: { owner: false } }] }],
  ])('%s', async (_, caller, input) => {
    const gid = await one();
    const before = await groupState(db, gid);
    expect(await edit(caller, { gid, ...input })).toMatchObject({ __typename: 'LastOwner', code: 'LAST_OWNER' });
    expect(await groupState(db, gid)).toEqual(before);
  });

  test('does not give up ownership by groupSet', async () => {
    const gid = await one();
    const members = [{ addresses: ['anna'], admin: { owner: false } }];
    const { groupSet } = await anna.call(GroupSetDocument, { input: { gid, name: 'x', members } });
    expect(groupSet).toMatchObject({ __typename: 'LastOwner' });
  });

  test('two owners do not go at once', async () => {
    const gid = await two();
    expect(await edit(anna, { gid, remove: ['anna', 'bert'] })).toMatchObject({ __typename: 'LastOwner' });
    const update = [{ addresses: ['anna', 'bert'], admin: { owner: false } }];
    expect(await edit(anna, { gid, update })).toMatchObject({ __typename: 'LastOwner' });
  });

  test('goes when the same request makes another one, and when there is another', async () => {
    const gid = await one();
    expect(await edit(anna, { gid, remove: ['anna'], update: [{ addresses: ['carl'], admin: OWNER }] })).toMatchObject({
      updated: 1,
    });
    expect((await membersOf(gid)).find(({ rights }) => rights === ALL)?.address).toBe('carl');
    expect(await edit(carl, { gid, remove: ['carl'], add: [{ addresses: ['new'], admin: OWNER }] })).toMatchObject({
      removed: 1,
      added: 1,
    });
    const other = await two();
    expect(await edit(anna, { gid: other, remove: ['anna'] })).toMatchObject({ removed: 1 });
    expect(await edit(bert, { gid: other, remove: ['bert'] })).toMatchObject({ __typename: 'LastOwner' });
  });

  test('goes by the hand of the application; a group may have none from the beginning', async () => {
    const gid = await one();
    expect(await edit(app, { gid, remove: ['anna'] })).toMatchObject({ removed: 1 });
    expect(await edit(carl, { gid, remove: ['carl'] })).toMatchObject({ removed: 1 });
    expect(await edit(bert, { gid, remove: ['bert'] })).toMatchObject({ removed: 1 });
  });

  test('deletes the group', async () => {
    const gid = await addGroup(anna);
    expect((await anna.call(GroupDelDocument, { input: { gid } })).groupDel).toMatchObject({ gid });
  });
});

describe('leaving', () => {
  const PAYLOAD = `... on GroupEditMembersPayload { removed group { gid name memberCount version messageTypes
    viewerMember { id } member(address: "bert") { id } members { edges { node { address } } pageInfo { hasNextPage } } } }
    ... on Error { code }`;
  const leave = (gid: string, key?: string) =>
    anna.send(`mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { ${PAYLOAD} } }`, {
      input: { gid, remove: ['anna'], idempotencyKey: key },
    });

  test('answers with the group as it was then, without its members; a repetition finds it gone', async () => {
    const gid = await addGroup(app, { name: 'Team', members: [{ addresses: ['anna', 'bert'] }] });
    const { data } = await leave(gid, 'bye');
    expect(data?.groupEditMembers).toEqual({
      removed: 1,
      group: {
        ...{ gid, name: 'Team', memberCount: 1, version: 3, messageTypes: [], viewerMember: null, member: null },
        members: { edges: [], pageInfo: { hasNextPage: false } },
      },
    });
    const after = await groupState(db, gid);
    expect((await leave(gid, 'bye')).data?.groupEditMembers).toEqual({ code: 'GROUP_NOT_FOUND' });
    expect((await leave(gid)).data?.groupEditMembers).toEqual({ code: 'GROUP_NOT_FOUND' });
    expect(await groupState(db, gid)).toEqual(after);
  });

  test('a repetition by who came back tells of the group as it is now', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna', 'bert'] }] });
    await leave(gid, 'to and fro');
    await edit(app, { gid, add: [{ addresses: ['anna'] }] });
    const { data } = await leave(gid, 'to and fro');
    expect(data?.groupEditMembers).toMatchObject({
      removed: 1,
      group: { memberCount: 2, viewerMember: { id: expect.any(String) } },
    });
    expect(data?.groupEditMembers.group.members.edges).toHaveLength(2);
  });

  test('tells nothing that is not so: the settings as they are, of members itself', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna', 'bert'] }] });
    await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
    const asked = (address: string) => `groupEditMembers(input: { gid: "${gid}", remove: ["anna"] }) {
      ... on GroupEditMembersPayload { group { messageTypes permissions(messageType: 7) { send }
        permission(address: "${address}", action: SEND) { allowed reason } } } }`;
    const { data } = await anna.send(`mutation { ${asked('anna')} }`);
    expect(data?.groupEditMembers.group).toEqual({
      messageTypes: [7],
      permissions: { send: 'SELECTED' },
      permission: { allowed: false, reason: 'NOT_A_MEMBER' },
    });
    await edit(app, { gid, add: [{ addresses: ['anna'] }] });
    const other = await anna.send(`mutation { ${asked('bert')} }`);
    expect(other.errors).toBeUndefined();
    expect(other.data?.groupEditMembers.group).toMatchObject({
      messageTypes: [7],
      permission: { allowed: false, reason: 'NOT_A_MEMBER' },
    });
  });

  test('removing its own entry for a message type is not leaving', async () => {
    const gid = await addGroup(app, [{ addresses: ['anna'], admin: { admin: true } }, { addresses: ['bert'] }]);
    await edit(app, { gid, messageType: 7, add: [{ addresses: ['anna'] }] });
    const { data } = await anna.send(
      `mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { ${PAYLOAD} } }`,
      { input: { gid, messageType: 7, remove: ['anna'] } },
    );
    expect(data?.groupEditMembers).toMatchObject({ removed: 1, group: { viewerMember: { id: expect.any(String) } } });
    expect(data?.groupEditMembers.group.members.edges).toHaveLength(2);
  });

  test('a repetition of what changed nothing else is answered while the group is seen', async () => {
    const gid = await addGroup(anna, [{ addresses: ['bert'] }]);
    const input = { gid, remove: ['bert'], idempotencyKey: 'out' };
    expect(await edit(anna, input)).toMatchObject({ removed: 1 });
    expect(await edit(anna, input)).toMatchObject({ removed: 1 });
    await edit(app, { gid, remove: ['anna'] });
    expect(await edit(anna, input)).toMatchObject({ __typename: 'GroupNotFound', gid });
    expect(await edit(anna, { ...input, remove: ['carl'] })).toMatchObject({ __typename: 'IdempotencyConflict' });
  });

  test('a repeated groupDel is answered though nobody sees the group', async () => {
    const gid = await addGroup(anna);
    const input = { gid, idempotencyKey: 'del' };
    const first = (await anna.call(GroupDelDocument, { input })).groupDel;
    expect(first).toMatchObject({ __typename: 'GroupDelPayload' });
    expect((await anna.call(GroupDelDocument, { input })).groupDel).toEqual(first);
    expect((await bert.call(GroupDelDocument, { input })).groupDel).toMatchObject({ __typename: 'GroupNotFound' });
  });

  test('a key is looked up before rights and ifVersion', async () => {
    const gid = await addGroup(anna, [{ addresses: ['bert'], admin: { addUser: true } }]);
    const input = { gid, add: [{ addresses: ['dora'] }], ifVersion: 2, idempotencyKey: 'add' };
    expect(await edit(bert, input)).toMatchObject({ added: 1 });
    await edit(anna, { gid, update: [{ addresses: ['bert'], admin: { addUser: false } }] });
    expect(await edit(bert, input)).toMatchObject({ added: 1 });
    expect(await edit(bert, { ...input, idempotencyKey: 'new' })).toMatchObject({ __typename: 'VersionConflict' });
    expect(await edit(bert, { gid, add: [{ addresses: ['emil'] }] })).toMatchObject({
      __typename: 'NotAllowed',
      right: 'addUser',
    });
    expect((await membersOf(gid)).map(({ address }) => address)).toEqual(['anna', 'bert', 'dora']);
  });
});

describe('what a user sees', async () => {
  const foreigner = await gateway.caller();
  const foreign = await addGroup(foreigner, [{ addresses: ['anna'] }]);
  const hidden = await addGroup(app, { name: 'hidden', members: [{ addresses: ['bert'] }] });
  const due = await addGroup(app, { members: [{ addresses: ['bert'] }], validity: { start: 1000 } });
  await sql(db, "update groups set start_due = now() - interval '1 hour' where gid = $1", [Number(due)]);
  const deleted = await addGroup(app, [{ addresses: ['anna'] }]);
  await app.call(GroupDelDocument, { input: { gid: deleted } });
  const GIDS = { foreign, hidden, due, deleted, missing: '999999999', impossible: '9007199254740993', malformed: 'x', empty: '' };

  const WRITES: Record<string, (gid: string, key?: string) => Promise<unknown>> = {
    groupSet: async (gid, idempotencyKey) =>
      (await anna.call(GroupSetDocument, { input: { gid, name: 'mine', idempotencyKey } })).groupSet,
    groupDel: async (gid, idempotencyKey) => (await anna.call(GroupDelDocument, { input: { gid, idempotencyKey } })).groupDel,
    groupEditMembers: (gid, idempotencyKey) => edit(anna, { gid, add: [{ addresses: ['anna'], admin: OWNER }], idempotencyKey }),
    leaving: (gid, idempotencyKey) => edit(anna, { gid, remove: ['anna'], idempotencyKey }),
    'groupEditMembers of a type': (gid, idempotencyKey) => edit(anna, { gid, messageType: 7, remove: ['bert'], idempotencyKey }),
    'groupSet with ifVersion': async (gid, idempotencyKey) =>
      (await anna.call(GroupSetDocument, { input: { gid, ifVersion: 77, idempotencyKey } })).groupSet,
  };

  test.each(Object.entries(WRITES))('%s answers every other gid alike, with the same statements', async (_, write) => {
    for (const key of [undefined, crypto.randomUUID()]) {
      const statements = new Set<string>();
      for (const [kind, gid] of Object.entries(GIDS)) {
        const before = await groupState(db, Number(gid) || 0);
        const ran = await names(async () => {
          const answer = await write(gid, key === undefined ? undefined : `${key} ${kind}`);
          expect(answer).toEqual({ __typename: 'GroupNotFound', code: 'GROUP_NOT_FOUND', message: expect.any(String), gid });
        });
        statements.add(ran);
        expect(await groupState(db, Number(gid) || 0)).toEqual(before);
      }
      expect([...statements]).toHaveLength(1);
    }
    expect(
      await sql(db, 'select key from idempotency_keys where actor = $1 and gid = any($2)', ['anna', [Number(hidden)]]),
    ).toEqual([]);
  });

  test('its own membership is viewerMember, in every list in one statement', async () => {
    const frida = await app.user('frida');
    const gids: string[] = [];
    for (const admin of [{ owner: true }, { modify: true }, {}]) {
      gids.push(await addGroup(app, [{ addresses: ['frida'], admin }, { addresses: ['anna'] }]));
    }
    const query = '{ groups { edges { node { gid viewerMember { address admin { owner modify } } } } } }';
    let seen: unknown;
    const ran = await recorder.during(async () => {
      seen = (await frida.send(query)).data?.groups.edges.map(({ node }: { node: object }) => node);
    });
    const admin = (owner: boolean, modify: boolean) => ({ address: 'frida', admin: { owner, modify } });
    const own = [admin(true, true), admin(false, true), admin(false, false)];
    expect(seen).toEqual(gids.map((gid, index) => ({ gid, viewerMember: own[index] })));
    expect(ran).toHaveLength(2);
    expect(
      (await app.send(query)).data?.groups.edges.every(
        ({ node }: { node: { viewerMember: null } }) => node.viewerMember === null,
      ),
    ).toBe(true);
  });

  test('lists hold its groups only, of its app only', async () => {
    const emil = await app.user('emil');
    const mine = await addGroup(emil, { name: 'shared name' });
    await addGroup(app, { name: 'shared name', members: [{ addresses: ['anna'] }] });
    await addGroup(foreigner, { name: 'shared name', members: [{ addresses: ['emil'] }] });
    const listed = async (filter?: object) =>
      (await emil.call(GroupsDocument, { filter })).groups.edges.map(({ node }) => node.gid);
    expect(await listed()).toEqual([mine]);
    expect(await listed({ nameContains: 'shared' })).toEqual([mine]);
    expect(await listed({ member: 'anna' })).toEqual([]);
    expect(await listed({ member: 'emil' })).toEqual([mine]);
    const { data } = await emil.send('{ viewer { groups { edges { node { gid } } } } }');
    expect(data?.viewer.groups.edges).toEqual([{ node: { gid: mine } }]);
    expect((await emil.call(GroupByGidDocument, { gid: hidden })).group).toBeNull();
  });
});
