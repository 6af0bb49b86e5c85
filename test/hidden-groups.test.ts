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
const { group } = await addGroup(db, app.viewer, { members: [{ addresses: ['member'] }] });
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

test('a key of groupAdd is no gid: it has a queue of its own', async () => {
  const { database, queues } = crowded();
  void addGroup(database, stranger.viewer, { idempotencyKey: gid });
  void addGroup(database, member.viewer, { idempotencyKey: gid });
  void setGroup(database, app.viewer, { gid, name: 'x' });
  await expect.poll(() => queues.length).toBe(3);
  expect(new Set(queues).size).toBe(3);
});
