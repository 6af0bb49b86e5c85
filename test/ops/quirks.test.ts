/** What clients in the wild send, and what it comes to. */
import { describe, expect, test } from 'vitest';
import { FORM_TYPE, flat, JSON_TYPE, type Json, openOps, SENTENCE } from './setup.ts';

const ops = await openOps();
const app = await ops.app();
const { token } = app;

const YEAR = 365 * 24 * 3600;

async function added(group: Json = {}): Promise<number> {
  const answer = await app.json({ op: 'groupadd', group });
  expect(answer).toEqual({ op: 'groupadd', result: true, group: { gid: expect.any(Number) } });
  return answer['group'].gid;
}

async function set(gid: number, group: Json): Promise<void> {
  expect(await app.json({ op: 'groupset', group: { gid, ...group } })).toEqual({ op: 'groupset', result: true, group: { gid } });
}

async function edit(gid: number, group: Json): Promise<void> {
  expect(await app.json({ op: 'groupeditmembers', group: { gid, ...group } })).toEqual({
    ...{ op: 'groupeditmembers', result: true, group: { gid } },
  });
}

async function form(parameters: Parameters<typeof app.form>[0]): Promise<number> {
  const answer = await app.form(parameters);
  expect(answer).toEqual({ op: parameters['op'], result: true, group: { gid: expect.any(Number) } });
  return answer['group'].gid;
}

const read = async (gid: number): Promise<Json> => (await app.json({ op: 'groupget', group: { gid } }))['group'];
const addresses = async (gid: number) => (await app.state(gid)).members.map(([address]) => address);
const bitsOf = async (gid: number) => Object.fromEntries((await app.state(gid)).members.map(([name, bits]) => [name, bits]));
const rightsOf = async (gid: number, address: string): Promise<string[]> => {
  const { members } = await app.json({ op: 'groupgetmembers', group: { gid } });
  const { admin } = members.find((member: Json) => member['address'] === address);
  return Object.keys(admin).filter((right) => admin[right]);
};

describe('flags', () => {
  test.each<[flags: unknown, stored: number]>([
    [0x20, 0x20],
    ['32', 0x20],
    ['0x20', 0x20],
    ['0X2A', 0x2a],
    [0x30, 0x20],
    [0x33333, 0x22222],
    [3, 2],
    [0x400c8, 0x400c8],
    [0x4, 0],
    [0xffffffff, 0x622ea],
    ['0xffffffff', 0x622ea],
    [2 ** 32 + 1, 1],
    ['0x100000001', 1],
  ])('%o are stored as %i: unknown bits go, of a pair the wider stays', async (flags, stored) => {
    const gid = await added({ flags });
    expect((await read(gid))['flags']).toBe(stored);
    await set(gid, { flags: 0 });
    await set(gid, { flags });
    expect((await read(gid))['flags']).toBe(stored);
  });

  test('flags come first, then permissions', async () => {
    const gid = await added({ flags: 0x2222, permissions: { send: '1', pub: 0 } });
    expect(await read(gid)).toMatchObject({ flags: 0x2021, permissions: { send: 1, recv: 2, pub: 0, sub: 2, list: 0 } });
  });

  test.each(['flag', 'flags'])('%s in a form', async (name) => {
    expect((await read(await form({ op: 'groupadd', [name]: '0x12' })))['flags']).toBe(0x12);
  });
});

