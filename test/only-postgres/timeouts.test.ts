import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { addGroup, setGroup } from '../../src/groups/operations.ts';
import { OverloadedError, TimeoutError } from '../../src/model/errors.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';

const SLEEP = 'select pg_sleep($1)::text';

test('a statement that runs too long is cancelled, and its connection serves again', async () => {
  await using db = await openTestDatabase({ statementTimeout: 150, poolSize: 1 });
  await expect(sql(db, SLEEP, [5])).rejects.toThrow(TimeoutError);
  await expect(db.transaction((tx) => sql(tx, SLEEP, [5]))).rejects.toThrow(TimeoutError);
  expect(await sql(db, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a transaction that runs too long writes nothing', async () => {
  await using db = await openTestDatabase({ transactionTimeout: 200, poolSize: 1 });
  const slow = db.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('too-late')`);
    for (let n = 0; n < 20; n++) await sql(tx, SLEEP, [0.05]);
  });
  await expect(slow).rejects.toThrow(TimeoutError);
  expect(await sql(db, 'select name from apps')).toEqual([]);
});

test('a transaction that stays idle loses its connection, and the pool goes on with another', async () => {
  await using db = await openTestDatabase({ transactionTimeout: 200, poolSize: 1 });
  const idle = db.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('asleep')`);
    await sleep(500);
    await sql(tx, 'select 1');
  });
  await expect(idle).rejects.toThrow(TimeoutError);
  expect(await sql(db, 'select name from apps')).toEqual([]);
});

test('who gets no connection in time is told of the load', async () => {
  await using db = await openTestDatabase({ transactionTimeout: 200, statementTimeout: 10_000, poolSize: 1 });
  const holder = sql(db, SLEEP, [1]);
  await expect(sql(db, 'select 1')).rejects.toThrow(OverloadedError);
  await expect(db.transaction((tx) => sql(tx, 'select 1'))).rejects.toThrow(OverloadedError);
  await holder;
  expect(await sql(db, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a group that another gateway keeps locked times out, and is unharmed', async () => {
  await using db = await openTestDatabase({ statementTimeout: 200 });
  const { viewer } = await createViewer(db);
  const { group } = await addGroup(db, viewer, { name: 'before' });
  const other = db.openAnother({ statementTimeout: 10_000 });
  await other.transaction(async (tx) => {
    await sql(tx, 'select pg_advisory_xact_lock($1)::text', [group.gid]);
    await expect(setGroup(db, viewer, { gid: String(group.gid), name: 'after' })).rejects.toThrow(TimeoutError);
  });
  expect(await sql(db, 'select name, version from groups')).toEqual([{ name: 'before', version: 1 }]);
  const { group: after } = await setGroup(db, viewer, { gid: String(group.gid), name: 'after' });
  expect(after).toMatchObject({ name: 'after', version: 2 });
});

test('a deadlock is run again and both get through', async () => {
  await using db = await openTestDatabase();
  await sql(db, `insert into apps (id, name) values (101, 'one'), (102, 'two')`);
  let attempts = 0;
  let holding = 0;
  const { promise: bothHold, resolve } = Promise.withResolvers<void>();
  const rename = (first: number, second: number) =>
    db.transaction(async (tx) => {
      attempts++;
      await sql(tx, `update apps set name = name || '+' where id = $1`, [first]);
      if (++holding === 2) resolve();
      await bothHold;
      await sql(tx, `update apps set name = name || '-' where id = $1`, [second]);
    });
  await Promise.all([rename(101, 102), rename(102, 101)]);
  expect(attempts).toBe(3);
  const names = (await sql<{ name: string }>(db, 'select name from apps order by id')).map(({ name }) =>
    name.replace(/[+-]/g, ''),
  );
  expect(names).toEqual(['one', 'two']);
  expect(await sql(db, 'select length(name) as length from apps order by id')).toEqual([{ length: 5 }, { length: 5 }]);
});

test('a server that ends the connections does not end the gateway', async () => {
  const errors: Error[] = [];
  await using db = await openTestDatabase({ poolSize: 2, onError: (error) => errors.push(error) });
  const other = db.openAnother({ poolSize: 1 });
  const endAll = () =>
    sql(
      other,
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
  await Promise.all([sql(db, SLEEP, [0.05]), sql(db, SLEEP, [0.05])]); // two idle connections
  const interrupted = db.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('lost')`);
    await endAll();
    await sleep(100);
    await sql(tx, 'select 1');
  });
  await expect(interrupted).rejects.toThrow();
  expect(await sql(db, 'select name from apps')).toEqual([]);
  expect(errors.length).toBeGreaterThan(0);
});
