import { expect, test } from 'vitest';
import { GroupByGidDocument, GroupSetDocument } from '../src/generated/operations.ts';
import { addGroup, route } from './setup/asking.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const app = await gateway.caller();
const members = [{ addresses: ['anna', 'ben'] }];
const MINUTE = 60_000;

async function read(gid: string) {
  const { group } = await app.call(GroupByGidDocument, { gid });
  if (!group) throw new Error('The group is gone');
  return { ...group, expiresAt: Date.parse(group.validity.expiresAt) };
}

/** Puts the expiry to so many milliseconds from now, by the database's clock, and gives it. */
async function expireIn(gid: string, milliseconds: number): Promise<number> {
  const text = `update groups set expires_at = clock_timestamp() + $2::float8 * interval '1 millisecond',
    expiry_due = clock_timestamp() + $2::float8 * interval '1 millisecond' where gid = $1 returning expires_at`;
  const [row] = await sql<{ expires_at: Date }>(gateway.db, text, [gid, milliseconds]);
  return row?.expires_at.getTime() ?? 0;
}

const changesOf = (gid: string) =>
  sql<{ kind: number; actor: string | null; at: Date; data: { changed?: string[]; settings?: { expiresAt: number } } }>(
    gateway.db,
    'select kind, actor, at, data from changes where gid = $1 and version > 1 order by version',
    [gid],
  );

test('a message that is routed near the expiry puts it off, as a change of the group by nobody', async () => {
  const gid = await addGroup(app, { members, validity: { extension: 600 } });
  const { version } = await read(gid);
  await expireIn(gid, 5 * MINUTE);
  expect(await route(app, gid, { from: 'anna' })).toMatchObject({ __typename: 'RoutedMessage' });
  const after = await read(gid);
  expect(after.version).toBe(version + 1);
  const [added, extended, ...more] = await changesOf(gid);
  expect([added?.kind, extended?.kind, more]).toEqual([6, 2, []]);
  expect(extended?.actor).toBeNull();
  expect(extended?.data.changed).toEqual(['validity.expiresAt']);
  expect(extended?.data.settings?.expiresAt).toBe(after.expiresAt);
  // The extension and a minute, from the time of the change.
  expect(after.expiresAt - (extended?.at.getTime() ?? 0)).toBe(11 * MINUTE);
  const due = await sql(gateway.db, 'select expiry_due = expires_at as same from groups where gid = $1', [gid]);
  expect(due).toEqual([{ same: true }]);
});

test('at most once a minute, however many messages at once', async () => {
  const gid = await addGroup(app, { members, validity: { extension: 600 } });
  const { version } = await read(gid);
  await expireIn(gid, 5 * MINUTE);
  await Promise.all(Array.from({ length: 20 }, () => route(app, gid, { from: 'anna' })));
  const { expiresAt } = await read(gid);
  for (let count = 0; count < 3; count++) await route(app, gid, { from: 'anna' });
  expect(await read(gid)).toMatchObject({ version: version + 1, expiresAt });
});

test('not while the expiry is farther off than the extension', async () => {
  const gid = await addGroup(app, { members, validity: { extension: 600 } });
  const { version } = await read(gid);
  const expiresAt = await expireIn(gid, 10 * MINUTE + MINUTE);
  await route(app, gid, { from: 'anna' });
  expect(await read(gid)).toMatchObject({ version, expiresAt });
});

test('not without an extension, and not by a message that is refused', async () => {
  const plain = await addGroup(app, { members });
  const extending = await addGroup(app, { members, validity: { extension: 600 } });
  for (const [gid, from] of [
    [plain, 'anna'],
    [extending, 'a guest'],
  ] as const) {
    const { version } = await read(gid);
    const expiresAt = await expireIn(gid, MINUTE);
    await route(app, gid, { from });
    expect(await read(gid)).toMatchObject({ version, expiresAt });
  }
});

test('a group that has expired stays so, until it gets new validity', async () => {
  const gid = await addGroup(app, { members, validity: { extension: 600 } });
  await sql(gateway.db, `update groups set starts_at = starts_at - interval '1 hour' where gid = $1`, [gid]);
  const expiresAt = await expireIn(gid, 0);
  expect(await route(app, gid, { from: 'anna' })).toMatchObject({ decision: { reason: 'GROUP_EXPIRED' } });
  expect(await read(gid)).toMatchObject({ expiresAt, state: 'EXPIRED' });
  await app.call(GroupSetDocument, { input: { gid, validity: { duration: 60 } } });
  await route(app, gid, { from: 'anna' });
  expect((await changesOf(gid)).map(({ kind }) => kind)).toEqual([6, 5, 2, 2]);
});

test('a retry is no further activity', async () => {
  const gid = await addGroup(app, { members, validity: { extension: 600 } });
  await route(app, gid, { from: 'anna', idempotencyKey: 'once' });
  const { version } = await read(gid);
  const expiresAt = await expireIn(gid, MINUTE);
  await route(app, gid, { from: 'anna', idempotencyKey: 'once' });
  expect(await read(gid)).toMatchObject({ version, expiresAt });
});
