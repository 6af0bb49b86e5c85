/** Two gateways on one database, and what happens at the same time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, inject, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { createGateway } from '../../src/gateway.ts';
import {
  GroupAddDocument,
  type GroupAddInput,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
} from '../../src/generated/operations.ts';
import { editGroupMembers } from '../../src/groups/operations.ts';
import { atEnd } from '../setup/at-end.ts';
import { createViewer, openTestDatabase, sql, type TestDatabase } from '../setup/database.ts';
import { withClient } from '../setup/databases.ts';
import { eventually } from '../setup/eventually.ts';
import { type Caller, callerOf, openTestGateway, TEST_CONFIG } from '../setup/gateway.ts';
import { interrupted } from '../setup/interrupted.ts';
import { StatementRecorder } from '../setup/recorder.ts';

/** Its writers send as fast as they can. */
const UNMETERED = { ...TEST_CONFIG, userRate: Number.POSITIVE_INFINITY } as Config;

/** Another gateway on the same database, with a pool and queues of its own. */
function another(db: TestDatabase) {
  const other = db.openAnother();
  const gateway = createGateway({ db: other, log: pino({ level: 'silent' }), config: UNMETERED });
  atEnd(() => gateway.close());
  return { db: other, gateway, as: (caller: Caller) => callerOf(gateway, other, caller) };
}

const first = await openTestGateway({ config: UNMETERED });
const { db } = first;
const second = another(db);
const app = await first.caller();
const OWNER = { owner: true };

async function addGroup(input: GroupAddInput): Promise<string> {
  const { groupAdd } = await app.call(GroupAddDocument, { input });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return groupAdd.group.gid;
}
const edit = async (caller: Caller, input: GroupEditMembersInput) =>
  (await caller.call(GroupEditMembersDocument, { input })).groupEditMembers;
const owners = async (gid: string) =>
  (await sql<{ address: string }>(db, 'select address from members where gid = $1 and rights = 511', [Number(gid)])).map(
    ({ address }) => address,
  );

/** A version for each record, a count for each member. */
async function expectWhole(gid: string): Promise<void> {
  const query = `select version, member_count as count, (select count(*)::int from changes c where c.gid = g.gid) as records,
    (select max(version) from changes c where c.gid = g.gid) as last,
    (select count(*)::int from members m where m.gid = g.gid) as members from groups g where gid = $1`;
  const [row] = await sql<Record<'version' | 'count' | 'records' | 'last' | 'members', number>>(db, query, [Number(gid)]);
  expect(row?.records).toBe(row?.version);
  expect(row?.last).toBe(row?.version);
  expect(row?.members).toBe(row?.count);
}

describe('two owners', async () => {
  const anna = await app.user('anna');
  const bert = second.as(await app.user('bert'));
  const ROUNDS = 20;

  test('who remove each other at once: one of them stays', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const gid = await addGroup({ members: [{ addresses: ['anna', 'bert'], admin: OWNER }] });
      const answers = await Promise.all([edit(anna, { gid, remove: ['bert'] }), edit(bert, { gid, remove: ['anna'] })]);
      const types = answers.map(({ __typename }) => __typename);
      expect([...types].sort()).toEqual(['GroupEditMembersPayload', 'GroupNotFound']);
      expect(await owners(gid)).toEqual([types[0] === 'GroupEditMembersPayload' ? 'anna' : 'bert']);
      await expectWhole(gid);
    }
  });

  test.each<[string, (self: string) => Omit<GroupEditMembersInput, 'gid'>]>([
    ['leave', (self) => ({ remove: [self] })],
    ['give up ownership', (self) => ({ update: [{ addresses: [self], admin: { owner: false } }] })],
  ])('who both %s at once: one of them stays', async (_, input) => {
    for (let round = 0; round < ROUNDS; round++) {
      const gid = await addGroup({ members: [{ addresses: ['anna', 'bert'], admin: OWNER }] });
      const answers = await Promise.all([edit(anna, { gid, ...input('anna') }), edit(bert, { gid, ...input('bert') })]);
      expect(answers.map(({ __typename }) => __typename).sort()).toEqual(['GroupEditMembersPayload', 'LastOwner']);
      expect(await owners(gid)).toHaveLength(1);
      await expectWhole(gid);
    }
  });
});

