/** Who does not see a group is not held up by it, does not hold it up, and cannot tell it from one that is not there. */
import { expect, test } from 'vitest';
import type { Database } from '../src/db/client.ts';
import { addGroup, deleteGroup, editGroupMembers, setGroup } from '../src/groups/operations.ts';
import { openTestGateway } from './setup/gateway.ts';
import { altered } from './setup/interrupted.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const app = await gateway.caller();
const stranger = await app.user('stranger');
const member = await app.user('member');
const { group } = await addGroup(db, app.viewer, { members: [{ addresses: ['member', 'other'] }] });
const gid = String(group.gid);

/** The database, where nobody's turn in a queue ever comes. */
function crowded(): { database: Database; queues: string[] } {
  const queues: string[] = [];
  const exclusive = (key: string) => {
    queues.push(key);
    return new Promise<never>(() => {});
  };
  return { database: altered(db, { exclusive }), queues };
}

test('a stranger does not stand in the queue of a group', async () => {
  const { database, queues } = crowded();
  for (const target of [gid, '999999999', 'x']) {
    for (const write of [
      () => setGroup(database, stranger.viewer, { gid: target, name: 'x' }),
      () => setGroup(database, stranger.viewer, { gid: target, name: 'x', idempotencyKey: 'k' }),
      () => editGroupMembers(database, stranger.viewer, { gid: target, remove: ['member'] }),
      () => deleteGroup(database, stranger.viewer, { gid: target }),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
    }
  }
  expect(queues).toEqual([]);
});

/** Of a member without any right: what it is answered before the queue of the group, and what has to enter it. */
const PLAIN: [string, (db: Database) => Promise<unknown>, object | 'queue'][] = [
  ['a setting', (on) => setGroup(on, member.viewer, { gid, name: 'x' }), { code: 'NOT_ALLOWED', right: 'modify' }],
  ['a setting as it is', (on) => setGroup(on, member.viewer, { gid, name: null }), 'queue'],
  ['nothing', (on) => setGroup(on, member.viewer, { gid }), 'queue'],
  ['a version behind', (on) => setGroup(on, member.viewer, { gid, name: 'x', ifVersion: 1 }), { code: 'VERSION_CONFLICT' }],
  ['the group', (on) => deleteGroup(on, member.viewer, { gid }), { code: 'NOT_ALLOWED', right: 'remove' }],
  [
    'another member',
    (on) => editGroupMembers(on, member.viewer, { gid, remove: ['other'] }),
    { code: 'NOT_ALLOWED', right: 'removeUser' },
  ],
  [
    'a new member',
    (on) => editGroupMembers(on, member.viewer, { gid, add: [{ addresses: ['new'] }] }),
    { code: 'NOT_ALLOWED', right: 'addUser' },
  ],
  [
    'who is no member',
    (on) => editGroupMembers(on, member.viewer, { gid, update: [{ addresses: ['new'] }] }),
    { code: 'NOT_A_MEMBER' },
  ],
  [
    'an entry',
    (on) => editGroupMembers(on, member.viewer, { gid, messageType: 5, add: [{ addresses: ['other'] }] }),
    { code: 'NOT_ALLOWED', right: 'addUser' },
  ],
  ['itself', (on) => editGroupMembers(on, member.viewer, { gid, remove: ['member'] }), 'queue'],
];

test.each(PLAIN)(
  'without any right, of %s: refused before the queue as it is under the lock, or let in',
  async (_, write, expected) => {
    const { database, queues } = crowded();
    if (expected === 'queue') {
      void write(database);
      await expect.poll(() => queues).toEqual([`${app.viewer.appId}:${gid}`]);
      return;
    }
    await expect(write(database)).rejects.toMatchObject(expected);
    expect(queues).toEqual([]);
  },
);

test('a repetition of a user is answered before the queue', async () => {
  const input = { gid, update: [{ addresses: ['member'], permissions: {} }], idempotencyKey: 'done' };
  const first = await editGroupMembers(db, member.viewer, input);
  const { database, queues } = crowded();
  expect((await editGroupMembers(database, member.viewer, input)).cursor).toBe(first.cursor);
  await expect(setGroup(database, stranger.viewer, { gid, name: 'x', idempotencyKey: 'done' })).rejects.toMatchObject({
    code: 'GROUP_NOT_FOUND',
  });
  expect(queues).toEqual([]);
});

test('a key of groupAdd is no gid: it has a queue of its own', async () => {
  const { database, queues } = crowded();
  void addGroup(database, stranger.viewer, { idempotencyKey: gid });
  void addGroup(database, member.viewer, { idempotencyKey: gid });
  void setGroup(database, app.viewer, { gid, name: 'x' });
  await expect.poll(() => queues.length).toBe(3);
  expect(new Set(queues).size).toBe(3);
});
