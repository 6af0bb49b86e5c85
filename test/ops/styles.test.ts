/** Every op in every style that clients use, each answer compared whole. */
import { describe, expect, test } from 'vitest';
import { type Flat, FORM_TYPE, flat, type HttpRequest, JSON_TYPE, type Json, openOps, SENTENCE } from './setup.ts';

const ops = await openOps();
const app = await ops.app();
const { token, viewer } = app;

/** One request in its JSON and in its flat form. */
interface Both {
  json: Json;
  flat: Flat;
}

type Style = (both: Both) => HttpRequest;

const whole = ({ json }: Both) => JSON.stringify({ ...json, token });
const envelope = ({ json: { op, id } }: Both): Flat => ({ op, token, ...(id === undefined ? {} : { id }) });

const STYLES: Record<string, Style> = {
  'JSON POST': (both) => ({ method: 'POST', headers: JSON_TYPE, body: whole(both) }),
  'GET with a query': (both) => ({ query: { ...both.flat, token } }),
  'POST with a query and an empty body': (both) => ({ method: 'POST', query: { ...both.flat, token }, body: '' }),
  'POST of a form': (both) => ({ method: 'POST', headers: FORM_TYPE, body: flat({ ...both.flat, token }) }),
  'DELETE with a query and JSON': (both) => {
    const { op, id, ...rest } = both.json;
    return { method: 'DELETE', query: envelope(both), headers: JSON_TYPE, body: JSON.stringify(rest) };
  },
  'GET with a JSON body': (both) => ({ headers: JSON_TYPE, body: whole(both) }),
  'JSON without a content type, at /api.php': (both) => ({ method: 'POST', path: '/api.php', body: whole(both) }),
  'JSON as curl -d sends it, at /backend/': (both) => ({
    method: 'POST',
    path: '/backend/',
    headers: FORM_TYPE,
    body: `\n ${whole(both)} \n`,
  }),
  'PUT of JSON as text, with a byte order mark': (both) => ({
    method: 'PUT',
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: `\ufeff${whole(both)}`,
  }),
  'PATCH, a form with one half in the query': (both) => {
    const entries = Object.entries({ ...both.flat, token });
    const half = Math.floor(entries.length / 2);
    return {
      method: 'PATCH',
      query: Object.fromEntries(entries.slice(0, half)) as Flat,
      headers: FORM_TYPE,
      body: flat(Object.fromEntries(entries.slice(half)) as Flat),
    };
  },
};

const ALL = { send: true, recv: true, pub: true, sub: true, list: true };
const NO_ADMIN = {
  ...{ owner: false, admin: false, modify: false, remove: false, adduser: false, remuser: false },
  ...{ addadmin: false, remadmin: false, remowner: false },
};
const row = (address: string, flags = 31, permissions: object = ALL, uid = 0) => ({
  uid,
  address,
  flags,
  permissions,
  admin: NO_ADMIN,
});
const isTime = expect.toSatisfy((value) => Number.isInteger(value) && value > 1_700_000_000);

async function group(members = 'ann,bob'): Promise<number> {
  const { group } = await app.json({ op: 'groupadd', group: { name: 'G', members: { m: members } } });
  return group.gid;
}