test('an admin who loses a right while using it: nothing is done with it behind the record that took it', async () => {
  const owner = second.as(await app.user('anna'));
  const admin = await app.user('carl');
  for (let round = 0; round < 5; round++) {
    const members = [
      { addresses: ['anna'], admin: OWNER },
      { addresses: ['carl'], admin: { addUser: true, modify: true } },
    ];
    const gid = await addGroup({ members });
    const use = async (index: number) => {
      const added = await edit(admin, { gid, add: [{ addresses: [`new${index}`] }] });
      const { groupSet } = await admin.call(GroupSetDocument, { input: { gid, name: `name${index}` } });
      return [added.__typename, groupSet.__typename];
    };
    const uses = Promise.all(Array.from({ length: 20 }, (_, index) => use(index)));
    await sleep(round * 10);
    const taken = await edit(owner, { gid, update: [{ addresses: ['carl'], admin: { addUser: false, modify: false } }] });
    expect(taken).toMatchObject({ updated: 1 });
    const answers = (await uses).flat();
    expect(answers.filter((type) => !/^(Group\w+Payload|NotAllowed)$/.test(type))).toEqual([]);
    expect(answers).toContain('NotAllowed');

    const records = await sql<{ kind: number; actor: string | null; version: number }>(
      db,
      'select kind, actor, version from changes where gid = $1 order by version',
      [Number(gid)],
    );
    const takenAt = records.find(({ kind, actor }) => kind === 7 && actor === 'anna')?.version ?? 0;
    expect(takenAt).toBeGreaterThan(0);
    expect(records.filter(({ actor, version }) => actor === 'carl' && version > takenAt)).toEqual([]);
    const successes = answers.filter((type) => type.endsWith('Payload')).length;
    expect(records.filter(({ actor }) => actor === 'carl')).toHaveLength(successes);
    await expectWhole(gid);
  }
});

test('who becomes a member between the lock, which it does not get, and the reading writes nothing', async () => {
  const gid = await addGroup({
    members: [
      { addresses: ['anna'], admin: OWNER },
      { addresses: ['emil'], admin: { addUser: true } },
    ],
  });
  const { viewer } = await app.user('emil');
  // It is let into the queue as a member, is none when the lock is its, and an owner as soon as it was refused.
  const gone = interrupted(db, 'group_seen_by_user', () => edit(second.as(app), { gid, remove: ['emil'] }));
  const back = interrupted(gone, 'group_lock_of_member', () =>
    edit(second.as(app), { gid, add: [{ addresses: ['emil'], admin: OWNER }] }),
  );
  await expect(editGroupMembers(back, viewer, { gid, remove: ['anna'] })).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
  expect((await owners(gid)).sort()).toEqual(['anna', 'emil']);
  await expectWhole(gid);
  expect(await editGroupMembers(db, viewer, { gid, remove: ['anna'] })).toMatchObject({ removed: 1 });
});

test('a token that is revoked during its bulk add: all of it is there, or nothing', async () => {
  const addresses = Array.from({ length: 30_000 }, (_, index) => `m${index}`);
  for (const wait of [0, 30, 150]) {
    const gid = await addGroup({ members: [{ addresses: ['dora'], admin: OWNER }] });
    const dora = await app.user('dora');
    const adding = dora.send(
      `mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { ... on GroupEditMembersPayload { added } } }`,
      { input: { gid, add: [{ addresses }] } },
    );
    await sleep(wait);
    const revoked = second.as(app).send(`mutation { tokenRevoke(id: "${dora.viewer.token.id}") { __typename } }`);
    expect((await revoked).data?.tokenRevoke).toEqual({ __typename: 'TokenRevokePayload' });
    const { status, data } = await adding;
    const [row] = await sql<{ count: number }>(db, 'select count(*)::int as count from members where gid = $1', [Number(gid)]);
    expect(row?.count).toBe(status === 200 ? 30_001 : 1);
    expect(data?.groupEditMembers ?? {}).toEqual(status === 200 ? { added: 30_000 } : {});
    await expectWhole(gid);
    await sleep(1_000);
    expect((await dora.send('{ viewer { address } }')).status).toBe(401);
  }
});

