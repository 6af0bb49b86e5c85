import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Tx } from '../src/db/sql.ts';
import { TimeoutError } from '../src/model/errors.ts';
import { openTestDatabase, sql } from './setup/database.ts';

const db = await openTestDatabase();
const apps = async () => (await sql<{ name: string }>(db, 'select name from apps order by name')).map(({ name }) => name);

test('what a transaction writes is there as a whole', async () => {
  const result = await db.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('a')`);
    await sql(tx, `insert into apps (name) values ('b')`);
    return 'done';
  });
  expect(result).toBe('done');
  expect(await apps()).toEqual(['a', 'b']);
});

test('what fails leaves nothing, and its error comes through', async () => {
  const failing = db.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('c')`);
    throw new RangeError('mine');
  });
  await expect(failing).rejects.toThrow(RangeError);
  expect(await apps()).not.toContain('c');
});

test('an error that was swallowed inside does not pass for success', async () => {
  const swallowed = db.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('d')`);
    await sql(tx, 'select 1 / 0').catch(() => {});
    return 'done';
  });
  await expect(swallowed).rejects.toThrow('rolled back');
  expect(await apps()).not.toContain('d');
});

test('one key, one transaction at a time', async () => {
  const log: string[] = [];
  const run = (name: string) =>
    db.exclusive('key', async (tx) => {
      log.push(`${name} in`);
      await sql(tx, 'select 1');
      await sleep(5);
      log.push(`${name} out`);
    });
  await Promise.all(['a', 'b', 'c'].map(run));
  expect(log).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
});

test('a transaction that takes too long is given up', async () => {
  await using other = await openTestDatabase({ transactionTimeout: 150 });
  const slow = other.transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('slow')`);
    for (let n = 0; n < 40; n++) {
      await sleep(10);
      await sql(tx, 'select 1');
    }
  });
  await expect(slow).rejects.toThrow(TimeoutError);
  expect(await sql(other, 'select name from apps')).toEqual([]);
});

test('rows have the same types on both databases', async () => {
  const [row] = await sql<Record<string, unknown>>(
    db,
    `select 9007199254740991::bigint as bigint, 5::int as int, '2026-01-02T03:04:05.678Z'::timestamptz as time, '{"a":[1,null]}'::jsonb as json,
      '\\x00ff'::bytea as bytes, array['a','b'] as texts, array[1,2]::bigint[] as bigints, true as yes, null as none`,
  );
  expect({ ...row, bytes: Buffer.from(row?.['bytes'] as Uint8Array) }).toEqual({
    bigint: 9007199254740991,
    int: 5,
    time: new Date('2026-01-02T03:04:05.678Z'),
    json: { a: [1, null] },
    bytes: Buffer.from([0, 255]),
    texts: ['a', 'b'],
    bigints: expect.anything(),
    yes: true,
    none: null,
  });
  await expect(sql(db, 'select 9007199254740992::bigint as big')).rejects.toThrow(RangeError);
});

test('the observer is told of every statement, those of Prisma too', async () => {
  const told: string[] = [];
  await using other = await openTestDatabase({ observe: ({ name, text }) => told.push(name || text) });
  await sql(other, 'select 1');
  await other.transaction((tx) => sql(tx, 'select 2'));
  await other.prisma.app.findMany();
  expect(told).toEqual(['select 1', 'select 2', 'prisma']);
});

describe('what is left for after the commit', () => {
  test.for([
    ['of ours', (run: (tx: Tx) => Promise<unknown>) => db.transaction(run)],
    ["of Prisma's", (run: (tx: Tx) => Promise<unknown>) => db.recordsTransaction((_, tx) => run(tx))],
  ] as const)(
    'a transaction %s: it is done after the commit, when the connection is free, and waited for',
    async ([, transaction]) => {
      const log: string[] = [];
      await transaction(async (tx) => {
        const name = `after-${log.length}-${Math.random()}`;
        await sql(tx, 'insert into apps (name) values ($1)', [name]);
        tx.afterCommit(async () => {
          log.push((await apps()).includes(name) ? 'seen by others' : 'not there');
        });
        tx.afterCommit(() => {
          throw new Error('a hint that failed');
        });
        log.push('in');
      });
      expect(log).toEqual(['in', 'seen by others']);
    },
  );

  test('nothing is done after a rollback, nor for an attempt that was retried', async () => {
    const log: string[] = [];
    const failing = db.transaction(async (tx) => {
      tx.afterCommit(() => log.push('rolled back'));
      throw new RangeError('mine');
    });
    await expect(failing).rejects.toThrow(RangeError);
    let attempts = 0;
    await db.transaction(async (tx) => {
      const attempt = ++attempts;
      tx.afterCommit(() => log.push(`attempt ${attempt}`));
      if (attempt < 3) await sql(tx, `do $$ begin raise exception 'again' using errcode = '40001'; end $$`);
    });
    expect(log).toEqual(['attempt 3']);
  });
});