describe('validity', () => {
  const length = async (gid: number) => {
    const { startsat, expiresat } = (await read(gid))['validity'];
    return expiresat - startsat;
  };

  test.each<[string, Json, number]>([
    ['nothing', {}, YEAR],
    ['an empty one', { validity: {} }, YEAR],
    ["PHP's empty object", { validity: [] }, YEAR],
    ['duration 0', { validity: { duration: 0 } }, YEAR],
    ['a negative duration', { validity: { duration: -5 } }, YEAR],
    ['directly in group', { duration: '7200' }, 7200],
    ['directly in group, beside validity', { validity: { start: 60 }, duration: 7200 }, 7200],
    ['0 in validity, a value in group', { validity: { start: 0, duration: 0 }, duration: 7200 }, 7200],
    ['a negative one in validity, a value in group', { validity: { duration: -1 }, duration: '7200' }, 7200],
    ['a value in validity, 0 in group', { validity: { duration: 7200 }, duration: 0 }, 7200],
    ['a value in each', { validity: { duration: 7200 }, duration: 3600 }, 7200],
    ['0 in each', { validity: { duration: 0 }, duration: '0' }, YEAR],
    ['the longest', { validity: { duration: 2 ** 31 - 1 } }, 2 ** 31 - 1],
  ])('%s', async (_, group, seconds) => {
    expect(await length(await added(group))).toBe(seconds);
  });

  test('start and expiryext, in validity and directly in group; a negative start is now', async () => {
    const inside = await read(await added({ validity: { start: 86_400, expiryext: 30 } }));
    const beside = await read(await added({ start: 86_400, expiryext: '30', validity: { start: '' } }));
    const zeros = await read(await added({ start: 86_400, expiryext: 30, validity: { start: 0, expiryext: 0 } }));
    const past = await read(await added({ start: -86_400, expiryext: -1 }));
    expect(beside['validity'].startsat - inside['validity'].startsat).toBeLessThan(3600);
    expect(zeros['validity'].startsat - inside['validity'].startsat).toBeLessThan(3600);
    expect(zeros['validity'].startsat).toBeGreaterThanOrEqual(inside['validity'].startsat);
    expect(inside['validity'].startsat - past['validity'].startsat).toBeGreaterThan(86_400 - 3600);
    expect([inside, beside, zeros, past].map(({ validity }) => validity.expiryext)).toEqual([30, 30, 30, 0]);
  });

  test('in groupset a duration of 0 changes nothing, and expiryext 0 turns the extension off', async () => {
    const gid = await added({ duration: 7200, expiryext: 60 });
    await set(gid, { validity: { start: 0, duration: 0 } });
    expect(await app.state(gid)).toMatchObject({ version: 1, records: 1 });
    await set(gid, { validity: { start: -1, duration: -1, expiryext: 0 }, expiryext: 0 });
    expect((await read(gid))['validity'].expiryext).toBe(0);
    expect(await app.state(gid)).toMatchObject({ version: 2, records: 2 });
    expect(await length(gid)).toBe(7200);
    await set(gid, { validity: { start: 0, duration: 0, expiryext: 0 }, duration: 9_000, expiryext: 90 });
    expect((await read(gid))['validity'].expiryext).toBe(90);
    expect(await length(gid)).toBeGreaterThanOrEqual(9_000);
  });

  test.each(['duration', 'expiry'])('%s in a form; 0 is the default', async (name) => {
    expect(await length(await form({ op: 'groupadd', [name]: 90 }))).toBe(90);
    expect(await length(await form({ op: 'groupadd', [name]: 0 }))).toBe(YEAR);
    expect(await length(await form({ op: 'groupadd', duration: 0, expiry: 0, [name]: 90 }))).toBe(90);
  });
});

