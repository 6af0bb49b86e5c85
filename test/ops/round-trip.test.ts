/**
 * What a read answers, sent back as it is, changes nothing and writes no record; but for a member that is an admin and lacks
 * a right of that role.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BEGINNING, command, membersInput, onWire, settingsInput } from './commands.ts';
import { type Json, type OpApp, openOps } from './setup.ts';

const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const ops = await openOps();

const ROLE_OF_ADMIN = ['modify', 'adduser', 'remuser', 'addadmin', 'remadmin'];
/** Whether a row of rights sent back gives some: beside a role a false says nothing. */
const givesMore = (admin: Json) => admin['admin'] && ROLE_OF_ADMIN.some((right) => !admin[right]);

async function comesBack(app: OpApp, gid: number): Promise<void> {
  const before = await app.state(gid);
  const read = await app.json({ op: 'groupget', group: { gid } });
  expect(await app.json({ op: 'groupset', group: read['group'] })).toEqual({ op: 'groupset', result: true, group: { gid } });
  const { members } = await app.json({ op: 'groupgetmembers', group: { gid }, count: 1_000 });
  for (const { address: m, permissions, admin } of members) {
    const group = { gid, members: { m, permissions, admin: givesMore(admin) ? undefined : admin } };
    expect(await app.json({ op: 'groupeditmembers', group })).toEqual({ op: 'groupeditmembers', result: true, group: { gid } });
  }
  expect(await app.state(gid)).toEqual(before);
  expect(await app.json({ op: 'groupget', group: { gid } })).toEqual(read);
}

test(`groups that any sequence of ops left (seed ${SEED})`, async () => {
  let groups = 0;
  const property = fc.asyncProperty(fc.array(command, { minLength: 4, maxLength: 10, size: 'max' }), async (commands) => {
    const app = await ops.app();
    const gids: number[] = [];
    for (const given of [...BEGINNING, ...commands]) {
      const wire = onWire(given, given.op === 'groupadd' ? 0 : (gids[given.group] ?? 1));
      const { op, group } = await ('json' in wire ? app.json(wire.json) : app.form(wire.form));
      if (op === 'groupadd') gids.push(group.gid);
    }
    const { groups: left } = await app.json({ op: 'groupsget', count: 100 });
    for (const { gid } of left) await comesBack(app, gid);
    groups += left.length;
  });
  await fc.assert(property, { seed: SEED, numRuns: 15 });
  console.log(`seed ${SEED}: ${groups} groups came back`);
  expect(groups).toBeGreaterThan(10);
}, 120_000);

const ADD = 'mutation ($input: GroupAddInput!) { groupAdd(input: $input) { ... on GroupAddPayload { group { gid } } } }';
const SET = 'mutation ($input: GroupSetInput!) { groupSet(input: $input) { __typename } }';

test.each<[string, Json, Json?]>([
  ['no name', { name: null }],
  ['an empty name', { name: '' }],
  ['a name of blanks', { name: '   ' }],
  ['call flags below zero', { callSettings: { flags: -1, resolution: 'NHD', maxDuration: 1 } }],
  ['the largest call settings', { callSettings: { flags: 2 ** 31 - 1, resolution: 'P180', maxDuration: 2 ** 31 - 1 } }],
  ['the longest validity', { validity: { start: 2 ** 31 - 1, duration: 2 ** 31 - 1, extension: 2 ** 31 - 1 } }],
  ['a group that has expired', { validity: { duration: 1 } }],
  ['every flag', { flags: 0x622ea }],
  ['sets of message types', settingsInput({ flags: 0x2121 }, 0), { messageType: 7, permissions: { send: 'SELECTED' } }],
  ['an owner', { members: [membersInput({ addresses: ['ann', '😀'], admin: { owner: true } }, 0)] }],
])('%s', async (_, input, then) => {
  const app = await ops.app();
  const { data } = await app.send(ADD, { input });
  const gid = Number(data?.['groupAdd'].group.gid);
  if (then)
    expect((await app.send(SET, { input: { gid: String(gid), ...then } })).data?.['groupSet'].__typename).toBe('GroupSetPayload');
  if (input['validity']?.duration === 1) await expired(app, gid);
  await comesBack(app, gid);
});

test('the row of an admin that lacks a right gives that right again', async () => {
  const app = await ops.app();
  const { gid } = (await app.json({ op: 'groupadd', group: { members: { m: 'ann', admin: { admin: true } } } }))['group'];
  const edit = (members: Json) => app.json({ op: 'groupeditmembers', group: { gid, members: { m: 'ann', ...members } } });
  const rights = async () => (await app.json({ op: 'groupgetmembers', group: { gid } }))['members'][0].admin;
  const whole = await rights();
  await edit({ admin: { modify: false, remadmin: false } });
  const admin = await rights();
  expect(admin).toEqual({ ...whole, modify: false, remadmin: false });
  await comesBack(app, gid);
  expect(await edit({ admin })).toMatchObject({ result: true });
  expect(await rights()).toEqual(whole);
});

/** Until the group's expiry is past and recorded. */
async function expired(app: OpApp, gid: number): Promise<void> {
  while ((await app.state(gid)).version < 2) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await app.json({ op: 'groupset', group: { gid } });
  }
}