describe.each(Object.entries(STYLES))('%s', (_, style) => {
  const run = (json: Json, parameters: Flat) =>
    ops.answer(style({ json, flat: { op: json['op'], ...(json['id'] === undefined ? {} : { id: json['id'] }), ...parameters } }));

  test('groupadd', async () => {
    const answer = await run(
      {
        op: 'groupadd',
        id: 7,
        group: {
          ...{ name: 'Tëam 🎉', flags: 0x2020, active: false },
          validity: { duration: 3600, expiryext: 60 },
          members: { m: 'ann,bob', permissions: { send: false } },
          call: { flags: 5, resolution: 3 },
        },
      },
      { name: 'Tëam 🎉', flag: '0x2020', active: 0, expiry: 3600, expiryext: 60, m: 'ann,bob', cs: 0, sflags: 0x03000005 },
    );
    const { gid } = answer['group'];
    expect(answer).toEqual({ op: 'groupadd', id: 7, result: true, group: { gid: expect.any(Number) } });
    expect(await app.state(gid)).toMatchObject({
      version: 2,
      records: 2,
      members: [
        ['ann', 30, 0],
        ['bob', 30, 0],
      ],
    });
    const read = await app.json({ op: 'groupget', group: { gid } });
    expect(read).toEqual({
      op: 'groupget',
      result: true,
      group: {
        ...{ gid, name: 'Tëam 🎉', flags: 0x2020, active: false, type: 0 },
        validity: { startsat: isTime, expiresat: read['group'].validity.startsat + 3600, expiryext: 60 },
        permissions: { send: 0, recv: 2, pub: 0, sub: 2, list: 0 },
        call: { flags: 5, resolution: 3, maxdur: 0, default: false },
      },
    });
  });

  test('groupset', async () => {
    const gid = await group();
    const answer = await run(
      { op: 'groupset', group: { gid, name: 'H', active: '0', members: { m: 'ann,bob,cem', permissions: { list: 'false' } } } },
      { gid, name: 'H', active: 'false', m: 'ann,bob,cem', canlist: 0 },
    );
    expect(answer).toEqual({ op: 'groupset', result: true, group: { gid } });
    expect(await app.state(gid)).toMatchObject({
      version: 5,
      members: [
        ['ann', 15, 0],
        ['bob', 15, 0],
        ['cem', 15, 0],
      ],
    });
    expect((await app.json({ op: 'groupget', group: { gid } }))['group']).toMatchObject({ name: 'H', active: false });
  });

  test('groupdel', async () => {
    const gid = await group();
    expect(await run({ op: 'groupdel', group: { gid } }, { gid })).toEqual({ op: 'groupdel', result: true, group: { gid } });
    expect(await run({ op: 'groupdel', group: { gid } }, { gid })).toEqual({
      op: 'groupdel',
      result: false,
      error: 'BADGROUP',
      error_description: SENTENCE,
    });
  });

  test('groupeditmembers', async () => {
    const gid = await group();
    expect(
      await run(
        { op: 'groupeditmembers', group: { gid, members: { m: 'cem', permissions: { recv: 0, pub: 1 } } } },
        { gid, m: 'cem', cr: 0, canpub: 1, delete: 0 },
      ),
    ).toEqual({ op: 'groupeditmembers', result: true, group: { gid } });
    expect(
      await run({ op: 'groupeditmembers', group: { gid, members: { m: 'ann', remove: true } } }, { gid, m: 'ann', delete: 1 }),
    ).toEqual({ op: 'groupeditmembers', result: true, group: { gid } });
    expect((await app.state(gid)).members).toEqual([
      ['bob', 31, 0],
      ['cem', 29, 0],
    ]);
  });

  test.each(['groupgetmembers', 'getmembers'])('%s', async (op) => {
    const gid = await group('ann,bob,cem,dan');
    await app.json({ op: 'groupeditmembers', group: { gid, members: { m: 'cem', permissions: { pub: false } } } });
    expect(await run({ op, group: { gid }, count: 2, after: 'ann' }, { gid, count: 2, after: 'ann' })).toEqual({
      ...{ op, result: true, gid, group: { gid }, count: 2, total: 4 },
      members: [row('bob'), row('cem', 27, { ...ALL, pub: false })],
    });
    const { user } = await app.json({ op: 'useradd', user: { address: 'known' } });
    await app.json({ op: 'groupeditmembers', group: { gid, members: { m: 'known' } } });
    expect(await run({ op, group: { gid }, after: 'dan' }, { gid, after: 'dan' })).toEqual({
      ...{ op, result: true, gid, group: { gid }, count: 1, total: 5 },
      members: [row('known', 31, ALL, user.uid)],
    });
  });

  test('groupget', async () => {
    const gid = await group();
    const answer = await run({ op: 'groupget', id: -1, group: { gid } }, { gid });
    expect(answer).toEqual({
      ...{ op: 'groupget', id: -1, result: true },
      group: {
        ...{ gid, name: 'G', flags: 0, active: true, type: 0 },
        validity: { startsat: isTime, expiresat: answer['group'].validity.startsat + 365 * 24 * 3600, expiryext: 0 },
        permissions: { send: 0, recv: 0, pub: 0, sub: 0, list: 0 },
        call: { flags: 0, resolution: 0, maxdur: 0, default: false },
      },
    });
  });

  test('groupsget', async () => {
    const first = await group();
    const second = await group();
    const one = (gid: number) => app.json({ op: 'groupget', group: { gid } }).then((answer) => answer['group']);
    expect(await run({ op: 'groupsget', group: { gid: first }, count: 1 }, { gid: first, count: 1 })).toEqual({
      ...{ op: 'groupsget', result: true },
      groups: [await one(second)],
    });
  });

  test('appstats', async () => {
    expect(await run({ op: 'appstats' }, {})).toEqual({
      ...{ op: 'appstats', result: true },
      app: { name: viewer.appName, aid: viewer.appId },
    });
  });

  test.each(['useradd', 'usertoken'])('%s', async (op) => {
    const answer = await run({ op, user: { address: 'ann', token: { expiry: 10 } } }, { address: 'ann', expiry: 10 });
    expect(answer).toEqual({
      ...{ op, result: true },
      user: { uid: expect.any(Number), address: 'ann', token: expect.stringMatching(/^rollcall_[\w-]{43}$/) },
    });
  });

  test('userset', async () => {
    expect(
      await run({ op: 'userset', user: { address: 'ann', active: 0, token: { remove: true } } }, { address: 'ann', active: 0 }),
    ).toEqual({ op: 'userset', result: true, user: { address: 'ann' } });
  });

  test('userdel', async () => {
    const gid = await group('ann,zoe');
    expect(await run({ op: 'userdel', user: { address: 'zoe' } }, { address: 'zoe' })).toEqual({
      ...{ op: 'userdel', result: true, user: { address: 'zoe' } },
    });
    expect((await app.state(gid)).members).toEqual([['ann', 31, 0]]);
  });

  const added = async (address: string): Promise<number> => (await app.json({ op: 'useradd', user: { address } }))['user'].uid;
  const active = async (address: string) => (await app.json({ op: 'userget', user: { address } }))['user'].active;

  test.each(['usertoken', 'userset', 'userdel', 'userget'])('%s by uid, also beside the address', async (op) => {
    const uid = await added('una');
    const gid = await group('una,zoe');
    for (const address of [{}, { address: 'una' }] as Flat[]) {
      const more: Flat = op === 'userset' ? { active: 0 } : {};
      const answer = await run({ op, user: { uid, ...address, ...more } }, { uid: String(uid), ...address, ...more });
      const user =
        op === 'usertoken'
          ? { uid, address: 'una', token: expect.stringMatching(/^rollcall_[\w-]{43}$/) }
          : op === 'userget'
            ? { uid, address: 'una', active: true }
            : { address: 'una' };
      expect(answer).toEqual({ op, result: true, user });
      expect(await active('una')).toBe(op === 'usertoken' || op === 'userget');
      expect((await app.state(gid)).memberCount).toBe(op === 'userdel' ? 1 : 2);
    }
    const bad = { op, result: false, error: 'BADPARA', error_description: SENTENCE };
    expect(await run({ op, user: { uid, address: 'zoe' } }, { uid, address: 'zoe' })).toEqual(bad);
  });

  test('userset by uid with token.remove', async () => {
    const uid = await added('una');
    expect(await run({ op: 'userset', user: { uid, token: { remove: true } } }, { uid, remove: 1 })).toEqual({
      ...{ op: 'userset', result: true, user: { address: 'una' } },
    });
    expect(await active('una')).toBe(false);
  });

  test('usersget', async () => {
    const uids = [await added('list-a'), await added('list-b'), await added('list-c')];
    await app.json({ op: 'userset', user: { address: 'list-b', active: 0 } });
    const users = ['list-a', 'list-b', 'list-c'].map((address, index) => ({ uid: uids[index], address, active: index !== 1 }));
    const list = (parameters: Flat) => run({ op: 'usersget', ...parameters }, parameters);
    const answer = (found: object[], userscount = 3) => ({
      op: 'usersget',
      result: true,
      users: found,
      count: found.length,
      userscount,
    });
    expect(await list({ address: 'list-*' })).toEqual(answer(users));
    expect(await list({ addr: 'list-*', count: 2 })).toEqual(answer(users.slice(0, 2)));
    expect(await list({ addr: 'list-*', count: 2, after: 'list-b' })).toEqual(answer(users.slice(2)));
    expect(await list({ address: 'list-c' })).toEqual(answer(users.slice(2), 1));
    expect(await list({ address: 'list-' })).toEqual(answer([], 0));
    const all = await list({ address: '*', count: 1_000 });
    expect(all).toEqual(await list({ count: 1_000 }));
    expect(all['userscount']).toBe(all['users'].length);
    expect(all['users']).toEqual(expect.arrayContaining(users));
  });
});
