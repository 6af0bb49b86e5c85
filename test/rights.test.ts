/**
 * Who may do what. The table is written by hand from the specification, row by row; the code that is tested has no part in
 * it. Actors are all members of the group but for the stranger; beside them there are four members to act upon.
 */
import { describe, expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupDelDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
  type GroupSetInput,
} from '../src/generated/operations.ts';
import { RIGHT_NAMES, type Right } from '../src/model/rights.ts';
import { sql } from './setup/database.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';
import { groupState } from './setup/group-state.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const app = await gateway.caller();

/** Each right alone, each role, and a few pairs. `role` is the role of an admin without anything that it stands for. */
const ACTORS: Record<string, object> = {
  ...Object.fromEntries(RIGHT_NAMES.map((right) => [right, { [right]: true }])),
  role: { admin: true, modify: false, addUser: false, removeUser: false, addAdmin: false, removeAdmin: false },
  'addUser+addAdmin': { addUser: true, addAdmin: true },
  'modify+addAdmin': { modify: true, addAdmin: true },
  'admin+remove': { admin: true, remove: true },
  'admin+removeOwner': { admin: true, removeOwner: true },
  plain: {},
};
const NAMES = Object.keys(ACTORS);
const OBJECTS = {
  'a plain member': {},
  'an admin': { admin: true },
  // Holds what the role of an admin does not stand for.
  'a remover': { remove: true, removeOwner: true },
  'an owner': { owner: true },
};
const STRANGER = 'stranger';
const TYPE = 7;

type Ask = (caller: Caller, gid: string, self: string) => Promise<{ __typename?: string; right?: string }>;
const edit =
  (input: (self: string) => Omit<GroupEditMembersInput, 'gid'>): Ask =>
  async (caller, gid, self) =>
    (await caller.call(GroupEditMembersDocument, { input: { gid, ...input(self) } })).groupEditMembers;
const set =
  (input: (self: string) => Omit<GroupSetInput, 'gid'>): Ask =>
  async (caller, gid, self) =>
    (await caller.call(GroupSetDocument, { input: { gid, ...input(self) } })).groupSet;
const del: Ask = async (caller, gid) => (await caller.call(GroupDelDocument, { input: { gid } })).groupDel;

/** Who may, apart by blanks; which right the others lack, `|` and the same for some of them; `=`: for these nothing changes. */
interface Row {
  ask: Ask;
  may: string;
  lacking: string;
  unchanged?: string;
  /** The group forbids leaving. */
  noLeaving?: boolean;
}

const touch = { permissions: { send: false } };
const plain = ['a plain member'];
const admin = ['an admin'];
const remover = ['a remover'];
const owner = ['an owner'];
const ADMINS = 'admin admin+remove admin+removeOwner owner';
/** The right that an actor gives up whose name does not say it; an owner can give up no other before its role. */
const GIVEN_UP: Record<string, Right> = {
  admin: 'removeUser',
  role: 'admin',
  'addUser+addAdmin': 'addAdmin',
  'modify+addAdmin': 'modify',
  'admin+remove': 'remove',
  'admin+removeOwner': 'addAdmin',
  plain: 'modify',
  [STRANGER]: 'modify',
};
const ALL = NAMES.join(' ');

