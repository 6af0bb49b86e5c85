import { describe, expect, test } from 'vitest';
import { GroupDelDocument, PermissionDocument, PermissionsDocument } from '../src/generated/operations.ts';
import { setGroup } from '../src/groups/operations.ts';
import { decideChecks } from '../src/groups/read/permission-checks.ts';
import { addGroup, reason, refusals } from './setup/asking.ts';
import type { Caller } from './setup/gateway.ts';
import { openTestGateway } from './setup/gateway.ts';
import { interrupted } from './setup/interrupted.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const app = await gateway.caller();

test('a decision is of one moment, whatever changes between the statements', async () => {
  const { db } = gateway;
  const gid = await addGroup(app, {
    permissions: { send: 'SELECTED' },
    members: [{ addresses: ['bob'], permissions: { send: false } }],
  });
  const changed = interrupted(db, 'groups_find_one', () =>
    setGroup(db, app.viewer, { gid, active: false, members: [{ addresses: ['bob'], permissions: { send: true } }] }),
  );
  expect(await decideChecks(changed, app.viewer, [{ gid, address: 'bob', action: 'send' }])).toMatchObject([
    { allowed: false, reason: 'GROUP_PAUSED' },
  ]);
});

describe('bad input', () => {
  const permission =
    'query ($gid: ID!, $address: String!, $type: Int) { group(gid: $gid) { permission(address: $address, action: SEND, messageType: $type) { allowed } } }';
  const list =
    'query ($gid: ID!, $except: String, $type: Int, $first: Int) { group(gid: $gid) { allowed(action: SEND, except: $except, messageType: $type, first: $first) { edges { cursor } } } }';
  const batch = 'query ($checks: [PermissionCheck!]!) { permissions(checks: $checks) { allowed reason } }';
  const BROKEN = ['', ' x', 'x ', 'a,b', 'a\nb', 'a\u0000b', '\ud800', 'x'.repeat(257)];

  test('an address that breaks the form', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna'] }] });
    for (const address of BROKEN) {
      expect(await refusals(app, permission, { gid, address })).toEqual([['INVALID_INPUT', [['address']]]]);
      expect(await refusals(app, list, { gid, except: address })).toEqual([['INVALID_INPUT', [['except']]]]);
      const checks = [
        { gid, address: 'anna', action: 'SEND' },
        { gid, address, action: 'SEND' },
      ];
      expect(await refusals(app, batch, { checks })).toEqual([['INVALID_INPUT', [['checks', '1', 'address']]]]);
    }
    expect(await reason(app, gid, 'x'.repeat(256), 'SEND')).toBe('no: NOT_A_MEMBER');
  });

  test('a message type below 0', async () => {
    const gid = await addGroup(app);
    expect(await refusals(app, permission, { gid, address: 'anna', type: -1 })).toEqual([['INVALID_INPUT', [['messageType']]]]);
    expect(await refusals(app, list, { gid, type: -1 })).toEqual([['INVALID_INPUT', [['messageType']]]]);
    const checks = [{ gid, address: 'anna', action: 'SEND', messageType: -1 }];
    expect(await refusals(app, batch, { checks })).toEqual([['INVALID_INPUT', [['checks', '0', 'messageType']]]]);
    // null takes the default.
    expect((await app.send(permission, { gid, address: 'anna', type: null })).errors).toBeUndefined();
  });

  test('1,001 checks, and none', async () => {
    const gid = await addGroup(app);
    const checks = Array.from({ length: 1_001 }, (_, index) => ({ gid, address: `member-${index}`, action: 'SEND' as const }));
    expect(await refusals(app, batch, { checks })).toEqual([['INVALID_INPUT', [['checks']]]]);
    const { permissions } = await app.call(PermissionsDocument, { checks: checks.slice(1) });
    expect(permissions).toHaveLength(1_000);
    expect(await app.call(PermissionsDocument, { checks: [] })).toEqual({ permissions: [] });
  });

  test('a page of a size that cannot be', async () => {
    const gid = await addGroup(app);
    for (const first of [0, -1, 1_001])
      expect(await refusals(app, list, { gid, first })).toEqual([['INVALID_INPUT', [['first']]]]);
  });
});

describe('permissions', () => {
  const ask = async (caller: Caller, gids: string[], address = 'anna') => {
    const checks = gids.map((gid) => ({ gid, address, action: 'SEND' as const }));
    const { permissions } = await caller.call(PermissionsDocument, { checks });
    return permissions.map((decision) => decision?.reason ?? null);
  };

  test('answers in the order of the checks, about many groups', async () => {
    const open = await addGroup(app, { permissions: { send: 'ANYONE' } });
    const closed = await addGroup(app);
    const home = await addGroup(app, { members: [{ addresses: ['anna'] }] });
    expect(await ask(app, [closed, home, open, closed, home])).toEqual([
      'NOT_A_MEMBER',
      'MEMBER',
      'ANYONE',
      'NOT_A_MEMBER',
      'MEMBER',
    ]);
  });

  test('a group of another app, a deleted one and one that never was are null alike', async () => {
    const foreign = await addGroup(await gateway.caller(), { permissions: { send: 'ANYONE' } });
    const deleted = await addGroup(app, { permissions: { send: 'ANYONE' } });
    await app.call(GroupDelDocument, { input: { gid: deleted } });
    expect(await ask(app, [foreign, deleted, '999', '9007199254740993', '-1', '01000', 'x', ''])).toEqual(Array(8).fill(null));
    const statements = async (gid: string) => recorder.during(() => ask(app, [gid]));
    const unknown = await statements('5000000');
    expect(await statements(foreign)).toEqual(unknown);
    expect(await statements('x')).toEqual(unknown);
  });

  test('a user asks about the groups it is in, and about itself where a level is ANYONE', async () => {
    const user = await app.user('anna');
    const home = await addGroup(app, { members: [{ addresses: ['anna'] }] });
    const closed = await addGroup(app, { members: [{ addresses: ['ben'] }] });
    const open = await addGroup(app, { permissions: { send: 'ANYONE' }, members: [{ addresses: ['ben'] }] });
    const calls = await addGroup(app, { permissions: { list: 'ANYONE' }, members: [{ addresses: ['ben'] }] });
    const turns = await addGroup(app, { permissions: { recv: 'ROUND_ROBIN' }, members: [{ addresses: ['ben'] }] });
    const gids = [home, closed, open, calls, turns];
    expect(await ask(user, gids)).toEqual(['MEMBER', null, 'ANYONE', 'NOT_A_MEMBER', null]);
    expect(await ask(user, gids, 'ben')).toEqual(['NOT_A_MEMBER', null, null, null, null]);
    expect((await user.call(PermissionDocument, { gid: open, address: 'anna', action: 'SEND' })).group).toBeNull();
    const statements = async (gid: string) => recorder.during(() => ask(user, [gid]));
    expect(await statements(closed)).toEqual(await statements('5000000'));
  });

  test('needs the scope READ', async () => {
    const { errors } = await (await app.user('anna', ['WRITE'])).send('{ permissions(checks: []) { allowed } }');
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'NOT_ALLOWED', right: 'READ' });
  });
});
