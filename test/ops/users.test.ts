/** The user ops: tokens for users, and users that go. */
import { expect, test } from 'vitest';
import { sql } from '../setup/database.ts';
import { StatementRecorder } from '../setup/recorder.ts';
import { type Json, openOps } from './setup.ts';

const recorder = new StatementRecorder();
const ops = await openOps({ observe: recorder.observe });
const { db, fetch } = ops.gateway;

const YEAR = 365 * 24 * 3600;
const VIEWER = '{ viewer { address scopes app { name } token { createdAt expiresAt } } }';

/** What a token is over GraphQL; null where it lets nobody in. */
async function viewerOf(token: string): Promise<Json | null> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ query: VIEWER });
  const response = await fetch(new Request('http://gateway/graphql', { method: 'POST', headers, body }));
  const { data } = (await response.json()) as Json;
  return data?.viewer ?? null;
}

const lifetime = (viewer: Json | null) =>
  (Date.parse(viewer?.['token'].expiresAt) - Date.parse(viewer?.['token'].createdAt)) / 1000;

test.each(['useradd', 'usertoken'])('%s makes a token for GraphQL, which lets its user read and write', async (op) => {
  const app = await ops.app();
  const { user } = await app.json({ op, user: { address: 'ann' } });
  const viewer = await viewerOf(user.token);
  expect(viewer).toMatchObject({ address: 'ann', scopes: ['READ', 'WRITE'], app: { name: app.viewer.appName } });
  expect(lifetime(viewer)).toBe(YEAR);
  const short = await app.json({ op, user: { address: 'ann', token: { expiry: '90' } } });
  expect(lifetime(await viewerOf(short['user'].token))).toBe(90 * 60);
  const zero = await app.json({ op, user: { address: 'ann', token: { expiry: 0 } } });
  expect(lifetime(await viewerOf(zero['user'].token))).toBe(YEAR);
});

test('repeated, it replaces the token that was made this way; the number stays the address’s', async () => {
  const app = await ops.app();
  const added = 'mutation { tokenAdd(input: { address: "ann" }) { ... on TokenAddPayload { secret } } }';
  const other: string = (await app.send(added)).data?.['tokenAdd'].secret;
  const { user: first } = await app.json({ op: 'useradd', user: { address: 'ann' } });
  const { user: bob } = await app.json({ op: 'useradd', user: { address: 'bob' } });
  // Known to the gateway, and out all the same.
  expect(await viewerOf(first.token)).toMatchObject({ address: 'ann' });
  const { user: second } = await app.json({ op: 'usertoken', user: { address: 'ann' } });
  expect(second.uid).toBe(first.uid);
  expect(bob.uid).not.toBe(first.uid);
  expect(await viewerOf(first.token)).toBeNull();
  expect(await viewerOf(second.token)).toMatchObject({ address: 'ann' });
  expect(await viewerOf(bob.token)).toMatchObject({ address: 'bob' });
  expect(await viewerOf(other)).toMatchObject({ address: 'ann' });
});

test('ten at once for one address leave one token and one number', async () => {
  const app = await ops.app();
  const answers = await Promise.all(Array.from({ length: 10 }, () => app.json({ op: 'useradd', user: { address: 'ann' } })));
  expect(new Set(answers.map(({ user }) => user.uid)).size).toBe(1);
  const viewers = await Promise.all(answers.map(({ user }) => viewerOf(user.token)));
  expect(viewers.filter((viewer) => viewer !== null)).toHaveLength(1);
});

test('a user’s token is never for more than its maker’s', async () => {
  const app = await ops.app();
  for (const scope of ['READ', 'WRITE'] as const) {
    const { user } = await app.json({ op: 'useradd', token: await app.secret(['TOKENS', scope]), user: { address: 'ann' } });
    const [row] = await sql<{ scopes: number }>(
      db,
      `select scopes from tokens where app_id = $1 and origin = 'op' and revoked_at is null`,
      [app.viewer.appId],
    );
    expect(row?.scopes).toBe(scope === 'READ' ? 1 : 2);
    expect(user).toMatchObject({ address: 'ann' });
  }
});

test.each<[string, Json, boolean]>([
  ['token.remove: true', { token: { remove: true } }, true],
  ['token.remove: "1"', { token: { remove: '1' } }, true],
  ['active: 0', { active: 0 }, true],
  ['active: false', { active: false }, true],
  ['active: 1', { active: 1 }, false],
  ['token.remove: 0', { token: { remove: 0 } }, false],
  ['nothing', {}, false],
])('userset with %s', async (_, more, revokes) => {
  const app = await ops.app();
  const other = await ops.app();
  const { user: ann } = await app.json({ op: 'useradd', user: { address: 'ann' } });
  const { user: bob } = await app.json({ op: 'useradd', user: { address: 'bob' } });
  const { user: namesake } = await other.json({ op: 'useradd', user: { address: 'ann' } });
  expect(await viewerOf(ann.token)).not.toBeNull();
  expect(await app.json({ op: 'userset', user: { address: 'ann', ...more } })).toEqual({
    ...{ op: 'userset', result: true, user: { address: 'ann' } },
  });
  expect((await viewerOf(ann.token)) === null).toBe(revokes);
  expect(await viewerOf(bob.token)).not.toBeNull();
  expect(await viewerOf(namesake.token)).not.toBeNull();
});

