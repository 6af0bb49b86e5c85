import { beforeAll, describe, expect, test } from 'vitest';
import { GroupSetDocument, PermissionsDocument } from '../src/generated/operations.ts';
import { ACTION_NAMES, type Action, addGroup, allowed, reason } from './setup/asking.ts';
import { openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const app = await gateway.caller();

describe('a fixed number of statements', () => {
  const gids: string[] = [];
  beforeAll(async () => {
    for (let index = 0; index < 12; index++) {
      const send = (['MEMBERS', 'SELECTED', 'ANYONE'] as const)[index % 3];
      const gid = await addGroup(app, {
        permissions: { send },
        members: [{ addresses: Array.from({ length: 5 * index + 1 }, (_, n) => `m${n}`) }],
      });
      if (index % 2 === 0)
        await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
      gids.push(gid);
    }
  });

  test('for permission', async () => {
    const names = await recorder.during(() => reason(app, gids[3] as string, 'm1', 'SEND', 7));
    expect(names).toEqual(['groups_find_one', 'standing_find_one']);
    const all = ACTION_NAMES.map((action) => `${action}: permission(address: "m1", action: ${action}) { allowed }`).join(' ');
    expect(await recorder.during(() => app.send(`{ group(gid: "${gids[3]}") { ${all} } }`))).toEqual(names);
  });

  test('for allowed', async () => {
    for (const gid of [gids[0], gids[9]] as string[]) {
      expect(await recorder.during(() => allowed(app, gid, 'RECV'))).toEqual(['groups_find_one', 'allowed_all']);
    }
    expect(await recorder.during(() => allowed(app, gids[1] as string, 'SEND'))).toEqual([
      'groups_find_one',
      'allowed_permission',
    ]);
    const typed = await recorder.during(() => allowed(app, gids[0] as string, 'SEND', 7));
    expect(typed).toEqual(['groups_find_one', 'allowed_type_levels', 'allowed_entry']);
  });

  test('for 1,000 permissions', async () => {
    const checks = Array.from({ length: 1_000 }, (_, index) => ({
      gid: gids[index % gids.length] as string,
      address: `m${index % 70}`,
      action: ACTION_NAMES[index % 5] as Action,
      messageType: index % 3 ? 7 : 0,
    }));
    const names = await recorder.during(async () => {
      const { permissions } = await app.call(PermissionsDocument, { checks });
      expect(new Set(permissions.map((decision) => decision?.reason))).toEqual(
        new Set(['ANYONE', 'MEMBER', 'SELECTED_MEMBER', 'NOT_A_MEMBER', 'MESSAGE_TYPE_NOT_SELECTED']),
      );
    });
    expect(names).toEqual(['groups_find_many', 'standing_find_many']);
  });

  test('for a page of groups with decisions and allowed members', async () => {
    const query = `query ($first: Int) { groups(first: $first) { edges { node {
      SEND: permission(address: "m1", action: SEND, messageType: 7) { allowed rules { rule } }
      PUB: permission(address: "m2", action: PUB) { reason }
      allowed(action: SEND, messageType: 7, first: 3) { edges { node { address } } pageInfo { hasNextPage } } } } } }`;
    const count = (first: number) =>
      recorder.during(async () => expect((await app.send(query, { first })).errors).toBeUndefined());
    // Two forms of demand with entries: with and without the own permission.
    const names = [
      'allowed_all_many',
      'allowed_entry_many',
      'allowed_entry_many',
      'allowed_permission_many',
      'allowed_type_levels',
      'groups_gid_asc',
      'standing_find_many',
    ];
    expect((await count(gids.length)).toSorted()).toEqual(names);
    expect((await count(6)).toSorted()).toEqual(names);
  });
});