describe('in a form or a query', () => {
  test('start', async () => {
    const made = await read(await form({ op: 'groupadd', start: 86_400, duration: 3600 }));
    const now = await read(await form({ op: 'groupadd', start: 0 }));
    expect(made['validity'].startsat - now['validity'].startsat).toBeGreaterThan(86_000);
    expect(made['validity'].expiresat - made['validity'].startsat).toBe(3600);
    const { group } = await ops.answer({ query: { op: 'groupadd', token, start: 86_400 } });
    expect((await read(group.gid))['validity'].startsat).toBeGreaterThan(now['validity'].startsat + 86_000);
  });

  test('undefined, as JavaScript writes what is not there, is no number and no boolean', async () => {
    const nothing = { start: 'undefined', expiry: 'undefined', expiryext: 'undefined', active: 'undefined', flag: 'undefined' };
    const members = {
      m: 'ann',
      cs: 'undefined',
      canlist: 'undefined',
      sflags: 'undefined',
      type: 'undefined',
      delete: 'undefined',
    };
    const gid = await form({ op: 'groupadd', id: 'undefined', ...nothing, ...members, name: 'undefined' });
    expect(await read(gid)).toMatchObject({ name: 'undefined', flags: 0, active: true });
    expect(await bitsOf(gid)).toEqual({ ann: 31 });
    await form({ op: 'groupset', gid, ...nothing });
    expect(await app.state(gid)).toMatchObject({ version: 2 });
    expect(await app.form({ op: 'groupgetmembers', gid, count: 'undefined' })).toMatchObject({ result: true, count: 1 });
    expect(await app.form({ op: 'groupdel', gid: 'undefined' })).toMatchObject({ error: 'MISSINGPARA' });
    expect(await app.form({ op: 'groupadd', m: 'undefined' })).toMatchObject({ result: true });
    expect(await app.json({ op: 'groupadd', group: { active: 'undefined' } })).toMatchObject({ error: 'BADPARA' });
  });

  const sent = (parameters: string, inBody: boolean) => {
    const text = `op=groupadd&token=${token}&${parameters}`;
    return ops.answer(inBody ? { method: 'POST', headers: FORM_TYPE, body: text } : { query: text.replaceAll(' ', '%20') });
  };

  describe.each([false, true])('a plus that was not encoded (in a body: %o)', (inBody) => {
    test.each([
      'anna+x@example.org',
      'anna+x%40example.org',
      'bob,anna+x@example.org',
      'bob%2Canna+x@example.org',
      '+491234567',
      '+49+123+4567',
      '49+1234567',
      '+(49)123-45.67/8',
      'bob,+491234567',
      'bob, +491234567',
      'anna%2Bx@example.org,anna+y@example.org',
    ])('within or before an e-mail address or a number is refused: m=%s', async (m) => {
      expect(await sent(`m=${m}`, inBody)).toEqual({
        ...{ op: 'groupadd', result: false, error: 'BADPARA', error_description: expect.stringContaining('%2B') },
      });
    });

    test.each<[string, string[]]>([
      ['anna%2Bx@example.org', ['anna+x@example.org']],
      ['%2B491234567', ['+491234567']],
      ['anna%20x@example.org', ['anna x@example.org']],
      ['%20491234567', ['491234567']],
      ['a%2C+491234567', ['491234567', 'a']],
      ['a%2c+anna@example.org', ['a', 'anna@example.org']],
      ['bob,+anna@example.org', ['anna@example.org', 'bob']],
      ['bob, 491234567', ['491234567', 'bob']],
      ['zo%C3%AB+smith,+bob', ['bob', 'zoë smith']],
      ['+123', ['123']],
      ['room+123', ['room 123']],
      ['Anna+%3Canna@example.org%3E', ['Anna <anna@example.org>']],
    ])('elsewhere is a blank: m=%s', async (m, found) => {
      const answer = await sent(`m=${m}`, inBody);
      expect(answer).toMatchObject({ result: true });
      expect(await addresses(answer['group'].gid)).toEqual(found);
    });

    test('in a name is a blank', async () => {
      const answer = await sent('name=New+Group+a+b@example.org', inBody);
      expect((await read(answer['group'].gid))['name']).toBe('New Group a b@example.org');
    });
  });

  test.each(['useradd', 'usertoken', 'userset', 'userdel', 'userget', 'usersget'])(
    '%s of an address with such a plus',
    async (op) => {
      for (const name of ['address', 'addr']) {
        expect(await ops.answer({ query: `op=${op}&token=${token}&${name}=+491234567` })).toMatchObject({ op, error: 'BADPARA' });
      }
    },
  );

  test('JSON takes a plus as it stands', async () => {
    const gid = await added({ members: { m: '+491234567,anna+x@example.org, b c@example.org' } });
    expect(await addresses(gid)).toEqual(['+491234567', 'anna+x@example.org', 'b c@example.org']);
  });
});