test('userdel revokes the tokens and takes the address out of its groups, in gid order, each with its record', async () => {
  const app = await ops.app();
  const other = await ops.app();
  const add = async (caller: typeof app, m: string): Promise<number> =>
    (await caller.json({ op: 'groupadd', group: { members: { m, admin: { owner: true } } } }))['group'].gid;
  const gids = [await add(app, 'ann,bob'), await add(app, 'bob'), await add(app, 'ann'), await add(app, 'ann,cem')];
  const deleted = await add(app, 'ann');
  await app.json({ op: 'groupdel', group: { gid: deleted } });
  const foreign = await add(other, 'ann');
  const { user } = await app.json({ op: 'useradd', user: { address: 'ann' } });

  const done = { op: 'userdel', result: true, user: { address: 'ann' } };
  expect(await app.json({ op: 'userdel', user: { address: 'ann' } })).toEqual(done);
  expect(await viewerOf(user.token)).toBeNull();
  const members = await Promise.all(gids.map(async (gid) => (await app.state(gid)).members.map(([address]) => address)));
  expect(members).toEqual([['bob'], ['bob'], [], ['cem']]);
  expect((await other.state(foreign)).members).toHaveLength(1);
  const removals = await sql(
    db,
    `select gid, version, actor, data->'addresses' as addresses from changes where app_id = $1 and kind = 8 order by id`,
    [app.viewer.appId],
  );
  const removal = (gid?: number) => ({ gid, version: 3, actor: null, addresses: ['ann'] });
  expect(removals).toEqual([gids[0], gids[2], gids[3]].map(removal));

  expect(await app.json({ op: 'userdel', user: { address: 'ann' } })).toEqual(done);
  expect(await sql(db, 'select 1 from changes where app_id = $1 and kind = 8', [app.viewer.appId])).toHaveLength(3);
});

test('a user stays one, with its number, after userdel', async () => {
  const app = await ops.app();
  const { user } = await app.json({ op: 'useradd', user: { address: 'ann' } });
  await app.json({ op: 'userdel', user: { uid: user.uid } });
  const gone = { uid: user.uid, address: 'ann', active: false };
  expect(await app.json({ op: 'userget', user: { address: 'ann' } })).toEqual({ op: 'userget', result: true, user: gone });
  expect(await app.json({ op: 'userdel', user: { uid: user.uid } })).toMatchObject({ result: true });
  const again = await app.json({ op: 'usertoken', user: { uid: user.uid } });
  expect(again['user']).toMatchObject({ uid: user.uid, address: 'ann' });
  expect(await viewerOf(again['user'].token)).toMatchObject({ address: 'ann' });
});

test('usersget walks through more users than a page has, each once, in as many statements for any page', async () => {
  const app = await ops.app();
  const { appId } = app.viewer;
  const addresses = Array.from({ length: 1_005 }, (_, index) => `u${String(index).padStart(4, '0')}`);
  await sql(db, 'insert into users (app_id, address) select $1, address from unnest($2::text[]) address', [appId, addresses]);
  const all = await app.json({ op: 'usersget', count: 10_000 });
  expect(all).toMatchObject({ count: 1_005, userscount: 1_005 });
  expect(all['users'].map(({ address }: Json) => address)).toEqual(addresses);
  const seen: string[] = [];
  for (let after: string | undefined; ; after = seen.at(-1)) {
    const { users, userscount } = await app.json({ op: 'usersget', addr: 'u0*', count: 300, after });
    expect(userscount).toBe(1_000);
    if (users.length === 0) break;
    seen.push(...users.map(({ address }: Json) => address));
  }
  expect(seen).toEqual(addresses.slice(0, 1_000));
  // Through fetch, for a port's requests are none of the recorder's.
  const statements = async (body: Json) => {
    const names = await recorder.during(async () => {
      const sent = { method: 'POST', body: JSON.stringify({ token: app.token, ...body }) };
      expect(await (await fetch(new Request('http://gateway/backend', sent))).json()).toMatchObject({ result: true });
    });
    return names.toSorted();
  };
  for (const count of [1, 1_000]) {
    expect(await statements({ op: 'usersget', count })).toEqual(['users_count', 'users_page']);
  }
  const { group } = await app.json({ op: 'groupadd', group: { members: { m: addresses } } });
  for (const count of [1, 900]) {
    const names = await statements({ op: 'groupgetmembers', group, count });
    expect(names).toEqual(['groups_find_one', 'members_page_address_asc', 'user_uids_find']);
  }
  const { members } = await app.json({ op: 'groupgetmembers', group, count: 1_005 });
  expect(members.every(({ uid }: Json) => uid > 0)).toBe(true);
});
