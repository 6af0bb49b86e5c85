import { expect, test } from 'vitest';
import {
  GroupAddDocument,
  GroupByGidDocument,
  GroupEditMembersDocument,
  type GroupEditMembersInput,
  GroupSetDocument,
} from '../../src/generated/operations.ts';
import { openTestDatabase, sql } from '../setup/database.ts';
import { type Caller, callerOf, gatewayOn } from '../setup/gateway.ts';

const WRITERS = 16;
const WRITES = 12;

const db = await openTestDatabase({ poolSize: 20 });
const gateway = gatewayOn(db);
const app = await gateway.caller();
/** The same app as other gateways on the same PostgreSQL serve it. */
const others = Array.from({ length: WRITERS }, () => {
  const another = { ...db, ...db.openAnother({ poolSize: 2 }) };
  return callerOf(gatewayOn(another), another, app);
});
const SETUPS: [string, Caller[]][] = [
  ['16 gateways', others],
  ['one gateway', Array(WRITERS).fill(app)],
];

async function addGroup(caller: Caller = app): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input: {} });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(groupAdd));
  return groupAdd.group.gid;
}

async function edit(caller: Caller, input: GroupEditMembersInput) {
  const { groupEditMembers } = await caller.call(GroupEditMembersDocument, { input });
  if (groupEditMembers.__typename !== 'GroupEditMembersPayload') throw new Error(JSON.stringify(groupEditMembers));
  return groupEditMembers;
}

interface CommitRecord {
  gid: number;
  version: number;
  xid: number;
  id: number;
  member_count: number;
}

/** The records of groups in the order of commits. */
function recordsOf(gids: readonly string[]): Promise<CommitRecord[]> {
  return sql<CommitRecord>(
    db,
    'select gid, version, xid, id, member_count from changes where gid = any($1::bigint[]) order by generation, xid, id',
    [gids],
  );
}

/** The records that, in this order, do not come right behind the version before theirs. */
function misplaced(records: readonly CommitRecord[]): CommitRecord[] {
  const versions = new Map<number, number>();
  return records.filter(({ gid, version }) => {
    const before = versions.get(gid) ?? 0;
    versions.set(gid, version);
    return version !== before + 1;
  });
}

/** The group, its rows and its log agree. */
async function expectWhole(gid: string, version: number, members: readonly string[]): Promise<void> {
  const { group } = await app.call(GroupByGidDocument, { gid });
  expect([group?.version, group?.memberCount]).toEqual([version, members.length]);
  const rows = await sql<{ address: string }>(db, 'select address from members where gid = $1 order by join_number', [gid]);
  expect(rows.map(({ address }) => address).toSorted()).toEqual(members.toSorted());
  const records = await recordsOf([gid]);
  expect(records.map((record) => record.version)).toEqual(Array.from({ length: version }, (_, index) => index + 1));
  expect(records.at(-1)?.member_count).toBe(members.length);
}

/** Adds a member with each write and, with every third, removes the first that is left of its own. Gives those who stay. */
async function write(caller: Caller, gid: string, name: string): Promise<{ staying: string[]; versions: number[] }> {
  const staying: string[] = [];
  const versions: number[] = [];
  for (let index = 0; index < WRITES; index++) {
    const remove = index % 3 === 2 ? staying.splice(0, 1) : [];
    const add = remove.length > 0 ? [] : [{ addresses: [`${name}.${index}`] }];
    const { added, removed, group } = await edit(caller, { gid, add, remove });
    expect([added, removed]).toEqual([add.length, remove.length]);
    if (added > 0) staying.push(`${name}.${index}`);
    versions.push(group.version);
  }
  return { staying, versions };
}

test.each(SETUPS)('16 writers on one group, %s: every write gets the next version', async (_, callers) => {
  const gid = await addGroup();
  const written = await Promise.all(callers.map((caller, index) => write(caller, gid, `w${index}`)));
  const last = 1 + WRITERS * WRITES;
  const versions = written.flatMap((each) => each.versions).toSorted((a, b) => a - b);
  expect(versions).toEqual(Array.from({ length: last - 1 }, (_, index) => index + 2));
  for (const each of written) expect(each.versions).toEqual(each.versions.toSorted((a, b) => a - b));
  await expectWhole(
    gid,
    last,
    written.flatMap(({ staying }) => staying),
  );
});