const ROWS: Record<string, Row> = {
  // The group
  rename: { ask: set(() => ({ name: 'new' })), may: `modify modify+addAdmin ${ADMINS}`, lacking: 'modify' },
  'clear the name': { ask: set(() => ({ name: null })), may: `modify modify+addAdmin ${ADMINS}`, lacking: 'modify' },
  pause: { ask: set(() => ({ active: false })), may: `modify modify+addAdmin ${ADMINS}`, lacking: 'modify' },
  'set flags': { ask: set(() => ({ flags: 0x41 })), may: `modify modify+addAdmin ${ADMINS}`, lacking: 'modify' },
  'set permissions': {
    ask: set(() => ({ permissions: { send: 'ANYONE' } })),
    may: `modify modify+addAdmin ${ADMINS}`,
    lacking: 'modify',
  },
  'forbid leaving': { ask: set(() => ({ membersMayLeave: false })), may: `modify modify+addAdmin ${ADMINS}`, lacking: 'modify' },
  prolong: { ask: set(() => ({ validity: { duration: 3600 } })), may: `modify modify+addAdmin ${ADMINS}`, lacking: 'modify' },
  'set call settings': {
    ask: set(() => ({ callSettings: { flags: 5 } })),
    may: `modify modify+addAdmin ${ADMINS}`,
    lacking: 'modify',
  },
  'set a message type': {
    ask: set(() => ({ messageType: TYPE, permissions: { send: 'MEMBERS' } })),
    may: `modify modify+addAdmin ${ADMINS}`,
    lacking: 'modify',
  },
  'drop a message type': {
    ask: set(() => ({ messageType: TYPE, permissions: null })),
    may: `modify modify+addAdmin ${ADMINS}`,
    lacking: 'modify',
  },
  'set what is so already': { ask: set(() => ({ name: 'old', active: true, flags: 0 })), may: ALL, lacking: '', unchanged: ALL },
  delete: { ask: del, may: 'remove admin+remove owner', lacking: 'remove' },

  // Newcomers
  'add a plain member': {
    ask: edit(() => ({ add: [{ addresses: ['new', 'newer'] }] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'add a plain member by groupSet': {
    ask: set(() => ({ members: [{ addresses: ['new'], permissions: { recv: false } }] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'add a member with a right of its own': {
    ask: edit(() => ({ add: [{ addresses: ['new'], admin: { addUser: true } }] })),
    may: `addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser|addAdmin: addUser',
  },
  'add a member with a right that admins have not': {
    ask: edit(() => ({ add: [{ addresses: ['new'], admin: { remove: true } }] })),
    may: 'admin+remove owner',
    lacking: 'addUser|addAdmin: addUser|remove: addUser+addAdmin admin admin+removeOwner',
  },
  'add an admin': {
    ask: edit(() => ({ add: [{ addresses: ['new'], admin: { admin: true } }] })),
    may: ADMINS,
    lacking: 'addUser|addAdmin: addUser|admin: addUser+addAdmin',
  },
  'add an owner': {
    ask: edit(() => ({ add: [{ addresses: ['new'], admin: { owner: true } }] })),
    may: 'owner',
    lacking: 'addUser|addAdmin: addUser|owner: addUser+addAdmin admin admin+remove admin+removeOwner',
  },
  'add who is there already': {
    ask: edit(() => ({ add: [{ addresses: ['a plain member', 'an admin', 'an owner'], permissions: { send: true } }] })),
    may: ALL,
    lacking: '',
    unchanged: ALL,
  },
  'remove who is not there': { ask: edit(() => ({ remove: ['nobody'] })), may: ALL, lacking: '', unchanged: ALL },

  // A plain member
  'change permissions of a plain member': {
    ask: edit(() => ({ update: [{ addresses: plain, ...touch }] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'change permissions of a plain member by groupSet': {
    ask: set(() => ({ members: [{ addresses: plain, ...touch }] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'change the entry of a plain member': {
    ask: edit(() => ({ messageType: TYPE, update: [{ addresses: plain, ...touch }] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'add an entry of a plain member': {
    ask: edit(() => ({ messageType: 9, add: [{ addresses: plain }] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'remove the entry of a plain member': {
    ask: edit(() => ({ messageType: TYPE, remove: plain })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'give modify to a plain member': {
    ask: edit(() => ({ update: [{ addresses: plain, admin: { modify: true } }] })),
    may: `modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin|modify: addAdmin addUser+addAdmin',
  },
  'give addUser to a plain member': {
    ask: edit(() => ({ update: [{ addresses: plain, admin: { addUser: true } }] })),
    may: `addUser+addAdmin ${ADMINS}`,
    lacking: 'addAdmin|addUser: addAdmin modify+addAdmin',
  },
  'give removeUser to a plain member': {
    ask: edit(() => ({ update: [{ addresses: plain, admin: { removeUser: true } }] })),
    may: ADMINS,
    lacking: 'addAdmin|removeUser: addAdmin addUser+addAdmin modify+addAdmin',
  },
  'give removeAdmin to a plain member': {
    ask: edit(() => ({ add: [{ addresses: plain, admin: { removeAdmin: true } }] })),
    may: ADMINS,
    lacking: 'addAdmin|removeAdmin: addAdmin addUser+addAdmin modify+addAdmin',
  },
  'give removeOwner to a plain member': {
    ask: edit(() => ({ update: [{ addresses: plain, admin: { removeOwner: true } }] })),
    may: 'admin+removeOwner owner',
    lacking: 'addAdmin|removeOwner: addAdmin addUser+addAdmin modify+addAdmin admin admin+remove',
  },
  'give addAdmin to a plain member': {
    ask: edit(() => ({ add: [{ addresses: plain, admin: { addAdmin: true } }] })),
    may: `addAdmin addUser+addAdmin modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin',
  },
  'give remove to a plain member': {
    ask: set(() => ({ members: [{ addresses: plain, admin: { remove: true } }] })),
    may: 'admin+remove owner',
    lacking: 'addAdmin|remove: addAdmin addUser+addAdmin modify+addAdmin admin admin+removeOwner',
  },
  'make a plain member an admin': {
    ask: edit(() => ({ update: [{ addresses: plain, admin: { admin: true } }] })),
    may: ADMINS,
    lacking: 'addAdmin|admin: addAdmin addUser+addAdmin modify+addAdmin',
  },
  'make a plain member an owner': {
    ask: edit(() => ({ update: [{ addresses: plain, admin: { owner: true } }] })),
    may: 'owner',
    lacking: 'addAdmin|owner: addAdmin addUser+addAdmin modify+addAdmin admin admin+remove admin+removeOwner',
  },
  'remove a plain member': { ask: edit(() => ({ remove: plain })), may: `removeUser ${ADMINS}`, lacking: 'removeUser' },

  // A member with rights
  'change permissions of an admin': {
    ask: edit(() => ({ update: [{ addresses: admin, ...touch }] })),
    may: `addAdmin addUser+addAdmin modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin',
  },
  'change the entry of an admin': {
    ask: edit(() => ({ messageType: TYPE, update: [{ addresses: admin, ...touch }] })),
    may: `addAdmin addUser+addAdmin modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin',
  },
  'remove the entry of an admin': {
    ask: edit(() => ({ messageType: TYPE, remove: admin })),
    may: `addAdmin addUser+addAdmin modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin',
  },
  'give remove to an admin': {
    ask: edit(() => ({ update: [{ addresses: admin, admin: { remove: true } }] })),
    may: 'admin+remove owner',
    lacking: 'addAdmin|remove: addAdmin addUser+addAdmin modify+addAdmin admin admin+removeOwner',
  },
  'give removeOwner to an admin': {
    ask: set(() => ({ members: [{ addresses: admin, admin: { removeOwner: true } }] })),
    may: 'admin+removeOwner owner',
    lacking: 'addAdmin|removeOwner: addAdmin addUser+addAdmin modify+addAdmin admin admin+remove',
  },
  'make an admin an owner': {
    ask: set(() => ({ members: [{ addresses: admin, admin: { owner: true } }] })),
    may: 'owner',
    lacking: 'addAdmin|owner: addAdmin addUser+addAdmin modify+addAdmin admin admin+remove admin+removeOwner',
  },
  'take modify from an admin': {
    ask: edit(() => ({ update: [{ addresses: admin, admin: { modify: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'take addUser from an admin': {
    ask: edit(() => ({ update: [{ addresses: admin, admin: { addUser: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'take removeUser from an admin': {
    ask: set(() => ({ members: [{ addresses: admin, admin: { removeUser: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'take addAdmin from an admin': {
    ask: edit(() => ({ add: [{ addresses: admin, admin: { addAdmin: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'take removeAdmin from an admin': {
    ask: edit(() => ({ update: [{ addresses: admin, admin: { removeAdmin: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  // Also ones that the actor does not hold.
  'take remove from a remover': {
    ask: edit(() => ({ update: [{ addresses: remover, admin: { remove: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'take removeOwner from a remover': {
    ask: set(() => ({ members: [{ addresses: remover, admin: { removeOwner: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'take the role from an admin': {
    ask: set(() => ({ members: [{ addresses: admin, admin: { admin: false } }] })),
    may: `removeAdmin ${ADMINS}`,
    lacking: 'removeAdmin',
  },
  'remove an admin': { ask: edit(() => ({ remove: admin })), may: `removeAdmin ${ADMINS}`, lacking: 'removeAdmin' },

  // An owner
  'change permissions of an owner': {
    ask: edit(() => ({ update: [{ addresses: owner, ...touch }] })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'change the entry of an owner': {
    ask: edit(() => ({ messageType: TYPE, update: [{ addresses: owner, ...touch }] })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'remove the entry of an owner': {
    ask: edit(() => ({ messageType: TYPE, remove: owner })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'take ownership from an owner': {
    ask: edit(() => ({ update: [{ addresses: owner, admin: { owner: false } }] })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'take nothing but ownership from an owner': {
    ask: edit(() => ({ update: [{ addresses: owner, admin: { owner: false, admin: true, remove: true, removeOwner: true } }] })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'take ownership and addUser from an owner': {
    ask: edit(() => ({
      update: [{ addresses: owner, admin: { owner: false, admin: true, addUser: false, remove: true, removeOwner: true } }],
    })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'make an owner an admin': {
    ask: edit(() => ({ update: [{ addresses: owner, admin: { owner: false, admin: true } }] })),
    may: 'removeOwner admin+removeOwner owner',
    lacking: 'removeOwner',
  },
  'remove an owner': { ask: edit(() => ({ remove: owner })), may: 'removeOwner admin+removeOwner owner', lacking: 'removeOwner' },

  // Itself
  leave: { ask: edit((self) => ({ remove: [self] })), may: ALL, lacking: '' },
  'leave where leaving is forbidden': {
    ask: edit((self) => ({ remove: [self] })),
    may: 'owner',
    lacking: 'owner',
    noLeaving: true,
  },
  'give up every right': {
    ask: edit((self) => ({
      update: [{ addresses: [self], admin: Object.fromEntries(RIGHT_NAMES.map((right) => [right, false])) }],
    })),
    may: ALL,
    lacking: '',
    unchanged: 'plain',
  },
  'give up every right by groupSet': {
    ask: set((self) => ({
      members: [{ addresses: [self], admin: Object.fromEntries(RIGHT_NAMES.map((right) => [right, false])) }],
    })),
    may: ALL,
    lacking: '',
    unchanged: 'plain',
  },
  'give up one right': {
    ask: edit((self) => ({ update: [{ addresses: [self], admin: { [GIVEN_UP[self] ?? self]: false } }] })),
    may: ALL,
    lacking: '',
    unchanged: 'plain',
  },
  'change its own permissions': {
    ask: edit((self) => ({ update: [{ addresses: [self], ...touch }] })),
    may: `addAdmin addUser+addAdmin modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin|addUser: plain',
  },
  'change its own entry': {
    ask: edit((self) => ({ messageType: TYPE, update: [{ addresses: [self], ...touch }] })),
    may: `addAdmin addUser+addAdmin modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin|addUser: plain',
  },
  'give itself modify': {
    ask: edit((self) => ({ update: [{ addresses: [self], admin: { modify: true } }] })),
    may: `modify modify+addAdmin ${ADMINS}`,
    lacking: 'addAdmin|modify: addAdmin addUser+addAdmin',
    unchanged: `modify modify+addAdmin ${ADMINS}`,
  },
  'make itself an owner': {
    ask: edit((self) => ({ add: [{ addresses: [self], admin: { owner: true } }] })),
    may: 'owner',
    lacking: 'addAdmin|owner: addAdmin addUser+addAdmin modify+addAdmin admin admin+remove admin+removeOwner',
    unchanged: 'owner',
  },

  // Several parts: every right that one of them needs
  'rename, and add a plain member': {
    ask: set(() => ({ name: 'new', members: [{ addresses: ['new'] }] })),
    may: ADMINS,
    lacking: 'modify|addUser: modify modify+addAdmin',
  },
  'remove a plain member and an admin': {
    ask: edit(() => ({ remove: [...plain, ...admin] })),
    may: ADMINS,
    lacking: 'removeUser|removeAdmin: removeUser',
  },
  'remove an admin and an owner': {
    ask: edit(() => ({ remove: [...admin, ...owner] })),
    may: 'admin+removeOwner owner',
    lacking: 'removeAdmin|removeOwner: removeAdmin admin admin+remove',
  },
  'add a plain member and leave': {
    ask: edit((self) => ({ add: [{ addresses: ['new'] }], remove: [self] })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
  'give up addUser and add a plain member: as held when the lock was taken': {
    ask: edit((self) => ({
      add: [{ addresses: ['new'] }],
      update: [{ addresses: [self], admin: { admin: false, owner: false } }],
    })),
    may: `addUser addUser+addAdmin ${ADMINS}`,
    lacking: 'addUser',
  },
};

const list = (text = '') => text.split(' ').filter(Boolean);

/** The right that an actor is said to lack. */
function lackedBy(actor: string, lacking: string): string {
  const [others = '', ...some] = lacking.split('|');
  const named = some.map((each) => each.split(': ')).find(([, actors]) => list(actors).includes(actor));
  return named?.[0] ?? others;
}

const members = [...Object.entries(ACTORS), ...Object.entries(OBJECTS)].map(([address, rights]) => ({
  addresses: [address],
  admin: rights,
}));
async function makeGroup(membersMayLeave: boolean): Promise<string> {
  const { groupAdd } = await app.call(GroupAddDocument, { input: { name: 'old', membersMayLeave, members } });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  const { gid } = groupAdd.group;
  const addresses = members.flatMap((each) => each.addresses);
  await app.call(GroupSetDocument, {
    input: { gid, messageType: TYPE, permissions: { send: 'SELECTED' }, members: [{ addresses }] },
  });
  return gid;
}

const actors = Object.fromEntries(
  await Promise.all([...NAMES, STRANGER].map(async (name) => [name, await app.user(name)] as const)),
);
const callerOf = (name: string) => actors[name] as Caller;
const version = async (gid: string) =>
  (await sql<{ n: number }>(db, 'select version as n from groups where gid = $1', [Number(gid)]))[0]?.n ?? 0;

test('the table speaks of every right and of known actors only', () => {
  const named = new Set(Object.values(ROWS).flatMap(({ may, unchanged }) => [...list(may), ...list(unchanged)]));
  expect([...named].filter((name) => !NAMES.includes(name))).toEqual([]);
  expect(RIGHT_NAMES.filter((right) => !named.has(right))).toEqual([]);
});

describe.each(Object.entries(ROWS))('%s', (_, { ask, may, lacking, unchanged, noLeaving }) => {
  test('is refused to others, and nothing is written', async () => {
    const gid = await makeGroup(!noLeaving);
    const before = await groupState(db, gid);
    for (const name of NAMES.filter((each) => !list(may).includes(each))) {
      expect
        .soft(await ask(callerOf(name), gid, name), name)
        .toMatchObject({ __typename: 'NotAllowed', right: lackedBy(name, lacking) });
      expect(await groupState(db, gid), name).toEqual(before);
    }
    expect(await ask(callerOf(STRANGER), gid, STRANGER)).toMatchObject({ __typename: 'GroupNotFound' });
    expect(await groupState(db, gid)).toEqual(before);
  });

  test.each(list(may))('is done for %s, in its name', async (name) => {
    const gid = await makeGroup(!noLeaving);
    const [before, from] = [await groupState(db, gid), await version(gid)];
    expect((await ask(callerOf(name), gid, name)).__typename).toMatch(/^Group(Set|Del|EditMembers)Payload$/);
    if (list(unchanged).includes(name)) expect(await groupState(db, gid)).toEqual(before);
    else {
      const query = 'select actor from changes where gid = $1 and version > $2';
      const written = await sql<{ actor: string | null }>(db, query, [Number(gid), from]);
      expect(new Set(written.map(({ actor }) => actor))).toEqual(new Set([name]));
    }
  });
});

// The pairs that the table lacks; in it, who gives these rights holds more besides.
test.each(['remove', 'removeUser', 'removeAdmin', 'removeOwner'])('addAdmin and %s are enough to give it', async (right) => {
  const { groupAdd } = await app.call(GroupAddDocument, {
    input: { members: [{ addresses: ['giver'], admin: { addAdmin: true, [right]: true } }, { addresses: plain }] },
  });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  const give = edit(() => ({ update: [{ addresses: plain, admin: { [right]: true } }] }));
  expect(await give(await app.user('giver'), groupAdd.group.gid, 'giver')).toMatchObject({
    __typename: 'GroupEditMembersPayload',
    updated: 1,
  });
});

test.each(Object.entries(ROWS))('an application may %s', async (_, { ask, noLeaving }) => {
  expect((await ask(app, await makeGroup(!noLeaving), 'plain')).__typename).toMatch(/^Group(Set|Del|EditMembers)Payload$/);
});
