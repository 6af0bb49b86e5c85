import { describe, expect, test } from 'vitest';
import { SCOPES, type Scope } from '../src/access/viewer.ts';
import { sql } from './setup/database.ts';
import { type Answer, type Caller, callerOf, openTestGateway } from './setup/gateway.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });
const { db } = gateway;

const NOT_ALLOWED = '__typename ... on Error { code } ... on NotAllowed { right }';
const ERROR = `${NOT_ALLOWED} ... on InvalidInput { issues { path } }`;
const TOKEN = 'id label address scopes createdAt expiresAt lastUsedAt';
const ADD = `mutation ($input: TokenAddInput!) { tokenAdd(input: $input) { ${ERROR} ... on TokenAddPayload { secret token { ${TOKEN} } } } }`;
const REVOKE = `mutation ($id: ID!) { tokenRevoke(id: $id) { ${NOT_ALLOWED} ... on TokenRevokePayload { id } } }`;
const REVOKE_ALL = `mutation ($address: String!) { tokenRevokeAll(address: $address) { ${ERROR} ... on TokenRevokeAllPayload { revoked } } }`;
const LIST = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: TokenFilter) {
  tokens(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    edges { cursor node { ${TOKEN} } } pageInfo { hasNextPage hasPreviousPage } } }`;

interface Token {
  id: string;
  label: string | null;
  address: string | null;
  scopes: Scope[];
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
}
interface Added {
  __typename: string;
  secret: string;
  token: Token;
}

async function add(caller: Caller, input: object): Promise<Added & { right?: string; issues?: { path: string[] }[] }> {
  const { data, errors } = await caller.send(ADD, { input });
  expect(errors).toBeUndefined();
  return data?.tokenAdd;
}
async function added(caller: Caller, input: object): Promise<Added & { caller: Caller }> {
  const answer = await add(caller, input);
  expect(answer).toMatchObject({ __typename: 'TokenAddPayload' });
  return { ...answer, caller: callerOf(gateway, db, { viewer: caller.viewer, token: answer.secret }) };
}
async function list(caller: Caller, args: object = {}): Promise<Token[]> {
  const { data } = await caller.send(LIST, args);
  return data?.tokens.edges.map(({ node }: { node: Token }) => node);
}
const rows = (caller: Caller) => sql(db, 'select * from tokens where app_id = $1 order by id', [caller.viewer.appId]);
const whoAmI = async (caller: Caller) => {
  const { status, data } = await caller.send(`{ viewer { address scopes token { ${TOKEN} } } }`);
  return status === 200 ? data?.viewer : status;
};

describe('tokenAdd', () => {
  test('makes a user token: READ and WRITE, without an end', async () => {
    const app = await gateway.caller();
    const { secret, token, caller } = await added(app, { address: 'anna', label: 'Web ✨' });
    expect(secret).toMatch(/^rollcall_[\w-]{43}$/);
    expect(token).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      label: 'Web ✨',
      address: 'anna',
      scopes: ['READ', 'WRITE'],
      createdAt: expect.any(String),
      expiresAt: null,
      lastUsedAt: null,
    });
    expect(await whoAmI(caller)).toEqual({ address: 'anna', scopes: ['READ', 'WRITE'], token });
    await sql(db, 'update tokens set last_used_at = $2 where id = $1', [token.id, '2026-01-31T12:00:00Z']);
    expect((await whoAmI(caller)).token.lastUsedAt).toBe('2026-01-31T12:00:00.000Z');
  });

  test("makes an application token with the caller's own scopes", async () => {
    const app = await gateway.caller();
    const { token, caller } = await added(app, {});
    expect(token).toMatchObject({ address: null, label: null, scopes: [...SCOPES] });
    const narrow = await added(caller, { scopes: ['TOKENS', 'READ', 'TOKENS'] });
    expect(narrow.token.scopes).toEqual(['READ', 'TOKENS']);
    expect((await added(narrow.caller, {})).token.scopes).toEqual(['READ', 'TOKENS']);
    expect((await added(narrow.caller, { address: 'anna' })).token.scopes).toEqual(['READ']);
  });

  test('two tokens never have the same secret, and none is kept', async () => {
    const app = await gateway.caller();
    const secrets = new Set<string>();
    for (let i = 0; i < 20; i++) secrets.add((await added(app, { address: 'anna' })).secret);
    expect(secrets.size).toBe(20);
    const kept = await sql<{ all: string }>(db, 'select tokens::text as all from tokens where app_id = $1', [app.viewer.appId]);
    for (const secret of secrets) expect(kept.some((row) => row.all.includes(secret))).toBe(false);
  });

  test.each([
    [{ address: '' }, ['input.address']],
    [{ address: 'a,b' }, ['input.address']],
    [{ address: ' a' }, ['input.address']],
    [{ address: 'a\u0000' }, ['input.address']],
    [{ address: 'x'.repeat(257) }, ['input.address']],
    [{ address: null }, ['input.address']],
    [{ label: 'x'.repeat(257) }, ['input.label']],
    [{ label: 'a\u0000b' }, ['input.label']],
    [{ scopes: [] }, ['input.scopes']],
    [{ scopes: null }, ['input.scopes']],
    [{ address: 'anna', scopes: ['READ', 'TOKENS'] }, ['input.scopes.1']],
    [{ expiresIn: 0 }, ['input.expiresIn']],
    [{ expiresIn: -1 }, ['input.expiresIn']],
    [{ address: '', label: '\u0000', expiresIn: -(2 ** 31) }, ['input.address', 'input.label', 'input.expiresIn']],
  ])('refuses %j', async (input, paths) => {
    const app = await gateway.caller();
    const before = await rows(app);
    const answer = await add(app, input);
    expect(answer.__typename).toBe('InvalidInput');
    expect(answer.issues?.map(({ path }) => path.join('.'))).toEqual(paths);
    expect(await rows(app)).toEqual(before);
  });

  test('does not expire where expiresIn is null', async () => {
    const { token, caller } = await added(await gateway.caller(), { address: 'anna', expiresIn: null, label: null });
    expect(token).toMatchObject({ expiresAt: null, label: null });
    expect(await whoAmI(caller)).toMatchObject({ address: 'anna' });
  });

  test.each([1, 2 ** 31 - 1])('takes an expiry of %i seconds', async (expiresIn) => {
    const { token } = await added(await gateway.caller(), { address: 'anna', expiresIn, label: 'x'.repeat(256) });
    const length = Date.parse(token.expiresAt as string) - Date.parse(token.createdAt);
    expect(Math.abs(length - expiresIn * 1000)).toBeLessThan(50);
  });

  test('gives no scope that the caller has not', async () => {
    const app = await gateway.caller();
    const { caller } = await added(app, { scopes: ['TOKENS', 'WRITE'] });
    const before = await rows(app);
    expect(await add(caller, { address: 'anna', scopes: ['WRITE', 'READ'] })).toMatchObject({ right: 'READ' });
    expect(await add(caller, { scopes: ['CREATE_GROUPS'] })).toMatchObject({ __typename: 'NotAllowed', right: 'CREATE_GROUPS' });
    expect(await rows(app)).toEqual(before);
    const onlyTokens = await added(app, { scopes: ['TOKENS'] });
    expect(await add(onlyTokens.caller, { address: 'anna' })).toMatchObject({ __typename: 'NotAllowed', right: 'READ' });
  });
});

describe('who may manage tokens', async () => {
  const app = await gateway.caller();
  const other = await added(app, { address: 'bert' });
  const asks: Record<string, (caller: Caller) => ReturnType<Caller['send']>> = {
    tokenAdd: (caller) => caller.send(ADD, { input: { address: 'anna' } }),
    tokenRevoke: (caller) => caller.send(REVOKE, { id: other.token.id }),
    tokenRevokeAll: (caller) => caller.send(REVOKE_ALL, { address: 'bert' }),
  };
  const withoutTokens: Scope[] = ['READ', 'WRITE', 'CREATE_GROUPS'];

  test.each(Object.entries(asks))('%s needs TOKENS, and an application', async (name, ask) => {
    const before = await rows(app);
    const refused: [Caller, string][] = [
      [(await added(app, { scopes: withoutTokens })).caller, 'TOKENS'],
      [await app.user('anna', withoutTokens), 'TOKENS'],
      // No such token is made over GraphQL; should there be one, it has nothing from it.
      [await app.user('anna', SCOPES), 'application'],
    ];
    const made = await rows(app);
    expect(made.length).toBe(before.length + 3);
    for (const [caller, right] of refused) {
      const { data } = (await ask(caller)) as Answer;
      expect(data?.[name]).toEqual({ __typename: 'NotAllowed', code: 'NOT_ALLOWED', right });
    }
    expect((await rows(app)).map((row) => ({ ...(row as object), last_used_at: null }))).toEqual(
      made.map((row) => ({ ...(row as object), last_used_at: null })),
    );
  });

  test('the list needs TOKENS, and an application', async () => {
    const users = [await app.user('anna', withoutTokens), await app.user('anna', SCOPES)];
    for (const [index, caller] of users.entries()) {
      const { data, errors } = await caller.send(LIST);
      expect(data).toBeNull();
      expect(errors?.map(({ extensions }) => extensions)).toEqual([
        { code: 'NOT_ALLOWED', right: index === 0 ? 'TOKENS' : 'application' },
      ]);
    }
    const { caller } = await added(app, { scopes: ['TOKENS'] });
    expect((await list(caller)).length).toBeGreaterThan(0);
  });

  test('any token revokes itself, and nothing else', async () => {
    const { caller, token } = await added(app, { address: 'anna', scopes: ['READ'] });
    const second = await added(app, { address: 'anna', scopes: ['READ'] });
    expect((await caller.send(REVOKE, { id: second.token.id })).data?.tokenRevoke).toMatchObject({ right: 'TOKENS' });
    expect(await whoAmI(second.caller)).toMatchObject({ address: 'anna' });
    expect((await caller.send(REVOKE, { id: token.id.toUpperCase() })).data?.tokenRevoke).toMatchObject({ id: token.id });
    expect(await whoAmI(caller)).toBe(401);
    expect(await whoAmI(second.caller)).toMatchObject({ address: 'anna' });
  });
});

describe('tokenRevoke', () => {
  test('ends a token at once where it was revoked, and it is listed no more', async () => {
    const app = await gateway.caller();
    const { caller, token } = await added(app, { address: 'anna' });
    expect(await whoAmI(caller)).toMatchObject({ address: 'anna' });
    expect((await app.send(REVOKE, { id: token.id })).data?.tokenRevoke).toEqual({
      __typename: 'TokenRevokePayload',
      id: token.id,
    });
    expect(await whoAmI(caller)).toBe(401);
    expect((await list(app)).map(({ id }) => id)).toEqual([app.viewer.token.id]);
    expect((await app.send(REVOKE, { id: token.id })).data?.tokenRevoke).toEqual({
      __typename: 'TokenNotFound',
      code: 'TOKEN_NOT_FOUND',
    });
  });

  test('answers a foreign, a missing and a malformed id alike, with as many statements', async () => {
    const app = await gateway.caller();
    const foreigner = await gateway.caller();
    const foreign = await added(foreigner, { address: 'anna' });
    const counter = async () => (await sql<{ n: number }>(db, 'select revocations as n from gateway_state'))[0]?.n;
    const before = await counter();
    const asked: string[][] = [];
    for (const id of [foreign.token.id, crypto.randomUUID(), '', '1', 'x'.repeat(1000), '\u0000', `${foreign.token.id} `]) {
      const names = await recorder.during(async () => {
        expect((await app.send(REVOKE, { id })).data?.tokenRevoke).toEqual({
          __typename: 'TokenNotFound',
          code: 'TOKEN_NOT_FOUND',
        });
      });
      asked.push(names);
    }
    expect(asked.every((names) => names.join() === asked[0]?.join())).toBe(true);
    expect(asked[0]).not.toEqual([]);
    expect(await counter()).toBe(before);
    expect(await whoAmI(foreign.caller)).toMatchObject({ address: 'anna' });
  });
});

test('tokenRevokeAll ends all tokens of one user of this app, and counts those that held', async () => {
  const [app, foreigner] = [await gateway.caller(), await gateway.caller()];
  const annas = [await added(app, { address: 'anna' }), await added(app, { address: 'anna', scopes: ['READ'] })];
  const expired = await added(app, { address: 'anna', expiresIn: 1 });
  await sql(db, "update tokens set expires_at = now() - interval '1 hour' where id = $1", [expired.token.id]);
  const others = [await added(app, { address: 'Anna' }), await added(app, {}), await added(foreigner, { address: 'anna' })];
  expect((await app.send(REVOKE_ALL, { address: 'anna' })).data?.tokenRevokeAll).toMatchObject({ revoked: 2 });
  expect(await Promise.all(annas.map(({ caller }) => whoAmI(caller)))).toEqual([401, 401]);
  for (const { caller } of others) expect(await whoAmI(caller)).toMatchObject({ scopes: expect.anything() });
  expect((await app.send(REVOKE_ALL, { address: 'anna' })).data?.tokenRevokeAll).toMatchObject({ revoked: 0 });
  expect((await app.send(REVOKE_ALL, { address: 'a,b' })).data?.tokenRevokeAll).toMatchObject({
    issues: [{ path: ['address'] }],
  });
});

describe('tokens', async () => {
  const app = await gateway.caller();
  const labels = ['0', '1', '2', '3', '4', '5', '6'];
  for (const label of labels) await added(app, { label, address: label < '4' ? 'anna' : undefined });
  await added(await gateway.caller(), { label: 'foreign', address: 'anna' });
  const expired = await added(app, { label: 'expired', address: 'anna', expiresIn: 1 });
  await sql(db, 'update tokens set expires_at = created_at where id = $1', [expired.token.id]);

  test('are listed in the order in which they were made, without their secrets', async () => {
    const answer = await app.send(LIST);
    expect((await list(app)).map(({ label }) => label)).toEqual([null, ...labels]);
    expect(JSON.stringify(answer)).not.toContain('rollcall_');
    expect((await list(app, { filter: { address: 'anna' } })).map(({ label }) => label)).toEqual(['0', '1', '2', '3']);
    expect(await list(app, { filter: { address: 'nobody' } })).toEqual([]);
  });

  test('are paged in both directions, each once', async () => {
    for (const forward of [true, false]) {
      const seen: (string | null)[] = [];
      for (let cursor: string | undefined; ; ) {
        const { data } = await app.send(LIST, forward ? { first: 3, after: cursor } : { last: 3, before: cursor });
        const { edges, pageInfo } = data?.tokens ?? {};
        seen.push(...(forward ? edges : edges.toReversed()).map(({ node }: { node: Token }) => node.label));
        expect(forward ? pageInfo.hasPreviousPage : pageInfo.hasNextPage).toBe(cursor !== undefined);
        if (!(forward ? pageInfo.hasNextPage : pageInfo.hasPreviousPage)) break;
        cursor = edges.at(forward ? -1 : 0).cursor;
      }
      expect(forward ? seen : seen.reverse()).toEqual([null, ...labels]);
    }
  });

  const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  test.each([
    [{ first: 0 }, 'first'],
    [{ first: 1001 }, 'first'],
    [{ first: 1, last: 1 }, 'last'],
    [{ after: 'x' }, 'after'],
    [{ after: forged('tokens', 0, 'x') }, 'after'],
    [{ before: forged('tokens', 0, "' or true") }, 'before'],
    [{ after: forged('tokens', 0, crypto.randomUUID().toUpperCase()) }, 'after'],
    [{ after: forged('groups:GID', 1000) }, 'after'],
    [{ filter: { address: 'a,b' } }, 'filter.address'],
    [{ filter: { address: null } }, 'filter.address'],
  ])('refuse %j', async (args, path) => {
    const { errors } = await app.send(LIST, args);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'INVALID_INPUT' });
    const issues = errors?.[0]?.extensions?.['issues'] as { path: string[] }[];
    expect(issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
});
