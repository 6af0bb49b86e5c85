import { describe, expect, test } from 'vitest';
import { AllowedDocument, GroupDelDocument, GroupSetDocument } from '../src/generated/operations.ts';
import { addGroup, allowed, type RouteInput, route } from './setup/asking.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const app = await gateway.caller();

const addresses = (routed: Awaited<ReturnType<typeof route>>) =>
  routed.__typename === 'RoutedMessage' ? routed.recipients.edges.map(({ node }) => node.address) : routed.__typename;

/** All that routing may write, in the whole database. */
async function written(): Promise<unknown> {
  const tables = ['groups', 'changes', 'members', 'routing_turns', 'routed_messages', 'idempotency_keys'];
  return Promise.all(tables.map((table) => sql(gateway.db, `select t::text from ${table} t order by 1`)));
}

describe('where a message goes', () => {
  test('to all who may receive but the sender', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna', 'ben', 'cleo'] }] });
    const routed = await route(app, gid, { from: 'ben' });
    expect(routed).toMatchObject({ __typename: 'RoutedMessage', store: true, loopback: false, receiver: null });
    expect(addresses(routed)).toEqual(['anna', 'cleo']);
  });

  test('stored or not, with a copy for the sender or not', async () => {
    const gid = await addGroup(app, { storesMessages: false, loopsBack: true, members: [{ addresses: ['anna', 'ben'] }] });
    const routed = await route(app, gid, { from: 'ben' });
    expect(routed).toMatchObject({ store: false, loopback: true });
    expect(addresses(routed)).toEqual(['anna']);
  });

  test('page by page, the later ones from allowed with the same cursors', async () => {
    const all = Array.from({ length: 7 }, (_, index) => `m${index}`);
    const gid = await addGroup(app, { members: [{ addresses: all }] });
    const routed = await route(app, gid, { from: 'm1' }, 3);
    if (routed.__typename !== 'RoutedMessage') throw new Error(routed.__typename);
    expect(addresses(routed)).toEqual(['m0', 'm2', 'm3']);
    expect(routed.recipients.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const after = routed.recipients.pageInfo.endCursor;
    const { group } = await app.call(AllowedDocument, { gid, action: 'RECV', except: 'm1', after });
    expect(group?.allowed.edges.map(({ node }) => node.address)).toEqual(['m4', 'm5', 'm6']);
  });

  test('with a message type to those whom both sets let receive', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna', 'ben', 'cleo'] }] });
    const members = [{ addresses: ['anna', 'ben'] }];
    await app.call(GroupSetDocument, { input: { gid, messageType: 7, permissions: { recv: 'SELECTED' }, members } });
    expect(addresses(await route(app, gid, { from: 'anna', messageType: 7 }))).toEqual(['ben']);
    expect(addresses(await route(app, gid, { from: 'anna', messageType: 8 }))).toEqual(['ben', 'cleo']);
    // The gateway knows who is online only where it chooses one.
    expect(addresses(await route(app, gid, { from: 'anna', among: ['cleo'] }))).toEqual(['ben', 'cleo']);
  });

  test('from outside, where anyone may send', async () => {
    const gid = await addGroup(app, { permissions: { send: 'ANYONE' }, members: [{ addresses: ['anna'] }] });
    expect(addresses(await route(app, gid, { from: 'a guest' }))).toEqual(['anna']);
  });
});