describe('members', () => {
  test('blanks and empty items go, an address given twice counts once', async () => {
    const gid = await added({ members: { m: ' ann ,, bob,\tann,ann,, \n , zoë smith' } });
    expect(await addresses(gid)).toEqual(['ann', 'bob', 'zoë smith']);
    expect(await app.state(gid)).toMatchObject({ version: 2, memberCount: 3 });
    await edit(gid, { members: { m: 'bob, bob ,', remove: '1' } });
    expect(await addresses(gid)).toEqual(['ann', 'zoë smith']);
  });

  test.each<[string, Json]>([
    ['members.remove: true', { members: { m: 'ann', remove: true } }],
    ['members.remove: 1', { members: { m: 'ann', remove: 1 } }],
    ['members.remove: "1"', { members: { m: 'ann', remove: '1' } }],
    ['members.remove: "true"', { members: { m: 'ann', remove: 'true' } }],
    ['members.delete', { members: { m: 'ann', delete: true } }],
    ['group.delete', { members: { m: 'ann' }, delete: true }],
    ['group.delete: 1', { members: { m: 'ann' }, delete: 1 }],
    ['group.delete, beside members.remove: false', { members: { m: 'ann', remove: false }, delete: true }],
    ['members.delete, beside false in the other places', { members: { m: 'ann', remove: 0, delete: '1' }, delete: 'false' }],
    ['members.remove, beside group.delete: 0', { members: { m: 'ann', remove: 1 }, delete: 0 }],
  ])('%s removes, in groupeditmembers and in groupset; groupadd ignores such members', async (_, group) => {
    const first = await added({ members: { m: 'ann,bob' } });
    await edit(first, group);
    expect(await addresses(first)).toEqual(['bob']);
    const second = await added({ members: { m: 'ann,bob' } });
    await set(second, { ...group, name: 'N' });
    expect(await addresses(second)).toEqual(['bob']);
    expect(await app.state(second)).toMatchObject({ version: 4, records: 4 });
    expect(await app.state(await added(group))).toMatchObject({ version: 1, members: [] });
  });

  test.each([false, 0, '0', 'false', 'False'])('remove: %o adds', async (remove) => {
    const gid = await added({ members: { m: 'ann', remove } });
    await edit(gid, { members: { m: 'bob', remove } });
    await set(gid, { members: { m: 'cem', remove, delete: remove }, delete: remove });
    expect(await addresses(gid)).toEqual(['ann', 'bob', 'cem']);
  });

  test.each<[string, unknown, string[]]>([
    ['a number', 12, ['12']],
    ['a negative number', -12, ['-12']],
    ['the largest', 2 ** 53 - 1, ['9007199254740991']],
    ['an array', ['ann', 12, ' bob ', '', 'ann', 0], ['0', '12', 'ann', 'bob']],
  ])('%s as m', async (_, m, found) => {
    const gid = await added({ members: { m } });
    expect(await addresses(gid)).toEqual(found);
    await edit(gid, { members: { m, remove: true } });
    expect(await addresses(gid)).toEqual([]);
  });

  test('a number as a user’s address, and in `after`', async () => {
    const gid = await added({ members: { m: ['11', '12', '13'] } });
    const { user } = await app.json({ op: 'useradd', user: { address: 12 } });
    expect(user).toMatchObject({ address: '12' });
    expect(await app.json({ op: 'userset', user: { address: 12, active: 0 } })).toMatchObject({ user: { address: '12' } });
    expect(await app.json({ op: 'usersget', address: 12 })).toMatchObject({ users: [{ uid: user.uid, address: '12' }] });
    const { members } = await app.json({ op: 'groupgetmembers', group: { gid }, after: 12 });
    expect(members.map(({ address, uid }: Json) => [address, uid])).toEqual([['13', 0]]);
    expect(await app.json({ op: 'userdel', user: { address: 12 } })).toMatchObject({ result: true });
    expect(await addresses(gid)).toEqual(['11', '13']);
  });

  test('in JSON groupset adds and updates; what is not given stays', async () => {
    const gid = await added({ members: { m: 'ann,bob', permissions: { send: 0, recv: '0' } } });
    await set(gid, { members: { m: 'bob,cem', permissions: { send: 'true', pub: 0 } } });
    expect(await bitsOf(gid)).toEqual({ ann: 28, bob: 25, cem: 27 });
  });

  test('in a form groupset replaces the list; an empty one leaves it', async () => {
    const gid = await form({ op: 'groupadd', m: 'ann,bob,cem', cs: 0 });
    await form({ op: 'groupset', gid, name: 'N', m: '' });
    await form({ op: 'groupset', gid, m: ' , ' });
    await form({ op: 'groupset', gid });
    expect(await addresses(gid)).toEqual(['ann', 'bob', 'cem']);
    await form({ op: 'groupset', gid, m: 'dan, bob', canlist: 0 });
    expect(await bitsOf(gid)).toEqual({ bob: 14, dan: 15 });
    expect(await app.state(gid)).toMatchObject({ version: 6, records: 6, memberCount: 2 });
    await form({ op: 'groupset', gid, m: 'bob,dan' });
    expect(await app.state(gid)).toMatchObject({ version: 6, records: 6 });
  });

  test('a list in the query beside a JSON body is the flat one: it replaces', async () => {
    const gid = await added({ members: { m: 'ann,bob' } });
    const body = JSON.stringify({ op: 'groupset', token, group: { gid, name: 'N' } });
    expect(await ops.answer({ method: 'POST', query: { m: 'cem' }, headers: JSON_TYPE, body })).toEqual({
      ...{ op: 'groupset', result: true, group: { gid } },
    });
    expect(await addresses(gid)).toEqual(['cem']);
  });

  test('delete has no meaning in a groupset or groupadd form', async () => {
    const gid = await form({ op: 'groupadd', m: 'ann', delete: 1 });
    await form({ op: 'groupset', gid, m: 'ann,bob', delete: 1 });
    expect(await addresses(gid)).toEqual(['ann', 'bob']);
  });

  test('100,001 are too many', async () => {
    const gid = await added();
    const m = Array.from({ length: 100_001 }, (_, index) => `u${index}`).join();
    expect(await app.json({ op: 'groupeditmembers', group: { gid, members: { m } } })).toEqual({
      ...{ op: 'groupeditmembers', result: false, error: 'TOOLARGE' },
      error_description: 'The parameter group.members.m is wrong: it names more than 100,000 addresses.',
    });
    expect(await app.state(gid)).toMatchObject({ version: 1, members: [] });
  });
});

