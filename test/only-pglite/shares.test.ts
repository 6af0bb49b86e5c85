/** The one connection of the embedded database is given in turns. */
import { expect, test } from 'vitest';
import { databaseOf } from '../../src/access/viewer.ts';
import { ClientGoneError } from '../../src/model/errors.ts';
import { createUser, createViewer, openTestDatabase, sql } from '../setup/database.ts';
import { StatementRecorder } from '../setup/recorder.ts';

const recorder = new StatementRecorder();
const db = await openTestDatabase({ observe: recorder.observe });
const { viewer: one } = await createViewer(db);
const { viewer: other } = await createViewer(db);
const { viewer: anna } = await createUser(db, one, 'anna');

test('apps take turns, and within an app its tokens; the gateway comes next', async () => {
  const order: string[] = [];
  const ask = async (on: typeof db | ReturnType<typeof databaseOf>, name: string) => {
    await sql(on, 'select 1');
    order.push(name);
  };
  const [first, user, second] = [one, anna, other].map((viewer) => databaseOf(db, viewer));
  if (!first || !user || !second) throw new Error('There are three');
  const { promise: given, resolve: give } = Promise.withResolvers<void>();
  const holding = db.transaction(() => given);
  const asked = [
    ...['a1', 'a2', 'a3', 'a4'].map((name) => ask(first, name)),
    ask(user, 'u1'),
    ...['b1', 'b2'].map((name) => ask(second, name)),
    ask(db, 'own'),
  ];
  give();
  await Promise.all([holding, ...asked]);
  expect(order).toEqual(['own', 'a1', 'b1', 'u1', 'b2', 'a2', 'a3', 'a4']);
});

test('what waits for a client that left is dropped; what runs, which nothing can cancel, ends by itself', async () => {
  const leaving = new AbortController();
  const gone = databaseOf(db, one, leaving.signal);
  const TEXT = 'select 5 as five';
  const { promise: given, resolve: give } = Promise.withResolvers<void>();
  const holding = db.transaction(() => given);
  const asked = Array.from({ length: 20 }, () => sql(gone, TEXT));
  leaving.abort();
  for (const one of asked) await expect(one).rejects.toThrow(ClientGoneError);
  give();
  await holding;
  const write = databaseOf(db, one, leaving.signal).transaction((tx) => sql(tx, TEXT));
  await expect(write).rejects.toThrow(ClientGoneError);
  expect(recorder.statements.filter(({ text }) => text === TEXT)).toEqual([]);
});

test('a write whose client leaves before it commits is rolled back', async () => {
  const leaving = new AbortController();
  const write = databaseOf(db, one, leaving.signal).transaction(async (tx) => {
    await sql(tx, `insert into apps (name) values ('left')`);
    leaving.abort();
  });
  await expect(write).rejects.toThrow(ClientGoneError);
  expect(await sql(db, `select name from apps where name = 'left'`)).toEqual([]);
});