test.each(SETUPS)('16 writers on 16 groups and on one, %s: the order of commits is that of the versions', async (_, callers) => {
  const shared = await addGroup();
  const own = await Promise.all(callers.map((caller) => addGroup(caller)));
  const written = await Promise.all(
    callers.map(async (caller, index) => {
      const gid = own[index] as string;
      const [here, there] = [await write(caller, gid, 'own'), await write(caller, shared, `w${index}`)];
      await caller.call(GroupSetDocument, { input: { gid, name: 'done' } });
      return { gid, here, there };
    }),
  );
  const records = await recordsOf([shared, ...own]);
  expect(records).toHaveLength(1 + WRITERS * (1 + WRITES + WRITES + 1));
  expect(misplaced(records)).toEqual([]);
  for (const { gid, here } of written) await expectWhole(gid, 1 + WRITES + 1, here.staying);
  await expectWhole(
    shared,
    1 + WRITERS * WRITES,
    written.flatMap(({ there }) => there.staying),
  );
});

test('the check of the order sees two neighbours that are swapped, a gap and a record that comes twice', async () => {
  const gid = await addGroup();
  for (let index = 0; index < 5; index++) await edit(app, { gid, add: [{ addresses: [`a${index}`] }] });
  const records = await recordsOf([gid]);
  expect(records).toHaveLength(6);
  expect(misplaced(records)).toEqual([]);
  for (let place = 1; place < records.length; place++) {
    const swapped = records.toSpliced(place - 1, 2, ...records.slice(place - 1, place + 1).toReversed());
    expect(misplaced(swapped)).not.toEqual([]);
    expect(misplaced(records.toSpliced(place - 1, 1))).not.toEqual([]);
    expect(misplaced(records.toSpliced(place, 0, records[place] as CommitRecord))).not.toEqual([]);
  }
});

test('of 16 writers that expect the same version, one writes', async () => {
  const gid = await addGroup();
  for (let version = 1; version <= 5; version++) {
    const answers = await Promise.all(
      others.map((caller, index) =>
        caller.call(GroupSetDocument, { input: { gid, name: `${version}.${index}`, ifVersion: version } }),
      ),
    );
    const [first, ...rest] = answers.map(({ groupSet }) => groupSet).toSorted((a, b) => (a.__typename < b.__typename ? -1 : 1));
    const { group } = await app.call(GroupByGidDocument, { gid });
    expect(first).toMatchObject({ __typename: 'GroupSetPayload', group: { name: group?.name, version: version + 1 } });
    expect(rest).toHaveLength(15);
    for (const answer of rest) expect(answer).toMatchObject({ __typename: 'VersionConflict', currentVersion: version + 1 });
  }
});

test('the same idempotency key on several gateways at once has one effect', async () => {
  const callers = others.slice(0, 4);
  for (let round = 0; round < 8; round++) {
    const idempotencyKey = `round ${round}`;
    const input = { name: `the only one of ${idempotencyKey}`, members: [{ addresses: ['anna'] }], idempotencyKey };
    const groups = await Promise.all(callers.map((caller) => caller.call(GroupAddDocument, { input })));
    const [group] = groups.map(({ groupAdd }) => groupAdd);
    if (group?.__typename !== 'GroupAddPayload') throw new Error(JSON.stringify(group));
    expect(groups).toEqual(Array(4).fill({ groupAdd: group }));
    const made = await sql(db, 'select gid from groups where name = $1', [input.name]);
    expect(made).toEqual([{ gid: Number(group.group.gid) }]);

    const change = { gid: group.group.gid, add: [{ addresses: ['bert', 'carl'] }], remove: ['anna', 'nobody'], idempotencyKey };
    const edits = await Promise.all(callers.map((caller) => edit(caller, change)));
    const { cursor } = edits[0] as (typeof edits)[number];
    for (const answer of edits) expect(answer).toMatchObject({ cursor, added: 2, updated: 0, removed: 1, unchanged: 0 });
    await expectWhole(change.gid, 4, ['bert', 'carl']); // added, with anna, without her, with the others
  }
});

test('of two inputs under one key at once, one is written and the other conflicts', async () => {
  for (let round = 0; round < 8; round++) {
    const gid = await addGroup();
    const names = others.slice(0, 4).map((_, index) => `${round}.${index % 2}`);
    const answers = await Promise.all(
      names.map((name, index) =>
        (others[index] as Caller).call(GroupSetDocument, { input: { gid, name, idempotencyKey: `set ${round}` } }),
      ),
    );
    const { group } = await app.call(GroupByGidDocument, { gid });
    expect(group?.version).toBe(2);
    expect(names).toContain(group?.name);
    expect(answers.map(({ groupSet }) => groupSet.__typename)).toEqual(
      names.map((name) => (name === group?.name ? 'GroupSetPayload' : 'IdempotencyConflict')),
    );
  }
});