describe('admin', () => {
  const NONE = {
    ...{ owner: false, admin: false, modify: false, remove: false, adduser: false, remuser: false },
    ...{ addadmin: false, remadmin: false, remowner: false },
  };
  const EVERY = Object.keys(NONE);
  const OF_ADMIN = ['admin', 'modify', 'adduser', 'remuser', 'addadmin', 'remadmin'];

  test.each<[string, Json, string[]]>([
    ['all false', NONE, []],
    ['all false but owner', { ...NONE, owner: true }, EVERY],
    ['all false but admin', { ...NONE, admin: 1 }, OF_ADMIN],
    [
      'all false but admin and remove',
      { ...NONE, admin: 'true', remove: '1' },
      [...OF_ADMIN.slice(0, 2), 'remove', ...OF_ADMIN.slice(2)],
    ],
    ['single rights', { modify: 1, remuser: 'true' }, ['modify', 'remuser']],
  ])('%s', async (_, admin, rights) => {
    const gid = await added({ members: { m: 'ann', admin } });
    expect(await rightsOf(gid, 'ann')).toEqual(rights);
  });

  test('a false without a role beside it takes the right away', async () => {
    const gid = await added({ members: { m: 'ann', admin: { admin: true } } });
    await set(gid, { members: { m: 'ann', admin: { modify: 0 } } });
    expect(await rightsOf(gid, 'ann')).toEqual(OF_ADMIN.filter((right) => right !== 'modify'));
    await edit(gid, { members: { m: 'ann', admin: NONE } });
    expect(await rightsOf(gid, 'ann')).toEqual([]);
  });

  test.each<[string, Json, string[]]>([
    ['owner: false and admin: true alone make an owner an admin', { owner: false, admin: true }, OF_ADMIN],
    ['as numbers or strings, too', { owner: '0', admin: 1 }, OF_ADMIN],
    ['with an empty one beside them', { owner: 0, admin: 1, modify: null }, OF_ADMIN],
    ['with a third right they are the form of old clients', { owner: false, admin: true, remove: false }, EVERY],
    ['admin: true alone', { admin: true }, EVERY],
  ])('%s', async (_, admin, rights) => {
    const gid = await added({ members: { m: 'ann', admin: { owner: true } } });
    await edit(gid, { members: { m: 'ann', admin } });
    expect(await rightsOf(gid, 'ann')).toEqual(rights);
    const plain = await added({ members: { m: 'ann', admin } });
    expect(await rightsOf(plain, 'ann')).toEqual(OF_ADMIN);
  });

  test('a false beside a role says nothing, also about the other role', async () => {
    const gid = await added({ members: { m: 'ann', admin: { owner: true } } });
    await edit(gid, { members: { m: 'ann', admin: { ...NONE, admin: true } } });
    expect(await rightsOf(gid, 'ann')).toEqual(EVERY);
    await edit(gid, { members: { m: 'ann', admin: NONE } });
    expect(await rightsOf(gid, 'ann')).toEqual([]);
  });
});