describe('a refusal', () => {
  const REFUSED: [string, string, RouteInput][] = [
    ['paused', 'GROUP_PAUSED', { from: 'anna' }],
    ['scheduled', 'GROUP_NOT_STARTED', { from: 'anna' }],
    ['expired', 'GROUP_EXPIRED', { from: 'anna' }],
    ['closed', 'NOT_A_MEMBER', { from: 'a guest' }],
    ['closed', 'NOT_SELECTED', { from: 'ben' }],
    ['closed', 'MESSAGE_TYPE_NOT_SELECTED', { from: 'anna', messageType: 7 }],
  ];

  test('bears the decision and writes nothing', async () => {
    // Where a yes would take a turn, keep the id and extend the validity.
    const input = { permissions: { recv: 'ROUND_ROBIN' as const }, members: [{ addresses: ['anna', 'cleo'] }] };
    const validity = { duration: 60, extension: 3600 };
    const gids: Record<string, string> = {
      paused: await addGroup(app, { ...input, validity, active: false }),
      scheduled: await addGroup(app, { ...input, validity: { ...validity, start: 3600 } }),
      expired: await addGroup(app, { ...input, validity }),
      closed: await addGroup(app, {
        validity,
        permissions: { send: 'SELECTED', recv: 'ROUND_ROBIN' },
        members: [...input.members, { addresses: ['ben'], permissions: { send: false } }],
      }),
    };
    await app.call(GroupSetDocument, {
      input: { gid: gids['closed'] as string, messageType: 7, permissions: { send: 'SELECTED' } },
    });
    await sql(
      gateway.db,
      'update groups set starts_at = starts_at - $2::int * interval $$1 second$$, expires_at = clock_timestamp() where gid = $1',
      [gids['expired'], 7200],
    );
    const before = await written();
    for (const [group, reason, message] of REFUSED) {
      const routed = await route(app, gids[group] as string, { ...message, idempotencyKey: `${group} ${reason}` });
      expect(routed).toMatchObject({
        __typename: 'MessageRefused',
        code: 'MESSAGE_REFUSED',
        decision: { allowed: false, reason },
      });
    }
    expect(await written()).toEqual(before);
    // The same, where it is not refused, does write.
    await route(app, gids['closed'] as string, { from: 'anna', idempotencyKey: 'x' });
    expect(await written()).not.toEqual(before);
  });

  test('of a user: routing is for applications', async () => {
    const gid = await addGroup(app, { members: [{ addresses: ['anna', 'ben'] }] });
    const before = await written();
    const user = await app.user('anna');
    expect(await route(user, gid, { from: 'anna' })).toMatchObject({ __typename: 'NotAllowed', right: 'application' });
    const reader = await app.user('anna', ['READ']);
    expect(await route(reader, gid, { from: 'anna' })).toMatchObject({ __typename: 'NotAllowed', right: 'WRITE' });
    expect(await written()).toEqual(before);
  });

  test('of a group of another app, a deleted one and one that never was', async () => {
    const foreign = await addGroup(await gateway.caller(), { permissions: { send: 'ANYONE' } });
    const deleted = await addGroup(app, { permissions: { send: 'ANYONE' } });
    await app.call(GroupDelDocument, { input: { gid: deleted } });
    const refused = (gid: string) => route(app, gid, { from: 'anna', idempotencyKey: 'k' });
    const statements = await recorder.during(() => refused('5000000'));
    for (const gid of [foreign, deleted, '5000000', '1', '-5', 'x', '']) {
      expect(await refused(gid)).toMatchObject({ __typename: 'GroupNotFound', gid, message: 'There is no such group' });
      expect(await recorder.during(() => refused(gid))).toEqual(statements);
    }
  });

  test('of bad input, with the path of each wrong value', async () => {
    const gid = await addGroup(app, { permissions: { recv: 'ROUND_ROBIN', send: 'ANYONE' }, members: [{ addresses: ['anna'] }] });
    const before = await written();
    const wrong: [Partial<RouteInput>, string[]][] = [
      [{ from: '' }, ['input', 'from']],
      [{ from: 'a,b' }, ['input', 'from']],
      [{ messageType: -1 }, ['input', 'messageType']],
      [{ among: ['ben', 'b en ', 'cleo'] }, ['input', 'among', '1']],
      [{ among: ['ben', 'ben'] }, ['input', 'among', '1']],
      [{ among: null }, ['input', 'among']],
      [{ among: Array.from({ length: 5_001 }, (_, index) => `m${index}`) }, ['input', 'among']],
      [{ idempotencyKey: '' }, ['input', 'idempotencyKey']],
      [{ idempotencyKey: 'ä' }, ['input', 'idempotencyKey']],
      [{ idempotencyKey: 'x'.repeat(256) }, ['input', 'idempotencyKey']],
    ];
    for (const [part, path] of wrong) {
      expect(await route(app, gid, { from: 'dora', ...part })).toMatchObject({ __typename: 'InvalidInput', issues: [{ path }] });
    }
    expect(await written()).toEqual(before);
    expect(await route(app, gid, { from: 'dora', messageType: null })).toMatchObject({ __typename: 'RoutedMessage' });
  });
});

test('a fixed number of statements, whatever the size of the group', async () => {
  const counts = [3, 300].map(async (size) => {
    const members = [{ addresses: Array.from({ length: size }, (_, index) => `m${index}`) }];
    const plain = await addGroup(app, { members });
    const turns = await addGroup(app, { members, permissions: { recv: 'ROUND_ROBIN' } });
    return [
      await recorder.during(() => route(app, plain, { from: 'm1' })),
      await recorder.during(() => route(app, turns, { from: 'm1' })),
      await recorder.during(() => route(app, turns, { from: 'm1', idempotencyKey: `k${size}` })),
      await recorder.during(() => route(app, turns, { from: 'm1', idempotencyKey: `k${size}` })),
    ];
  });
  const expected = [
    ['groups_find_one', 'standing_find_one', 'allowed_all'],
    ['groups_find_one', 'standing_find_one', 'turn_lock', 'turn_claim_all'],
    [
      'message_find',
      'groups_find_one',
      'standing_find_one',
      'message_lock',
      'message_find',
      'turn_lock',
      'turn_claim_all',
      'message_keep',
    ],
    ['message_find', 'groups_find_one', 'member_find_one'],
  ];
  expect(await Promise.all(counts)).toEqual([expected, expected]);
});

test('a message without a receiver in turn writes nothing', async () => {
  const gid = await addGroup(app, { members: [{ addresses: ['anna', 'ben'] }] });
  const before = await written();
  await route(app, gid, { from: 'anna' });
  expect(await allowed(app, gid, 'RECV')).toEqual(['anna', 'ben']);
  expect(await written()).toEqual(before);
});
