/** What goes through Prisma's client fails as SQL does: callers see the same, and nothing of Prisma. */
import { expect, test } from 'vitest';
import { addToken, revokeTokensOf } from '../../src/access/manage-tokens.ts';
import { replaceUserToken } from '../../src/access/op-tokens.ts';
import { findToken } from '../../src/access/read-tokens.ts';
import { OverloadedError, TimeoutError } from '../../src/model/errors.ts';
import { createViewer, openTestDatabase, sql } from '../setup/database.ts';

test('a statement that runs too long is a TimeoutError, and nothing was written', async () => {
  await using db = await openTestDatabase({ statementTimeout: 300 });
  const { viewer } = await createViewer(db);
  const other = db.openAnother({ statementTimeout: 10_000 });
  await other.transaction(async (tx) => {
    await sql(tx, 'select id from tokens where id = $1 for update', [viewer.token.id]);
    await sql(tx, 'lock table users');
    await expect(addToken(db, viewer, {})).rejects.toThrow(TimeoutError);
    await expect(replaceUserToken(db, viewer, { address: 'anna' })).rejects.toThrow(TimeoutError);
    await sql(tx, 'lock table tokens');
    await expect(findToken(db, viewer)).rejects.toThrow(TimeoutError);
    await expect(revokeTokensOf(db, viewer, 'anna')).rejects.toThrow(TimeoutError);
  });
  expect(await sql(db, 'select count(*)::int as tokens from tokens')).toEqual([{ tokens: 1 }]);
  expect(await findToken(db, viewer)).toMatchObject({ id: viewer.token.id });
});

test('who gets no connection in time is told of the load', async () => {
  await using db = await openTestDatabase({ transactionTimeout: 300, poolSize: 1 });
  const { viewer } = await createViewer(db);
  const holder = sql(db, 'select pg_sleep(1)::text');
  await expect(findToken(db, viewer)).rejects.toThrow(OverloadedError);
  await expect(addToken(db, viewer, {})).rejects.toThrow(OverloadedError);
  await holder;
  expect(await addToken(db, viewer, {})).toMatchObject({ secret: expect.any(String) });
});

test('a transaction that runs too long writes nothing', async () => {
  await using db = await openTestDatabase({ transactionTimeout: 300, poolSize: 1 });
  const slow = db.recordsTransaction(async (tx) => {
    await tx.app.create({ data: { name: 'too-late' } });
    for (let n = 0; n < 20; n++) await tx.$queryRaw`select pg_sleep(0.05)::text`;
  });
  await expect(slow).rejects.toThrow(TimeoutError);
  expect(await sql(db, 'select name from apps')).toEqual([]);
});

test('a deadlock is run again and both get through', async () => {
  await using db = await openTestDatabase();
  for (const name of ['one', 'two']) await db.records((records) => records.app.create({ data: { name } }));
  let attempts = 0;
  let holding = 0;
  const { promise: bothHold, resolve } = Promise.withResolvers<void>();
  const count = (first: string, second: string) =>
    db.recordsTransaction(async (tx) => {
      attempts++;
      await tx.app.update({ where: { name: first }, data: { prunedGeneration: { increment: 1 } } });
      if (++holding === 2) resolve();
      await bothHold;
      await tx.app.update({ where: { name: second }, data: { prunedGeneration: { increment: 1 } } });
    });
  await Promise.all([count('one', 'two'), count('two', 'one')]);
  expect(attempts).toBe(3);
  expect(await sql(db, 'select pruned_generation as n from apps')).toEqual([{ n: 2 }, { n: 2 }]);
});

test('a constraint that is broken is told with its SQLSTATE and as no error of Prisma', async () => {
  await using db = await openTestDatabase();
  const twice = async () => {
    for (let n = 0; n < 2; n++) await db.records((records) => records.app.create({ data: { name: 'same' } }));
  };
  const failure = await twice().catch((error: unknown) => error as Error & { code?: string });
  expect(failure).toMatchObject({ name: 'Error', code: '23505' });
});