describe('call settings', () => {
  const call = async (gid: number) => (await read(gid))['call'];

  test('default: true puts all three back; what comes with it is ignored', async () => {
    const gid = await added({ call: { flags: '0x7', resolution: '4', maxdur: '600' } });
    expect(await call(gid)).toEqual({ flags: 7, resolution: 4, maxdur: 600, default: false });
    await set(gid, { call: { flags: 1, resolution: 77, maxdur: 'x', default: 1 } });
    expect(await call(gid)).toEqual({ flags: 0, resolution: 0, maxdur: 0, default: false });
    await set(gid, { call: { maxdur: 60, default: false } });
    expect(await call(gid)).toEqual({ flags: 0, resolution: 0, maxdur: 60, default: false });
  });

  test('sflags: the resolution above 24 bits of flags; -1 leaves both', async () => {
    const gid = await form({ op: 'groupadd', sflags: 0x0a123456 });
    expect(await call(gid)).toEqual({ flags: 0x123456, resolution: 10, maxdur: 0, default: false });
    await form({ op: 'groupset', gid, sflags: -1 });
    expect(await call(gid)).toEqual({ flags: 0x123456, resolution: 10, maxdur: 0, default: false });
    await form({ op: 'groupset', gid, sflags: '0x02000001' });
    expect(await call(gid)).toEqual({ flags: 1, resolution: 2, maxdur: 0, default: false });
    await form({ op: 'groupset', gid, sflags: 0 });
    expect(await call(gid)).toEqual({ flags: 0, resolution: 0, maxdur: 0, default: false });
  });
});

describe('a type above 0', () => {
  test('send and recv of flags and permissions set its levels; all else of them is ignored', async () => {
    const gid = await added({ flags: 0x2000 });
    await set(gid, { type: 7, flags: 0x33 | 0x300 | 0x80 | 0x4, permissions: { recv: 1, pub: 2, sub: 1, list: 2 } });
    expect(await app.state(gid)).toMatchObject({ version: 2, types: [[7, 2, 1]] });
    expect((await read(gid))['flags']).toBe(0x2000);
    await set(gid, { type: '7', permissions: { send: 0 } });
    await form({ op: 'groupset', gid, type: 9, flag: 1 });
    expect(await app.state(gid)).toMatchObject({
      version: 4,
      types: [
        [7, 0, 1],
        [9, 1, 0],
      ],
    });
    await set(gid, { type: 8, permissions: { pub: 2 } });
    expect(await app.state(gid)).toMatchObject({ version: 4 });
  });

  test('a new group may have a set, but no entries before it has members', async () => {
    const gid = await added({ type: 3, flags: 0x11 | 0x2000, name: 'N' });
    expect(await app.state(gid)).toMatchObject({ version: 1, records: 1, types: [[3, 1, 1]] });
    expect(await read(gid)).toMatchObject({ flags: 0, name: 'N' });
    expect(await app.json({ op: 'groupadd', group: { type: 3, members: { m: 'ann' } } })).toEqual({
      ...{ op: 'groupadd', result: false, error: 'NOTMEMBER', error_description: SENTENCE },
    });
    expect((await app.state(await form({ op: 'groupadd', type: 3, flag: 1 }))).types).toEqual([]);
  });

  test('members are entries of it; permissions and rights that entries have not are ignored', async () => {
    const gid = await added({ members: { m: 'ann,bob,cem', admin: { modify: true } } });
    const admin = { owner: false, admin: true };
    await edit(gid, { type: 5, members: { m: 'ann,bob', permissions: { send: 0, list: 0 }, admin } });
    await set(gid, { type: 5, name: 'N', members: { m: 'bob,cem', permissions: { recv: 0 } } });
    expect((await app.state(gid)).entries).toEqual([
      ['ann', 5, 2],
      ['bob', 5, 0],
      ['cem', 5, 1],
    ]);
    await edit(gid, { type: 5, members: { m: 'bob,zoe', remove: true } });
    await set(gid, { type: 5, members: { m: 'cem', remove: true } });
    expect(await app.state(gid)).toMatchObject({ memberCount: 3, entries: [['ann', 5, 2]] });
    expect(await rightsOf(gid, 'ann')).toEqual(['modify']);
    expect(await app.json({ op: 'groupeditmembers', group: { gid, type: 5, members: { m: 'ann,zoe' } } })).toEqual({
      ...{ op: 'groupeditmembers', result: false, error: 'NOTMEMBER', error_description: SENTENCE },
    });
  });

  test('in a form groupset replaces the entries, not the members', async () => {
    const gid = await form({ op: 'groupadd', m: 'ann,bob,cem' });
    await form({ op: 'groupeditmembers', gid, type: 5, m: 'ann,bob' });
    await form({ op: 'groupset', gid, type: 5, m: 'bob,cem', cs: 0 });
    expect(await app.state(gid)).toMatchObject({
      memberCount: 3,
      entries: [
        ['bob', 5, 2],
        ['cem', 5, 2],
      ],
    });
    await form({ op: 'groupeditmembers', gid, type: 5, m: 'bob', delete: 1 });
    expect((await app.state(gid)).entries).toEqual([['cem', 5, 2]]);
  });
});

