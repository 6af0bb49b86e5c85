import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { GroupFieldsFragment, ValidityInput } from '../src/generated/operations.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { answered, operationsOf } from './setup/operations.ts';
import { changesOf, writesNothing } from './setup/rows.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const caller = await gateway.caller();
const { make, set, change, del, edit, read } = operationsOf(caller);

const MAX = 2 ** 31 - 1;
const DAY = 24 * 60 * 60;
const seconds = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000;

/** Waits until the database's clock has passed a time. */
async function passed(time: string): Promise<void> {
  const text = 'select clock_timestamp() > $1::timestamptz as passed';
  while (!(await sql<{ passed: boolean }>(db, text, [time]))[0]?.passed) await sleep(20);
}

/** When the group's start and expiry are to be recorded. */
async function dueOf(gid: string) {
  const text = 'select start_due as start, expiry_due as expiry from groups where gid = $1';
  const [row] = await sql<{ start: Date | null; expiry: Date | null }>(db, text, [gid]);
  return { start: row?.start?.toISOString() ?? null, expiry: row?.expiry?.toISOString() ?? null };
}

const kindsOf = async (gid: string) => (await changesOf(db, gid)).map(({ kind }) => kind);

/** Start and length after a change, in seconds; `fromNow`: the start counted from the change. */
function spans({ validity, updatedAt }: GroupFieldsFragment) {
  return {
    fromNow: seconds(updatedAt, validity.startsAt),
    length: seconds(validity.startsAt, validity.expiresAt),
    left: seconds(updatedAt, validity.expiresAt),
  };
}

describe('a group that has started', () => {
  test.each<[ValidityInput, object, string[]]>([
    [{ start: 50 }, { fromNow: 50, length: DAY }, ['validity.startsAt', 'validity.expiresAt']],
    [{ start: 50, duration: 10 }, { fromNow: 50, length: 10 }, ['validity.startsAt', 'validity.expiresAt']],
    [{ start: MAX, duration: MAX }, { fromNow: MAX, length: MAX }, ['validity.startsAt', 'validity.expiresAt']],
    [{ duration: 3600 }, { left: 3600 }, ['validity.expiresAt']],
    [{ start: 0, duration: 3600 }, { left: 3600 }, ['validity.expiresAt']],
    [{ duration: MAX }, { left: MAX }, ['validity.expiresAt']],
  ])('%j', async (validity, expected, changed) => {
    const before = await make({ validity: { duration: DAY, extension: 5 } });
    const group = await change({ gid: before.gid, validity });
    expect(spans(group)).toMatchObject(expected);
    if (!changed.includes('validity.startsAt')) expect(group.validity.startsAt).toBe(before.validity.startsAt);
    expect(group.validity.extension).toBe(5);
    expect((await changesOf(db, group.gid, 1)).map(({ data }) => data.changed)).toEqual([changed]);
  });

  test.each<ValidityInput>([{ start: 0 }, { duration: 0 }, { start: 0, duration: 0, extension: 5 }])(
    '%j changes nothing',
    async (validity) => {
      const before = await make({ validity: { duration: DAY, extension: 5 } });
      await passed(before.validity.startsAt);
      const group = await writesNothing(db, caller.viewer, () => change({ gid: before.gid, validity }));
      expect(group).toEqual(before);
    },
  );
});

describe('a group that has not started', () => {
  test.each<[ValidityInput, object]>([
    [{ start: 0 }, { fromNow: 0, length: 10 }],
    [
      { start: 0, duration: 30 },
      { fromNow: 0, length: 30 },
    ],
    [{ start: 700 }, { fromNow: 700, length: 10 }],
    [
      { start: 700, duration: 0 },
      { fromNow: 700, length: 10 },
    ],
  ])('%j', async (validity, expected) => {
    const { gid } = await make({ validity: { start: 500, duration: 10 } });
    const group = await change({ gid, validity });
    expect(spans(group)).toMatchObject(expected);
    expect(group.state).toBe(validity.start === 0 ? 'ACTIVE' : 'SCHEDULED');
  });

  test('duration alone counts from the start', async () => {
    const before = await make({ validity: { start: 500, duration: 10 } });
    const group = await change({ gid: before.gid, validity: { duration: 99 } });
    expect(group.validity.startsAt).toBe(before.validity.startsAt);
    expect(spans(group).length).toBe(99);
  });

  test('started early by start: 0, no start is due any more', async () => {
    const { gid } = await make({ validity: { start: 500, duration: 10 } });
    const { validity } = await change({ gid, validity: { start: 0 } });
    expect(await dueOf(gid)).toEqual({ start: null, expiry: validity.expiresAt });
  });

  test('put off, it is due at the new time', async () => {
    const { gid, validity } = await make({ validity: { start: 500, duration: 10 } });
    expect(await dueOf(gid)).toEqual({ start: validity.startsAt, expiry: validity.expiresAt });
    const later = await change({ gid, validity: { start: 900 } });
    expect(await dueOf(gid)).toEqual({ start: later.validity.startsAt, expiry: later.validity.expiresAt });
  });
});

