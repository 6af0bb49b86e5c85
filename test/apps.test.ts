import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AppError, addApp, closeApp, makeFirstToken, setAppToken } from '../src/access/apps.ts';
import { addToken } from '../src/access/manage-tokens.ts';
import { Authenticator } from '../src/access/tokens.ts';
import { SCOPES, type Viewer } from '../src/access/viewer.ts';
import { APP_USAGE, runAppCommand } from '../src/app-commands.ts';
import { GroupAddDocument } from '../src/generated/operations.ts';
import { openTestDatabase, sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const SECRET = /^rollcall_[\w-]{43}$/;

async function appOf(token: string): Promise<string | undefined> {
  return (await new Authenticator(db).authenticate(`Bearer ${token}`))?.appName;
}

async function statusOf(token: string): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` };
  return (await gateway.fetch(new Request('http://gateway/graphql?query={viewer{address}}', { headers }))).status;
}

async function rowsOf(appId: number): Promise<Record<string, number>> {
  const tables = [
    'apps',
    'tokens',
    'groups',
    'group_types',
    'members',
    'member_types',
    'former_members',
    'changes',
    'idempotency_keys',
  ];
  const counts = tables.map(
    (table) => `(select count(*)::int from ${table} where ${table === 'apps' ? 'id' : 'app_id'} = $1) as ${table}`,
  );
  const [row] = await sql<Record<string, number>>(db, `select ${counts.join(', ')}`, [appId]);
  return row ?? {};
}

describe('add, token and list', () => {
  test('add makes an app with a token, token makes more, list counts them', async () => {
    const [said, first = '', ...nothing] = await runAppCommand(db, ['add', 'My.app_1-x']);
    expect(said).toBe('Made the app My.app_1-x. Its token, shown this once:');
    expect(first).toMatch(SECRET);
    expect(nothing).toEqual([]);
    const [, second = ''] = await runAppCommand(db, ['token', 'My.app_1-x']);
    expect(second).toMatch(SECRET);
    expect(second).not.toBe(first);
    expect([await appOf(first), await appOf(second)]).toEqual(['My.app_1-x', 'My.app_1-x']);
    const line = (await runAppCommand(db, ['list'])).find((each) => each.startsWith('My.app_1-x\t'));
    expect(line).toMatch(/^My\.app_1-x\t2 tokens\t0 groups\tsince 20\d\d-[\d-]+T[\d:.]+Z$/);
  });

  test('of two at once with one name, one is told that the app exists', async () => {
    const outcomes = await Promise.allSettled([1, 2].map(() => runAppCommand(db, ['add', 'twice'])));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    expect(failed?.reason).toEqual(new AppError('There is an app twice already'));
  });

  const NAME = /^The name of an app is 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit$/;
  test.each([
    [['add', ''], NAME],
    [['add', '-x'], NAME],
    [['add', 'a b'], NAME],
    [['add', 'ä'], NAME],
    [['add', 'x'.repeat(65)], NAME],
    [['token', 'nobody'], /^There is no app "nobody"$/],
    [['delete', 'no\nbody'], /^There is no app "no\\nbody"$/],
    [['list', 'x'], APP_USAGE],
    [['add'], APP_USAGE],
    [['add', 'a', 'b'], APP_USAGE],
    [['drop', 'a'], APP_USAGE],
    [[], APP_USAGE],
  ])('%j is refused', async (args, message) => {
    const before = await runAppCommand(db, ['list']);
    const error = await runAppCommand(db, args).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AppError);
    if (message === APP_USAGE) expect((error as Error).message).toBe(message);
    else expect((error as Error).message).toMatch(message);
    expect(await runAppCommand(db, ['list'])).toEqual(before);
  });
});

describe('delete', () => {
  const members = [{ addresses: ['alice', 'bob'] }];

  test('takes the app with all it has, and its tokens are refused within a second; others keep theirs', async () => {
    const [doomed, other] = [await gateway.caller(), await gateway.caller()];
    for (const caller of [doomed, doomed, other]) {
      const { groupAdd } = await caller.call(GroupAddDocument, {
        input: { name: 'Team', members, idempotencyKey: crypto.randomUUID() },
      });
      const gid = groupAdd.__typename === 'GroupAddPayload' ? groupAdd.group.gid : expect.fail(JSON.stringify(groupAdd));
      const edit = 'mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { __typename } }';
      await caller.send(edit, { input: { gid, add: [{ addresses: ['carol'] }], remove: ['bob'] } });
      await caller.send(edit, { input: { gid, messageType: 7, add: [{ addresses: ['carol'] }] } });
    }
    const { appId, appName } = doomed.viewer;
    const full = { apps: 1, tokens: 1, groups: 1, members: 2, member_types: 1, former_members: 1, idempotency_keys: 1 };
    const before = await rowsOf(other.viewer.appId);
    expect(before).toMatchObject(full);
    expect(await statusOf(doomed.token)).toBe(200);

    expect(await runAppCommand(db, ['delete', appName])).toEqual([`Deleted the app ${appName} with 2 groups.`]);
    await sleep(1000);
    expect([await statusOf(doomed.token), await statusOf(other.token)]).toEqual([401, 200]);
    expect(new Set(Object.values(await rowsOf(appId)))).toEqual(new Set([0]));
    expect(await rowsOf(other.viewer.appId)).toEqual(before);
    await expect(runAppCommand(db, ['delete', appName])).rejects.toThrow(`There is no app "${appName}"`);
  });

  test('goes through while the app is in use', async () => {
    const caller = await gateway.caller();
    const { appId, appName } = caller.viewer;
    let deleted = false;
    const statuses = new Set<number>();
    const writer = async () => {
      // PGlite answers without giving the event loop back.
      for (; !deleted; await sleep(1)) {
        statuses.add((await caller.send('mutation { groupAdd(input: { name: "x" }) { __typename } }')).status);
      }
    };
    const writers = [1, 2, 3, 4].map(writer);
    while ((await rowsOf(appId))['groups'] === 0) await sleep(5);
    const [said] = await runAppCommand(db, ['delete', appName]);
    await sleep(1000);
    deleted = true;
    await Promise.all(writers);
    expect(said).toMatch(/^Deleted the app .* with \d+ groups\.$/);
    expect(statuses).toContain(401);
    expect(new Set(Object.values(await rowsOf(appId)))).toEqual(new Set([0]));
  });

  test('is finished by another run when it broke off; until then nothing can be done with the app', async () => {
    const caller = await gateway.caller();
    const { appId, appName } = caller.viewer;
    await caller.call(GroupAddDocument, { input: { members } });
    await closeApp(db, appName);
    expect(await appOf(caller.token)).toBeUndefined();
    expect((await runAppCommand(db, ['list'])).join()).not.toContain(appName);
    await expect(runAppCommand(db, ['token', appName])).rejects.toThrow('is being deleted; run delete again');
    await expect(runAppCommand(db, ['add', appName])).rejects.toThrow('already');
    expect(await runAppCommand(db, ['delete', appName])).toEqual([`Deleted the app ${appName} with 1 groups.`]);
    expect(new Set(Object.values(await rowsOf(appId)))).toEqual(new Set([0]));
  });
});

describe('the first token', () => {
  test('is made for the app "default" where there is no token, also by several gateways at once, and never again', async () => {
    await using empty = await openTestDatabase();
    const secrets = await Promise.all([1, 2, 3].map(() => makeFirstToken(empty)));
    const [secret = '', ...more] = secrets.filter((each) => each !== undefined);
    expect(more).toEqual([]);
    expect(await new Authenticator(empty).authenticate(`Bearer ${secret}`)).toMatchObject({ appName: 'default', address: null });
    expect(await makeFirstToken(empty)).toBeUndefined();
    expect(await sql(empty, 'select name from apps')).toEqual([{ name: 'default' }]);
  });

  test('is not made beside another app', async () => {
    await using empty = await openTestDatabase();
    await addApp(empty, 'mine');
    expect(await makeFirstToken(empty)).toBeUndefined();
    expect(await sql(empty, 'select name from apps')).toEqual([{ name: 'mine' }]);
  });
});

test('APP_TOKEN: a token that was there before is the environment’s from then on, whatever it was', async () => {
  await using empty = await openTestDatabase();
  const authenticate = (token: string) => new Authenticator(empty).authenticate(`Bearer ${token}`);
  const first = (await makeFirstToken(empty)) as string;
  await setAppToken(empty, first);
  await setAppToken(empty, '2'.repeat(32));
  expect(await authenticate(first)).toBeNull();
  const viewer = (await authenticate('2'.repeat(32))) as Viewer;
  const narrow = await addToken(empty, viewer, { scopes: ['READ'], expiresIn: 1 });
  const user = await addToken(empty, viewer, { address: 'anna' });
  await sql(empty, 'update tokens set expires_at = created_at where id = $1', [narrow.token.id]);
  await setAppToken(empty, narrow.secret);
  expect(await authenticate(narrow.secret)).toMatchObject({ scopes: SCOPES, token: { expiresAt: null } });
  await expect(setAppToken(empty, user.secret)).rejects.toThrow('of a user');
  expect(await authenticate(user.secret)).toMatchObject({ address: 'anna', scopes: ['READ', 'WRITE'] });
});

test('APP_TOKEN: the last value is valid, one by one, and a token of another app is refused', async () => {
  await using empty = await openTestDatabase();
  const [one, two, made] = ['1'.repeat(32), '2'.repeat(32), await addApp(empty, 'mine')];
  const valid = async () => {
    const authenticator = new Authenticator(empty);
    const found = await Promise.all([one, two].map((token) => authenticator.authenticate(`Bearer ${token}`)));
    return found.map((viewer) => viewer?.appName);
  };
  await Promise.all([setAppToken(empty, one), setAppToken(empty, one)]);
  expect(await valid()).toEqual(['default', undefined]);
  await setAppToken(empty, two);
  expect(await valid()).toEqual([undefined, 'default']);
  await setAppToken(empty, one);
  expect(await valid()).toEqual(['default', undefined]);
  await expect(setAppToken(empty, made)).rejects.toThrow('APP_TOKEN is the token of another app');
  expect(await valid()).toEqual(['default', undefined]);
  expect(await sql(empty, 'select count(*)::int as tokens from tokens')).toEqual([{ tokens: 3 }]);
});