describe('what is unknown or empty is ignored', () => {
  test.each<[string, Json]>([
    ['nulls', { name: null, flags: null, active: null, validity: null, members: null, permissions: null, call: null }],
    ['empty strings', { name: '', flags: '', active: '', validity: '', members: '', permissions: '', call: '', type: '' }],
    ["PHP's empty objects", { validity: [], members: [], permissions: [], call: [] }],
    ['unknown names', { profile: 'x', topic: { deep: [1, 2, { a: null }] }, constructor: 1 }],
    ['empty ones inside', { validity: { start: null, duration: '' }, members: { m: '' }, call: { flags: '', default: null } }],
  ])('%s', async (_, group) => {
    const gid = await added({ name: 'N', ...group, ...(group['name'] === undefined ? {} : { name: 'N' }) });
    await set(gid, group);
    expect(await app.state(gid)).toMatchObject({ version: 1, records: 1, members: [] });
  });

  test('__proto__, whatever stands under it', async () => {
    const settings = { name: 'P', flags: 2, active: 0, duration: 60, call: { maxdur: 60 }, members: { m: 'zoe' } };
    // With brackets: without them it would set the literal's prototype, and not be sent.
    const group = { ['__proto__']: settings, call: { ['__proto__']: settings.call } };
    const body = { op: 'groupadd', group, ['__proto__']: { id: 7, group: settings } };
    expect(JSON.stringify(body)).toContain('"__proto__":{"id":7');
    const answer = await app.json(body);
    expect(answer).toEqual({ op: 'groupadd', result: true, group: { gid: expect.any(Number) } });
    const { gid } = answer['group'];
    const made = await read(gid);
    expect(made).toMatchObject({ name: '', flags: 0, active: true, call: { maxdur: 0 } });
    expect(made['validity'].expiresat - made['validity'].startsat).toBe(YEAR);
    await set(gid, group);
    expect(await app.state(gid)).toMatchObject({ version: 1, records: 1, members: [] });
    expect({}).not.toHaveProperty('name');
  });

  test('in a query', async () => {
    const query = `op=groupadd&token=${token}&sig=none&name=&gid=0&group.profile=x&=x&&flag&expiry=&sig=twice`;
    expect(await ops.answer({ query })).toEqual({ op: 'groupadd', result: true, group: { gid: expect.any(Number) } });
  });

  test('a gid, be it of another group, with groupadd', async () => {
    const gid = await added();
    expect(await added({ gid })).not.toBe(gid);
    expect(await added({ gid: 'x' })).not.toBe(gid);
  });

  test('an empty parameter beside one of the same name', async () => {
    const query = `op=groupadd&token=&token=${token}&name=&name=N`;
    const { group } = await ops.answer({ query });
    expect((await read(group.gid))['name']).toBe('N');
  });
});