describe('extension', () => {
  test.each([
    [60, 60],
    [MAX, MAX],
    [0, null],
    [null, null],
  ])('%s reads as %s', async (extension, expected) => {
    const before = await make({ validity: { extension: 5 } });
    const group = await change({ gid: before.gid, validity: { extension } });
    expect(group.validity).toEqual({ ...before.validity, extension: expected });
    expect((await changesOf(db, group.gid, 1)).map(({ data }) => data.changed)).toEqual([['validity.extension']]);
  });
});

// These wait for the clock, so they wait together.
describe.concurrent('what is due is recorded before the change', () => {
  test('the start', async () => {
    const { gid, validity } = await make({ validity: { start: 1 }, members: [{ addresses: ['anna'] }] });
    await passed(validity.startsAt);
    const group = await change({ gid, name: 'Started' });
    const changes = await changesOf(db, gid, 2);
    expect(changes.map(({ version, kind, actor, memberCount }) => [version, kind, actor, memberCount])).toEqual([
      [3, 'GROUP_STARTED', null, 1],
      [4, 'GROUP_UPDATED', null, 1],
    ]);
    expect(changes[0]?.data).toEqual({ due: Date.parse(validity.startsAt) });
    expect(changes[1]?.data.changed).toEqual(['name']);
    expect(group).toMatchObject({ version: 4, state: 'ACTIVE' });
  });

  test("by the gateway itself, though a user's request brings it out", async () => {
    const user = operationsOf(await caller.user('olga'));
    const { gid, validity } = await make({ validity: { start: 1 }, members: [{ addresses: ['olga'], admin: { owner: true } }] });
    await passed(validity.startsAt);
    await user.change({ gid, name: 'Mine' });
    expect((await changesOf(db, gid, 2)).map(({ kind, actor }) => [kind, actor])).toEqual([
      ['GROUP_STARTED', null],
      ['GROUP_UPDATED', 'olga'],
    ]);
  });

  test('start and expiry, once each', async () => {
    const { gid, validity } = await make({ validity: { start: 1, duration: 1 } });
    await passed(validity.expiresAt);
    const group = await change({ gid, name: 'Late' });
    expect(group.state).toBe('EXPIRED');
    await change({ gid, name: 'Later' });
    const changes = await changesOf(db, gid);
    expect(changes.map(({ kind }) => kind)).toEqual([
      'GROUP_ADDED',
      'GROUP_STARTED',
      'GROUP_EXPIRED',
      'GROUP_UPDATED',
      'GROUP_UPDATED',
    ]);
    expect(changes.slice(1, 3).map(({ data }) => data.due)).toEqual(
      [validity.startsAt, validity.expiresAt].map((time) => Date.parse(time)),
    );
  });

  test('the expiry, also by the change that revives the group; new validity arms it again', async () => {
    const before = await make({ validity: { duration: 1 } });
    const { gid } = before;
    await passed(before.validity.expiresAt);
    expect((await read(gid)).state).toBe('EXPIRED');
    const revived = await change({ gid, validity: { duration: 1 } });
    expect(revived).toMatchObject({ state: 'ACTIVE', version: 3 });
    expect(revived.validity.startsAt).toBe(before.validity.startsAt);
    expect(spans(revived).left).toBe(1);
    await passed(revived.validity.expiresAt);
    const again = await change({ gid, validity: { start: 1 } });
    expect(again.state).toBe('SCHEDULED');
    expect(spans(again).fromNow).toBe(1);
    expect(spans(again).length).toBe(seconds(before.validity.startsAt, revived.validity.expiresAt));
    await passed(again.validity.startsAt);
    await change({ gid, name: 'Again' });
    expect(await kindsOf(gid)).toEqual([
      'GROUP_ADDED',
      'GROUP_EXPIRED',
      'GROUP_UPDATED',
      'GROUP_EXPIRED',
      'GROUP_UPDATED',
      'GROUP_STARTED',
      'GROUP_UPDATED',
    ]);
  });

  test('also when the change is refused or changes nothing', async () => {
    const [one, two] = [await make({ validity: { start: 1 } }), await make({ validity: { start: 1 } })];
    await passed(two.validity.startsAt);
    const refused = await set({ gid: one.gid, ifVersion: 1, name: 'No' });
    expect(answered(refused, 'VersionConflict').currentVersion).toBe(2);
    const idle = answered(await set({ gid: two.gid }), 'GroupSetPayload');
    expect(idle.group).toMatchObject({ version: 2, cursor: idle.cursor });
    for (const { gid } of [one, two]) expect(await kindsOf(gid)).toEqual(['GROUP_ADDED', 'GROUP_STARTED']);
  });

  test('by groupEditMembers and groupDel too', async () => {
    const { gid } = await make({ validity: { duration: 1 } });
    const { gid: gone, validity } = await make({ validity: { duration: 1 } });
    await passed(validity.expiresAt);
    answered(await edit({ gid, add: [{ addresses: ['anna'] }] }), 'GroupEditMembersPayload');
    expect(await kindsOf(gid)).toEqual(['GROUP_ADDED', 'GROUP_EXPIRED', 'MEMBERS_ADDED']);
    answered(await del({ gid: gone }), 'GroupDelPayload');
    expect(await kindsOf(gone)).toEqual(['GROUP_ADDED', 'GROUP_EXPIRED', 'GROUP_DELETED']);
  });
});
