/** Every code, and input that is none: always HTTP 200, always a code, nothing written. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SCOPES } from '../../src/access/viewer.ts';
import { sql } from '../setup/database.ts';
import { type Flat, FORM_TYPE, flat, JSON_TYPE, type Json, openOps, SENTENCE } from './setup.ts';

const ops = await openOps();
const { db } = ops.gateway;
const app = await ops.app();
const { token } = app;
const gid: number = (await app.json({ op: 'groupadd', group: { name: 'G', members: { m: 'ann,bob' } } }))['group'].gid;
const stranger = await ops.app();
const foreign: number = (await stranger.json({ op: 'groupadd' }))['group'].gid;
const tokens = {
  reads: await app.secret(['READ']),
  writes: await app.secret(['WRITE']),
  creates: await app.secret(['CREATE_GROUPS']),
  tokens: await app.secret(['TOKENS']),
  user: (await app.user('ann')).token,
  all: await app.secret(SCOPES),
};

const written = async () => {
  const [row] = await sql<{ digest: string }>(
    db,
    `select concat((select count(*) from groups), ' ', (select count(*) from changes), ' ', (select count(*) from members), ' ',
      (select count(*) from member_types), ' ', (select count(*) from group_types), ' ', (select count(*) from tokens where revoked_at is null), ' ',
      (select count(*) from users)) as digest`,
  );
  return row?.digest;
};
let before: string | undefined;
beforeEach(async () => {
  before = await written();
});
afterEach(async () => {
  expect(await written()).toBe(before);
});

async function refused(body: Json | string | Uint8Array, answer: Json, query?: Flat | string): Promise<void> {
  const isText = typeof body === 'string' || body instanceof Uint8Array;
  const sent = isText ? body : JSON.stringify({ token, ...body });
  const { status, headers, text } = await ops.send({ method: 'POST', query, headers: JSON_TYPE, body: sent });
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'access-control-allow-origin': '*',
  });
  expect(headers).not.toHaveProperty('access-control-allow-credentials');
  expect(JSON.parse(text)).toEqual(answer);
}

const OPS =
  'groupadd groupset groupdel groupeditmembers groupgetmembers getmembers groupget groupsget appstats useradd userset userdel usertoken userget usersget';

describe('BADOP', () => {
  test.each([undefined, '', null, []])('no op: %o', (op) =>
    refused({ op }, { result: false, error: 'BADOP', error_description: SENTENCE }),
  );
  test.each([7, true, {}, { a: 1 }, ['groupadd']])('an op that is none: %o', (op) =>
    refused({ op }, { result: false, error: 'BADOP', error_description: SENTENCE }),
  );
  test.each(['message', 'otp', 'GroupAdd', 'groupadd ', '__proto__', 'constructor', 'toString', '\u0000', '\ud800', '🎉'])(
    'an unknown op: %o',
    (op) => refused({ op }, { op, result: false, error: 'BADOP', error_description: SENTENCE }),
  );
  test('a name that is too long to be sent back', () =>
    refused({ op: 'x'.repeat(101) }, { result: false, error: 'BADOP', error_description: SENTENCE }));
  test('an op given twice', () =>
    refused('', { result: false, error: 'BADOP', error_description: SENTENCE }, `op=groupadd&op=groupadd&token=${token}`));
  test('is told before the token is looked at', () =>
    refused({ op: 'none', token: 'x' }, { op: 'none', result: false, error: 'BADOP', error_description: SENTENCE }));
});

describe('AUTHFAIL', () => {
  const failed = (op: string) => ({ op, result: false, error: 'AUTHFAIL', error_description: SENTENCE });
  test.each(OPS.split(' '))('%s without a token, with a wrong one, with a user’s', async (op) => {
    for (const wrong of [
      undefined,
      '',
      null,
      'x',
      `${token}x`,
      token.slice(0, -1),
      ` ${token}`,
      tokens.user,
      'a b',
      'x'.repeat(10_000),
    ]) {
      await refused({ op, token: wrong, group: { gid, members: { m: 'zoe' } }, user: { address: 'zoe' } }, failed(op));
    }
    for (const wrong of [7, true, { a: token }, [token]]) await refused({ op, token: wrong, group: { gid } }, failed(op));
  });
  test('a token given twice', () => refused('', failed('appstats'), `op=appstats&token=${token}&token=${token}`));
  test('there is no header for it', async () => {
    const headers = { Authorization: `Bearer ${token}` };
    expect(await ops.answer({ query: { op: 'appstats' }, headers })).toEqual(failed('appstats'));
  });
  test('a revoked token', async () => {
    const id = (await app.send('{ viewer { token { id } } }')).data?.['viewer'].token.id;
    expect(id).toBeTypeOf('string');
    const { secret, token: made } = await tokenOf(app);
    expect(await ops.answer({ query: { op: 'appstats', token: secret } })).toMatchObject({ result: true });
    await app.send(`mutation { tokenRevoke(id: ${JSON.stringify(made)}) { __typename } }`);
    expect(await ops.answer({ query: { op: 'appstats', token: secret } })).toEqual(failed('appstats'));
  });

  const NEEDS: Record<string, (keyof typeof tokens)[]> = {
    groupadd: ['creates'],
    groupset: ['writes'],
    groupdel: ['writes'],
    groupeditmembers: ['writes'],
    groupgetmembers: ['reads'],
    getmembers: ['reads'],
    groupget: ['reads'],
    groupsget: ['reads'],
    appstats: ['reads'],
    useradd: ['tokens'],
    usertoken: ['tokens'],
    userset: ['tokens'],
    userget: ['tokens'],
    usersget: ['tokens'],
    userdel: [],
  };
  test.each(Object.entries(NEEDS))('%s without its scope; with it the next thing is what is missing', async (op, enough) => {
    for (const scope of ['reads', 'writes', 'creates', 'tokens'] as const) {
      if (!enough.includes(scope))
        await refused({ op, token: tokens[scope], group: { gid: 'x', active: 'x' }, user: 'x' }, failed(op));
    }
    for (const scope of [...enough, 'all'] as const) {
      const wrong = { group: { gid: 'x', active: 'x' }, user: 'x', count: 'x' };
      if (op !== 'appstats')
        await refused(
          { op, token: tokens[scope], ...wrong },
          { op, result: false, error: 'BADPARA', error_description: SENTENCE },
        );
    }
  });
  test('a token for users by one who may neither read nor write', () =>
    refused({ op: 'useradd', token: tokens.tokens, user: { address: 'zoe' } }, failed('useradd')));
});

async function tokenOf(caller: typeof app): Promise<{ secret: string; token: string }> {
  const added = 'mutation { tokenAdd(input: { scopes: [READ] }) { ... on TokenAddPayload { secret token { id } } } }';
  const { data } = await caller.send(added);
  return { secret: data?.['tokenAdd'].secret, token: data?.['tokenAdd'].token.id };
}

describe('MISSINGPARA', () => {
  const missing = (op: string) => ({ op, result: false, error: 'MISSINGPARA', error_description: SENTENCE });
  test.each(['groupset', 'groupdel', 'groupeditmembers', 'groupgetmembers', 'getmembers', 'groupget'])(
    '%s without a gid',
    async (op) => {
      const members = { m: 'zoe' };
      await refused({ op, group: { members } }, missing(op));
      await refused({ op, group: { gid: '', members } }, missing(op));
      await refused({ op, group: { gid: null, members } }, missing(op));
      await refused({ op, group: [] }, missing(op));
      await refused({ op, gid }, missing(op));
      await refused('', missing(op), { op, token, m: 'zoe', gid: '' });
    },
  );
  test.each<Json | undefined>([
    undefined,
    {},
    { m: '' },
    { m: null },
    { m: ' ,, ' },
    { permissions: { send: 0 } },
    { remove: true },
  ])('groupeditmembers without m: %o', (members) =>
    refused({ op: 'groupeditmembers', group: { gid, members } }, missing('groupeditmembers')),
  );
  test.each(['useradd', 'usertoken', 'userset', 'userdel', 'userget'])('%s without an address or a uid', async (op) => {
    await refused({ op }, missing(op));
    await refused({ op, user: { uid: 0 } }, missing(op));
    await refused({ op, user: { uid: '' } }, missing(op));
    await refused({ op, user: { address: '' } }, missing(op));
    await refused({ op, address: 'zoe' }, missing(op));
  });
});

describe('BADGROUP', () => {
  const none = (op: string) => ({ op, result: false, error: 'BADGROUP', error_description: SENTENCE });
  test.each(['groupset', 'groupdel', 'groupeditmembers', 'groupgetmembers', 'getmembers', 'groupget'])(
    '%s of a group that is unknown, impossible, another app’s',
    async (op) => {
      for (const unknown of [1, 0, '0', -5, 999, 2 ** 53 - 1, foreign]) {
        await refused({ op, group: { gid: unknown, name: 'N', members: { m: 'zoe' } } }, none(op));
      }
    },
  );
});

describe('BADUSER', async () => {
  const { user } = await stranger.json({ op: 'useradd', user: { address: 'ann' } });
  test.each(['useradd', 'usertoken', 'userset', 'userdel', 'userget'])(
    '%s of a uid that is unknown, impossible, another app’s',
    async (op) => {
      for (const uid of [user.uid, String(user.uid), 999_999, -1, 2 ** 53 - 1]) {
        for (const address of [undefined, 'ann']) {
          await refused(
            { op, user: { uid, address, active: 0 } },
            { op, result: false, error: 'BADUSER', error_description: 'This app has no such user.' },
          );
          await refused(
            '',
            { op, result: false, error: 'BADUSER', error_description: 'This app has no such user.' },
            { op, token, uid },
          );
        }
      }
    },
  );
  test('userget of an address that is no user’s, though another app’s', () =>
    refused(
      { op: 'userget', user: { address: 'ann' } },
      { op: 'userget', result: false, error: 'BADUSER', error_description: SENTENCE },
    ));
});

describe('NOTMEMBER', () => {
  const json = { gid, type: 3, name: 'N', flags: 1, members: { m: 'ann,zoe' } };
  test.each(['groupset', 'groupeditmembers', 'groupadd'])('%s', async (op) => {
    await refused({ op, group: json }, { op, result: false, error: 'NOTMEMBER', error_description: SENTENCE });
    if (op === 'groupadd') return;
    await refused(
      '',
      { op, result: false, error: 'NOTMEMBER', error_description: SENTENCE },
      { op, token, gid, type: 3, m: 'ann,zoe', name: 'N' },
    );
  });
});

describe('BADPARA', () => {
  const bad = (op: string, more: Json = {}) => ({ op, ...more, result: false, error: 'BADPARA', error_description: SENTENCE });
  const HUGE = '99999999999999999999999';

  test.each<[string, Json]>([
    ...[7, true, {}, { a: 1 }, ['N'], 'x'.repeat(257), 'a\u0000b', '\ud800'].map((name): [string, Json] => ['name', { name }]),
    ...['x', -1, '-1', 1.5, '1.5', '0x', '0xg', true, {}, { a: 1 }, [1], HUGE, `0x${'f'.repeat(17)}`, 1e300].map(
      (flags): [string, Json] => ['flags', { flags }],
    ),
    ...['yes', 2, -1, 'on', {}, { a: 1 }, [true]].map((active): [string, Json] => ['active', { active }]),
    ...['x', 1.5, 2 ** 31, HUGE, true, { a: 1 }, '0x10', '1e3', '+5', '1 2'].flatMap((value): [string, Json][] => [
      ['duration', { validity: { duration: value } }],
      ['start', { start: value }],
      ['expiryext', { expiryext: value }],
      ['duration, beside 0', { validity: { duration: 0 }, duration: value }],
    ]),
    ...[3, -1, '3', 'x', true, 1.5].flatMap((value): [string, Json][] =>
      ['send', 'recv', 'pub', 'sub', 'list'].map((action) => ['permissions', { permissions: { [action]: value } }]),
    ),
    ...[6, 7, 11, -1, 'HD', HUGE].map((resolution): [string, Json] => ['resolution', { call: { resolution } }]),
    ...[-1, 2 ** 31, 'x', HUGE].map((maxdur): [string, Json] => ['maxdur', { call: { maxdur } }]),
    ...[2 ** 31, -(2 ** 31) - 1, 'x', HUGE].map((flags): [string, Json] => ['call.flags', { call: { flags } }]),
    ...[-1, 'x', 1.5, 2 ** 31, HUGE].map((type): [string, Json] => ['type', { type }]),
    ...['x', 5, [1], true].flatMap((value): [string, Json][] =>
      ['validity', 'permissions', 'members', 'call'].map((name) => [name, { [name]: value }]),
    ),
    ...[
      1.5,
      true,
      ['ann', 1.5],
      ['ann', null],
      ['ann,bob'],
      [['ann']],
      { a: 1 },
      'a\u0000',
      'a\tb',
      'x'.repeat(257),
      '\udfff',
      'ann,\u0007',
    ].map((m): [string, Json] => ['m', { members: { m } }]),
    ...['yes', 2, { a: 1 }].flatMap((value): [string, Json][] => [
      ['members.permissions', { members: { m: 'ann', permissions: { sub: value } } }],
      ['members.admin', { members: { m: 'ann', admin: { adduser: value } } }],
      ['members.remove', { members: { m: 'ann', remove: value } }],
      ['group.delete', { delete: value, members: { m: 'ann' } }],
      ['group.delete, beside remove: false', { delete: value, members: { m: 'ann', remove: false } }],
    ]),
    ...[5, 'x', ['send']].flatMap((value): [string, Json][] => [
      ['members.permissions', { members: { m: 'ann', permissions: value } }],
      ['members.admin', { members: { m: 'ann', admin: value } }],
    ]),
  ])('%s: %o', async (_, group) => {
    await refused({ op: 'groupset', id: 3, group: { gid, ...group } }, bad('groupset', { id: 3 }));
    await refused({ op: 'groupadd', group }, bad('groupadd'));
  });

  test('a right taken from an owner that stays one', async () => {
    const answer = await app.json({ op: 'groupset', group: { gid, members: { m: 'ann', admin: { owner: true } } } });
    expect(answer['result']).toBe(true);
    before = await written();
    await refused(
      { op: 'groupset', group: { gid, name: 'N', members: { m: 'ann,bob', admin: { modify: 0 } } } },
      bad('groupset'),
    );
  });

  test.each([['x'], [1.5], [HUGE], [2 ** 53], ['0x3e8'], [true], [{ a: 1 }], [[1000]]])('gid %o', async (wrong) => {
    for (const op of ['groupset', 'groupdel', 'groupeditmembers', 'groupgetmembers', 'groupget']) {
      await refused({ op, group: { gid: wrong, members: { m: 'zoe' } } }, bad(op));
    }
  });

  test.each([['x'], [1.5], [HUGE], [true], [{ a: 1 }], [[1]]])('id %o', (id) =>
    refused({ op: 'groupset', id, group: { gid, name: 'N' } }, bad('groupset')),
  );

  test.each(['x', -1, 1.5, HUGE, { a: 1 }])('count %o', async (count) => {
    await refused({ op: 'groupgetmembers', group: { gid }, count }, bad('groupgetmembers'));
    await refused({ op: 'groupsget', count }, bad('groupsget'));
    await refused({ op: 'usersget', count }, bad('usersget'));
  });

  test.each([1.5, ['a'], 'a\u0000', '\ud800', { a: 1 }])('after %o', async (after) => {
    await refused({ op: 'groupgetmembers', group: { gid }, after }, bad('groupgetmembers'));
    await refused({ op: 'usersget', after }, bad('usersget'));
  });
  test('groups behind a gid that cannot be', () => refused({ op: 'groupsget', group: { gid: -1 } }, bad('groupsget')));

  test.each<Json>([
    ...['a,b', ' ann', 'x'.repeat(257), 'a\u0000', 1.5, true, { a: 1 }, [1], ['ann']].map((address) => ({ address })),
    ...['x', -1, 1.5, 2 ** 31, HUGE].map((expiry) => ({ address: 'zoe', token: { expiry } })),
    ...['x', 5, [1]].map((value) => ({ address: 'zoe', token: value })),
  ])('user %o', (user) => refused({ op: 'useradd', user }, bad('useradd')));

  test.each([
    ...['gid', 'name', 'flag', 'flags', 'expiry', 'expiryext', 'active', 'm', 'sflags', 'type', 'id'].map((name) => [
      'groupset',
      name,
    ]),
    ...['gid', 'm', 'cs', 'canlist', 'type', 'delete', 'id'].map((name) => ['groupeditmembers', name]),
    ...['gid', 'count', 'after'].map((name) => ['getmembers', name]),
    ...['uid', 'address', 'addr'].map((name) => ['userget', name]),
  ] as const)('%s with %s given twice', async (op, name) => {
    const query = flat({ op, token, gid, m: 'ann', [name]: 1 });
    await refused('', bad(op), `${query}&${name}=1`);
    await refused('', bad(op), `${query}&${name}=2`);
    expect(await ops.answer({ method: 'POST', headers: FORM_TYPE, body: `${name}=1&${query}` })).toEqual(bad(op));
  });

  test.each(['-2', 'x', String(2 ** 32), '0x07000000', '0xff000000', HUGE])('sflags %s', (sflags) =>
    refused('', bad('groupset'), { op: 'groupset', token, gid, sflags }),
  );
});

describe('error_description', async () => {
  const long = 'x'.repeat(257);
  const bare = (answer: Json) => ({ error: answer['error'], description: answer['error_description'] });

  test.each<[Json, string, string]>([
    [{}, 'BADOP', 'The parameter op is missing.'],
    [{ op: 'otp' }, 'BADOP', 'There is no op of this name.'],
    [{ op: 7 }, 'BADOP', 'The parameter op is wrong: it must be a string.'],
    [{ op: 'appstats', token: null }, 'AUTHFAIL', 'The parameter token is missing.'],
    [{ op: 'appstats', token: 'x' }, 'AUTHFAIL', 'The token is unknown, was revoked or has expired.'],
    [{ op: 'appstats', token: tokens.user }, 'AUTHFAIL', 'The token is a user’s; ops need the token of an application.'],
    [{ op: 'userdel', token: tokens.tokens, user: { address: 'a' } }, 'AUTHFAIL', 'The token lacks the scope WRITE.'],
    [{ op: 'groupget' }, 'MISSINGPARA', 'The parameter group.gid is missing.'],
    [{ op: 'groupeditmembers', group: { gid } }, 'MISSINGPARA', 'The parameter group.members.m is missing.'],
    [{ op: 'userget' }, 'MISSINGPARA', 'The parameter user.address is missing.'],
    [
      { op: 'groupget', group: { gid: 'x' } },
      'BADPARA',
      'The parameter group.gid is wrong: it must be a whole number below 2⁵³.',
    ],
    [{ op: 'groupget', group: 'x' }, 'BADPARA', 'The parameter group is wrong: it must be an object.'],
    [{ op: 'groupadd', group: { call: 1 } }, 'BADPARA', 'The parameter group.call is wrong: it must be an object.'],
    [
      { op: 'groupadd', group: { start: 'x' } },
      'BADPARA',
      'The parameter group.start is wrong: it must be a whole number below 2⁵³.',
    ],
    [
      { op: 'groupadd', group: { active: 2 } },
      'BADPARA',
      'The parameter group.active is wrong: it must be true or false, or 1 or 0.',
    ],
    [
      { op: 'groupadd', group: { name: long } },
      'BADPARA',
      'The parameter group.name is wrong: it must be at most 256 characters.',
    ],
    [
      { op: 'groupadd', group: { duration: 2 ** 31 } },
      'BADPARA',
      'The parameter group.validity.duration is wrong: it must be an integer from 0 to 2147483647.',
    ],
    [
      { op: 'groupadd', group: { members: { m: [1.5] } } },
      'BADPARA',
      'The parameter group.members.m is wrong: it must be a string or a whole number.',
    ],
    [
      { op: 'groupadd', group: { members: { m: `ann,${long}` } } },
      'BADPARA',
      'The parameter group.members.m is wrong: it must be at most 256 characters.',
    ],
    [
      { op: 'useradd', user: { address: 'a,b' } },
      'BADPARA',
      'The parameter user.address is wrong: an address must not contain a comma.',
    ],
    [
      { op: 'userdel', user: { address: 'a,b' } },
      'BADPARA',
      'The parameter user.address is wrong: an address must not contain a comma.',
    ],
    [
      { op: 'useradd', user: { address: 'a', token: { expiry: -1 } } },
      'BADPARA',
      'The parameter user.token.expiry is wrong: it must be an integer from 0 to 2147483647.',
    ],
    [{ op: 'usersget', address: '\0*' }, 'BADPARA', 'The parameter address is wrong: it must not contain a null character.'],
    [{ op: 'usersget', after: '\0' }, 'BADPARA', 'The parameter after is wrong: it is no cursor of this list.'],
    [{ op: 'groupsget', count: -1 }, 'BADPARA', 'The parameter count is wrong: it must not be negative.'],
    [{ op: 'groupget', group: { gid: foreign } }, 'BADGROUP', 'This app has no such group.'],
    [
      { op: 'groupeditmembers', group: { gid, type: 3, members: { m: 'ann,zoe' } } },
      'NOTMEMBER',
      'With a type above 0 every address has to be a member of the group, and zoe is none.',
    ],
  ])('%j', async (body, error, description) => {
    expect(bare(await app.json(body))).toEqual({ error, description });
  });

  test.each<[string, string, string]>([
    ['op=groupget', 'MISSINGPARA', 'The parameter gid is missing.'],
    ['op=userget', 'MISSINGPARA', 'The parameter address is missing.'],
    [
      'op=groupadd&flag=x',
      'BADPARA',
      'The parameter flag is wrong: it must be a whole number from 0 to below 2⁵³, or one like "0x20".',
    ],
    ['op=groupget&gid=1&gid=2', 'BADPARA', 'The parameter gid is wrong: it is given twice.'],
    ['op=groupadd&m=%00', 'BADPARA', 'The parameter m is wrong: it must not contain a null character.'],
    [
      'op=groupadd&sflags=0x07000000',
      'BADPARA',
      'The parameter sflags is wrong: it must be one of the resolutions 0 to 5, 8, 9 and 10.',
    ],
    ['op=groupadd&name=%ff', 'BADPARA', 'A percent-encoding is broken, or is no UTF-8.'],
    [
      'op=groupadd&m=a%2Bb@x.org,a+b@x.org',
      'BADPARA',
      'The parameter m is wrong: a + in a URL or a form stands for a blank, which is hardly meant here; encode a plus as %2B and a blank as %20.',
    ],
  ])('%s', async (query, error, description) => {
    expect(bare(await ops.answer({ query: `${query}&token=${token}` }))).toEqual({ error, description });
  });

  test('a body that cannot be read', async () => {
    const send = async (body: string) => bare(await ops.answer({ method: 'POST', headers: JSON_TYPE, body }));
    expect(await send('{"a":')).toEqual({ error: 'BADPARA', description: 'The body is no valid JSON.' });
    expect(await send('[]')).toEqual({ error: 'BADPARA', description: 'The JSON is no object.' });
  });

  test('says nothing of a token, and none beside a success', async () => {
    for (const answer of [
      await app.json({ op: token, token }),
      await app.json({ op: 'appstats', token: `${token}x` }),
      await app.json({ op: 'groupget', group: { gid: token } }),
    ]) {
      expect(answer['error_description']).toEqual(SENTENCE);
      expect(answer['error_description']).not.toContain(token);
    }
    expect(await app.json({ op: 'appstats' })).not.toHaveProperty('error_description');
  });
});

describe('what cannot be read at all', () => {
  const garbled = { result: false, error: 'BADPARA', error_description: SENTENCE };
  const good = JSON.stringify({ op: 'groupadd', token, group: { name: 'N' } });
  const nested = (levels: number, [open, close]: [string, string]) => open.repeat(levels) + close.repeat(levels);

  test.each<[string, string | Uint8Array]>([
    ['JSON cut short', good.slice(0, -1)],
    ['JSON with something behind it', `${good}x`],
    ['two JSON objects', good + good],
    ['single quotes', good.replaceAll('"', "'")],
    ['a trailing comma', good.replace('}}', '},}')],
    ['a comment', `/* */${good}`],
    ['NaN', good.replace('"N"', 'NaN')],
    ['a bare control character', good.replace('"N"', '"\n"')],
    ['a JSON array', `[${good}]`],
    ['an empty JSON array', '[]'],
    ['a JSON string', '"groupadd"'],
    ['a JSON number', '1'],
    ['null', 'null'],
    ['10,000 levels of arrays', good.replace('"N"', nested(10_000, ['[', ']']))],
    ['10,000 levels of objects', good.replace('"N"', nested(10_000, ['{"a":', '}']).replace(':}', ':1}'))],
    ['10,000 levels in a name that nobody reads', good.replace('"op"', `"x":${nested(10_000, ['[', ']'])},"op"`)],
    ['a million levels that never end', '['.repeat(1_000_000)],
    ['invalid UTF-8', Buffer.from(good.replace('"N"', '"\xff"'), 'latin1')],
    ['UTF-8 cut in the middle', Buffer.from(good).subarray(0, -1)],
    [
      'UTF-8 of a surrogate',
      Buffer.concat([Buffer.from('{"op":"groupadd","x":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
    ['UTF-16', Buffer.from(good, 'utf16le')],
    ['zero bytes', Buffer.alloc(100)],
  ])('%s', async (_, body) => {
    await refused(body, garbled);
    await refused(body, garbled, { op: 'groupadd', token });
  });

  test.each(['%', '%2', '%zz', '%c3', '%c3%28', '%ff', '%ed%a0%80', '%u0041'])('the percent code %s', async (broken) => {
    const parameters = `op=groupadd&token=${token}&name=${broken}`;
    expect(await ops.answer({ query: parameters })).toEqual(garbled);
    expect(await ops.answer({ query: `${parameters}&x` })).toEqual(garbled);
    expect(await ops.answer({ query: `op=groupadd&token=${token}&${broken}=1` })).toEqual(garbled);
    expect(await ops.answer({ method: 'POST', headers: FORM_TYPE, body: parameters })).toEqual(garbled);
    await refused(good, garbled, `x=${broken}`);
  });

  test('a form of broken UTF-8, of more parameters than anybody has, a multipart form', async () => {
    const form = `op=groupadd&token=${token}`;
    const send = (body: string | Uint8Array, type = FORM_TYPE) => ops.answer({ method: 'POST', headers: type, body });
    expect(await send(Buffer.from(`${form}&name=\xff`, 'latin1'))).toEqual(garbled);
    expect(await send(form + '&x=1'.repeat(1_000))).toEqual(garbled);
    const part = (name: string, value: string) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const multipart = `${part('op', 'groupadd') + part('token', token)}--b--\r\n`;
    expect(await send(multipart, { 'Content-Type': 'multipart/form-data; boundary=b' })).toEqual(garbled);
  });

  test('32 levels are no harm', async () => {
    const deep = JSON.parse(nested(31, ['[', ']']));
    expect(await app.json({ op: 'appstats', deep })).toMatchObject({ result: true });
    await refused({ op: 'appstats', deep: [deep] }, garbled);
    await refused(
      { op: 'none', text: '[{"\\\\\\"'.repeat(100), more: ']}' },
      { op: 'none', result: false, error: 'BADOP', error_description: SENTENCE },
    );
  });
});