describe('body and query', () => {
  test('the body wins, field by field; the query fills what it lacks', async () => {
    const query = { op: 'groupdel', token: 'wrong', name: 'Query', flag: 2, expiry: 90, m: 'query' };
    const body = { op: 'groupadd', token, group: { name: 'Body', flags: '', members: { m: 'body' } } };
    const { group } = await ops.answer({ method: 'POST', query, headers: JSON_TYPE, body: JSON.stringify(body) });
    expect(await read(group.gid)).toMatchObject({ name: 'Body', flags: 2 });
    expect(await addresses(group.gid)).toEqual(['body']);
  });

  test('a form too', async () => {
    const query = { op: 'groupdel', token, name: 'Query', flag: 2 };
    const { op, group } = await ops.answer({
      method: 'POST',
      query,
      headers: FORM_TYPE,
      body: flat({ op: 'groupadd', name: 'Body' }),
    });
    expect(op).toBe('groupadd');
    expect(await read(group.gid)).toMatchObject({ name: 'Body', flags: 2 });
  });

  test('a false or a 0 of the body wins too', async () => {
    const group = { gid: await added({ members: { m: 'ann' } }), members: { m: 'ann,bob', remove: false } };
    const body = JSON.stringify({ op: 'groupeditmembers', token, group });
    expect(await ops.answer({ method: 'POST', query: { delete: 1 }, headers: JSON_TYPE, body })).toMatchObject({ result: true });
    expect(await addresses(group.gid)).toEqual(['ann', 'bob']);
    const off = flat({ op: 'groupadd', token, expiryext: 0 });
    const made = await ops.answer({ method: 'POST', query: { expiryext: 60 }, headers: FORM_TYPE, body: off });
    expect((await read(made['group'].gid))['validity'].expiryext).toBe(0);
  });

  test('percent codes, in capitals or not, and plus signs', async () => {
    const name = 'Zo%C3%ab+%26%20%f0%9F%8e%89+%2B';
    for (const request of [
      { query: `op=groupadd&token=${token}&name=${name}` },
      { method: 'POST', body: `op=groupadd&token=${token}&name=${name}` },
    ]) {
      const { group } = await ops.answer(request);
      expect((await read(group.gid))['name']).toBe('Zoë & 🎉 +');
    }
  });
});

describe('id', () => {
  test.each<[unknown, number]>([
    [0, 0],
    [5, 5],
    ['5', 5],
    [' 12 ', 12],
    [-3, -3],
    [2 ** 53 - 1, 2 ** 53 - 1],
  ])('%o is echoed as %i', async (id, echoed) => {
    expect(await app.json({ op: 'groupget', id, group: { gid: 1 } })).toEqual({
      ...{ op: 'groupget', id: echoed, result: false, error: 'BADGROUP', error_description: SENTENCE },
    });
    expect(await app.json({ op: 'none', id })).toEqual({
      op: 'none',
      id: echoed,
      result: false,
      error: 'BADOP',
      error_description: SENTENCE,
    });
    expect(await app.json({ op: 'appstats', id, token: 'x' })).toEqual({
      ...{ op: 'appstats', id: echoed, result: false, error: 'AUTHFAIL', error_description: SENTENCE },
    });
  });
});

describe('lists', async () => {
  const m = Array.from({ length: 10_050 }, (_, index) => `u${String(index).padStart(5, '0')}`);
  const gid = await added({ members: { m: m.join() } });
  const page = async (json: Json) => {
    const { count, members } = await app.json({ op: 'groupgetmembers', group: { gid }, ...json });
    expect(count).toBe(members.length);
    return members.map((member: Json) => member['address']);
  };

  test.each<[unknown, number]>([
    [undefined, 20],
    [0, 20],
    ['0', 20],
    ['', 20],
    [null, 20],
    [1, 1],
    ['21', 21],
    [2500, 2500],
    [10_000, 10_000],
    [10_001, 10_000],
    [2 ** 40, 10_000],
  ])('count %o gives %i', async (count, rows) => {
    expect(await page({ count })).toEqual(m.slice(0, rows));
  });

  test('after is an address, a member or not', async () => {
    expect(await page({ after: 'u00001', count: 2 })).toEqual(['u00002', 'u00003']);
    expect(await page({ after: 'u00001x', count: 1 })).toEqual(['u00002']);
    expect(await page({ after: 'u10000', count: 10_000 })).toEqual(m.slice(10_001));
    expect(await page({ after: 'v' })).toEqual([]);
    expect(await page({ after: '' })).toEqual(m.slice(0, 20));
  });

  test('groups behind a gid', async () => {
    const other = await ops.app();
    const gids: number[] = [];
    for (let index = 0; index < 25; index++) gids.push((await other.json({ op: 'groupadd' }))['group'].gid);
    const list = async (json: Json) =>
      (await other.json({ op: 'groupsget', ...json }))['groups'].map((group: Json) => group['gid']);
    expect(await list({})).toEqual(gids.slice(0, 20));
    expect(await list({ count: 10_001 })).toEqual(gids);
    expect(await list({ count: 3, group: { gid: gids[20] } })).toEqual(gids.slice(21, 24));
    expect(await list({ count: 3, group: { gid: String((gids[24] ?? 0) + 1000) } })).toEqual([]);
  });
});
