import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { startBackground } from '../../src/background.ts';
import { sweepDue } from '../../src/groups/write/due.ts';
import { atEnd } from '../setup/at-end.ts';
import { databaseKind, sql } from '../setup/database.ts';
import { openTestGateway } from '../setup/gateway.ts';
import { APP_CHANGES, GROUP_CHANGES, listen, MEMBERSHIP_CHANGES, until, watchOver } from '../setup/watch.ts';
import { addGroup, setGroup } from './setup.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const server = await listen(gateway);
const caller = await gateway.caller();

const recorded = (gid: string) =>
  sql<{ version: number; kind: number; actor: string | null; due: number | null; late: boolean }>(
    db,
    `select version, kind, actor, (data->>'due')::float8 as due, extract(epoch from at) * 1000 >= (data->>'due')::float8 as late
      from changes where gid = $1 order by version`,
    [gid],
  );
const kinds = async (gid: string) => (await recorded(gid)).map(({ kind }) => kind);
const [ADDED, UPDATED, STARTED, EXPIRED] = [1, 2, 4, 5];

/** Waits until the database's clock has passed a time. */
const passed = (time: unknown) =>
  until(async () => (await sql<{ over: boolean }>(db, 'select clock_timestamp() > $1 as over', [time]))[0]?.over);

test('new validity before it cancels a start and an expiry; a sweep finds nothing then', async () => {
  const { gid, group } = await addGroup(caller, { validity: { start: 5, duration: 1 } });
  await setGroup(caller, { gid, validity: { start: 3600, duration: 3600 } });
  await passed(group.validity.expiresAt);
  await sweepDue(db);
  expect(await kinds(gid)).toEqual([ADDED, UPDATED]);
});

test('no new validity swallows an expiry that was in force, and it arms another', async () => {
  const { gid, group } = await addGroup(caller, { validity: { duration: 1 } });
  await passed(group.validity.expiresAt);
  const { group: again } = await setGroup(caller, { gid, validity: { duration: 1 } });
  expect(await kinds(gid)).toEqual([ADDED, EXPIRED, UPDATED]);
  await passed(again.validity.expiresAt);
  await sweepDue(db);
  await sweepDue(db);
  const records = await recorded(gid);
  expect(records.map(({ kind }) => kind)).toEqual([ADDED, EXPIRED, UPDATED, EXPIRED]);
  const due = [group, again].map(({ validity }) => new Date(validity.expiresAt).getTime());
  expect(records.filter(({ kind }) => kind === EXPIRED)).toMatchObject(
    due.map((each) => ({ due: each, late: true, actor: null })),
  );
});

test('GroupStarted and GroupExpired come once each, whatever the number of gateways that sweep', async () => {
  const databases = databaseKind === 'postgres' ? [db, db.openAnother()] : [db, db];
  for (const each of databases) {
    const config = { hintsUrl: 'off', changesRetention: 30 * 24 * 3600 };
    const stop = await startBackground(each, config, pino({ level: 'silent' }));
    atEnd(stop);
  }
  const [first] = await Promise.all(
    Array.from({ length: 20 }, () =>
      addGroup(caller, { name: 'swept', validity: { start: 5, duration: 1 }, members: [{ addresses: ['ann'] }] }),
    ),
  );
  const { gid, cursor, group } = first as NonNullable<typeof first>;
  const app = watchOver('sse', server, caller.token, APP_CHANGES);
  const watch = watchOver('websocket', server, caller.token, GROUP_CHANGES, { gid, after: cursor });
  const memberships = watchOver('sse', server, caller.token, MEMBERSHIP_CHANGES, { address: 'ann' });
  // Before the group starts: a stream of memberships that begins behind its expiry has nothing to tell of it.
  await Promise.all([app.ready(), memberships.ready()]);
  await watch.until(() => watch.records.length === 2);
  expect(watch.records).toMatchObject([
    { __typename: 'GroupStarted', version: 3, due: group.validity.startsAt, actor: null },
    { __typename: 'GroupExpired', version: 4, due: group.validity.expiresAt, actor: null },
  ]);
  await memberships.until((events) => events.some((event) => event['kind'] === 'GROUP_EXPIRED' && event['gid'] === gid));
  const unrecorded = `select from groups where least(start_due, expiry_due) < clock_timestamp() + interval '1 minute'`;
  await until(async () => (await sql(db, unrecorded)).length === 0);
  for (let n = 0; n < 2; n++) {
    await Promise.all(databases.map((each) => sweepDue(each)));
    await sleep(10);
  }
  const counts = await sql(
    db,
    `select c.kind, count(*)::int as records, count(distinct gid)::int as groups from changes c
      join groups g using (app_id, gid) where c.kind in (4, 5) and g.name = 'swept' group by c.kind order by c.kind`,
  );
  expect(counts).toEqual([
    { kind: STARTED, records: 20, groups: 20 },
    { kind: EXPIRED, records: 20, groups: 20 },
  ]);
  await Promise.all([app.stop(), watch.stop(), memberships.stop()]);
});

test('a group that starts at once has no GroupStarted', async () => {
  const { gid, group } = await addGroup(caller, { validity: { start: 0, duration: 1 } });
  expect(group.state).toBe('ACTIVE');
  await until(async () => (await kinds(gid)).length === 2);
  expect(await kinds(gid)).toEqual([ADDED, EXPIRED]);
});
