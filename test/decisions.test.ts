import { describe, expect, test } from 'vitest';
import { GroupEditMembersDocument, GroupSetDocument, PermissionDocument } from '../src/generated/operations.ts';
import { ACTION_NAMES, addGroup, allowed, reason } from './setup/asking.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();

describe('whom a group lets do what', () => {
  test('a whiteboard type that only active participants may draw on', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna', 'ben', 'cleo'] }] });
    await app.call(GroupSetDocument, {
      input: { gid, messageType: 7, permissions: { send: 'SELECTED' }, members: [{ addresses: ['anna'] }] },
    });
    expect(await reason(app, gid, 'anna', 'SEND', 7)).toBe('yes: SELECTED_MEMBER');
    expect(await reason(app, gid, 'ben', 'SEND', 7)).toBe('no: MESSAGE_TYPE_NOT_SELECTED');
    expect(await reason(app, gid, 'ben', 'SEND')).toBe('yes: MEMBER');
    expect(await reason(app, gid, 'ben', 'RECV', 7)).toBe('yes: MEMBER');
    expect(await reason(app, gid, 'dora', 'SEND', 7)).toBe('no: NOT_A_MEMBER');
    expect(await allowed(app, gid, 'SEND', 7)).toEqual(['anna']);
    expect(await allowed(app, gid, 'RECV', 7)).toEqual(['anna', 'ben', 'cleo']);
    expect(await allowed(app, gid, 'RECV', 7, 'ben')).toEqual(['anna', 'cleo']);

    // The set cannot widen what the group itself allows.
    await app.call(GroupSetDocument, { input: { gid, permissions: { send: 'SELECTED' } } });
    await app.call(GroupEditMembersDocument, { input: { gid, update: [{ addresses: ['anna'], permissions: { send: false } }] } });
    expect(await reason(app, gid, 'anna', 'SEND', 7)).toBe('no: NOT_SELECTED');
    expect(await allowed(app, gid, 'SEND', 7)).toEqual([]);

    // The entry goes; then the set goes, and the group's own holds alone.
    await app.call(GroupEditMembersDocument, { input: { gid, update: [{ addresses: ['anna'], permissions: { send: true } }] } });
    await app.call(GroupEditMembersDocument, { input: { gid, messageType: 7, remove: ['anna'] } });
    expect(await reason(app, gid, 'anna', 'SEND', 7)).toBe('no: MESSAGE_TYPE_NOT_SELECTED');
    await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: null } });
    expect(await reason(app, gid, 'anna', 'SEND', 7)).toBe('yes: SELECTED_MEMBER');
  });

  test('an entry goes with the membership', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna'] }] });
    await app.call(GroupSetDocument, {
      input: { gid, messageType: 7, permissions: { send: 'SELECTED' }, members: [{ addresses: ['anna'] }] },
    });
    await app.call(GroupEditMembersDocument, { input: { gid, remove: ['anna'] } });
    await app.call(GroupEditMembersDocument, { input: { gid, add: [{ addresses: ['anna'] }] } });
    expect(await reason(app, gid, 'anna', 'SEND', 7)).toBe('no: MESSAGE_TYPE_NOT_SELECTED');
  });

  test('a support desk whose customers are no members', async () => {
    const gid = await addGroup(app, {
      permissions: { send: 'ANYONE', recv: 'ROUND_ROBIN' },
      members: [{ addresses: ['anna', 'ben'] }],
    });
    expect(await reason(app, gid, 'customer', 'SEND')).toBe('yes: ANYONE');
    expect(await reason(app, gid, 'customer', 'RECV')).toBe('no: NOT_A_MEMBER');
    expect(await reason(app, gid, 'anna', 'RECV')).toBe('yes: MEMBER');
    expect(await allowed(app, gid, 'RECV')).toEqual(['anna', 'ben']);
    expect(await allowed(app, gid, 'SEND')).toEqual(['anna', 'ben']);
  });

  test('a broadcast where only the admin sends', async () => {
    const gid = await addGroup(app, {
      permissions: { send: 'SELECTED' },
      members: [
        { addresses: ['anna', 'ben'], permissions: { send: false } },
        { addresses: ['admin'], admin: { admin: true } },
      ],
    });
    expect(await allowed(app, gid, 'SEND')).toEqual(['admin']);
    expect(await allowed(app, gid, 'RECV', 0, 'admin')).toEqual(['anna', 'ben']);
    expect(await reason(app, gid, 'admin', 'SEND')).toBe('yes: SELECTED_MEMBER');
    expect(await reason(app, gid, 'anna', 'SEND')).toBe('no: NOT_SELECTED');
  });

  test('nobody anything, unless the group is in force', async () => {
    const members = [{ addresses: ['anna'] }];
    const paused = await addGroup(app, { active: false, members });
    const scheduled = await addGroup(app, { validity: { start: 3600 }, members });
    const expired = await addGroup(app, { members });
    await sql(
      gateway.db,
      `update groups set starts_at = starts_at - interval '1 hour', expires_at = clock_timestamp() where gid = $1`,
      [expired],
    );
    const states: [string, string][] = [
      [paused, 'no: GROUP_PAUSED'],
      [scheduled, 'no: GROUP_NOT_STARTED'],
      [expired, 'no: GROUP_EXPIRED'],
    ];
    for (const [gid, expected] of states) {
      for (const action of ACTION_NAMES) {
        expect(await reason(app, gid, 'anna', action)).toBe(expected);
        expect(await allowed(app, gid, action)).toEqual([]);
      }
    }
    await app.call(GroupSetDocument, { input: { gid: paused, active: true } });
    await app.call(GroupSetDocument, { input: { gid: scheduled, validity: { start: 0 } } });
    await app.call(GroupSetDocument, { input: { gid: expired, validity: { duration: 60 } } });
    for (const [gid] of states) expect(await reason(app, gid, 'anna', 'SEND')).toBe('yes: MEMBER');
  });

  test('the answer has the rules in order', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna'] }] });
    await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { send: 'SELECTED' } } });
    const { group } = await app.call(PermissionDocument, { gid, address: 'anna', action: 'SEND', messageType: 7 });
    expect(group?.permission).toEqual({
      allowed: false,
      reason: 'MESSAGE_TYPE_NOT_SELECTED',
      rules: [
        { rule: 'state', passed: true, detail: 'the group is ACTIVE' },
        { rule: 'permissions.send', passed: true, detail: 'MEMBERS; the address is a member' },
        { rule: 'permissions(7).send', passed: false, detail: 'SELECTED; the address is a member, not selected' },
      ],
    });
  });
});