const statusOf = async (caller: Caller) => (await caller.send('{ viewer { address } }')).status;

test('a token that is being revoked makes no successor: it waits, and is refused', async () => {
  const { data } = await app.send('mutation { tokenAdd(input: {}) { ... on TokenAddPayload { secret token { id } } } }');
  const { secret, token } = data?.tokenAdd ?? {};
  const caller = { ...app, ...callerOf(first, db, { viewer: app.viewer, token: secret }) };
  const count = async () => (await sql(db, 'select from tokens where app_id = $1', [app.viewer.appId])).length;
  const before = await count();
  let made: Promise<unknown> | undefined;
  await db.transaction(async (tx) => {
    await sql(tx, 'update tokens set revoked_at = clock_timestamp() where id = $1', [token.id]);
    made = caller.send('mutation { tokenAdd(input: {}) { __typename ... on NotAllowed { right } } }');
    await sleep(300);
  });
  expect(await made).toEqual({ status: 200, data: { tokenAdd: { __typename: 'NotAllowed', right: 'TOKENS' } } });
  expect(await count()).toBe(before);
});

describe('a revoked token', () => {
  test('a hint has the counter read at once, beside the readings twice a second', async () => {
    const recorder = new StatementRecorder();
    const other = db.openAnother({ observe: recorder.observe });
    const gateway = createGateway({ db: other, log: pino({ level: 'silent' }), config: UNMETERED });
    atEnd(() => gateway.close());
    for (let n = 0; n < 200; n++) void other.hints.publishRevocation(false);
    // In ten seconds the loop alone comes to twenty.
    await eventually(
      () => recorder.statements.filter(({ name }) => name === 'token_revocations').length,
      (count) => count >= 200,
    );
  });

  test('is let in nowhere after a second, whichever gateway revoked it', async () => {
    for (const revoke of [
      (caller: Caller) => app.send(`mutation { tokenRevoke(id: "${caller.viewer.token.id}") { __typename } }`),
      () => second.as(app).send('mutation { tokenRevokeAll(address: "emil") { __typename } }'),
      (caller: Caller) => second.as(caller).send(`mutation { tokenRevoke(id: "${caller.viewer.token.id}") { __typename } }`),
    ]) {
      const emil = await app.user('emil');
      const everywhere = [emil, second.as(emil)];
      for (const caller of everywhere) expect(await statusOf(caller)).toBe(200);
      await revoke(emil);
      await sleep(1_000); // and then nobody trusts what was known before, however busy the machine is
      expect(await Promise.all(everywhere.map(statusOf))).toEqual([401, 401]);
    }
  });
});

test('while PostgreSQL takes no connections nobody gets in; afterwards who may does', async () => {
  await using own = await openTestDatabase();
  const here = another(own);
  const name = new URL(own.url).pathname.slice(1);
  const server = inject('postgres').url;
  const caller = callerOf(here.gateway, own, await createViewer(own));
  expect(await statusOf(caller)).toBe(200);
  await withClient(server, async (client) => {
    await client.query(`alter database ${name} allow_connections false`);
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  });
  await sleep(1_000);
  for (let i = 0; i < 5; i++) expect(await statusOf(caller)).not.toBe(200);
  await withClient(server, (client) => client.query(`alter database ${name} allow_connections true`));
  await eventually(
    () => statusOf(caller),
    (each) => each === 200,
  );
});
