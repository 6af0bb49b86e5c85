import { describe, expect, test, vi } from 'vitest';
import {
  GroupAddDocument,
  type GroupAddInput,
  type GroupFilter,
  GroupSetDocument,
  GroupsDocument,
} from '../src/generated/operations.ts';
import { GROUP_ORDER_FIELDS } from '../src/groups/read/groups.ts';
import { foldName } from '../src/model/group.ts';
import { GROUP_STATES } from '../src/model/validity.ts';
import { type Caller, openTestGateway } from './setup/gateway.ts';
import { issuePaths } from './setup/lists.ts';
import { StatementRecorder } from './setup/recorder.ts';

const recorder = new StatementRecorder();
const gateway = await openTestGateway({ observe: recorder.observe });

async function addGroup(caller: Caller, input: GroupAddInput): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, { input });
  if (groupAdd.__typename !== 'GroupAddPayload') throw new Error(groupAdd.__typename);
  return groupAdd.group.gid;
}

async function find(caller: Caller, filter: GroupFilter) {
  const { groups } = await caller.call(GroupsDocument, { filter, first: 1000 });
  return groups.edges.map(({ node }) => node);
}

const named = async (caller: Caller, filter: GroupFilter) => (await find(caller, filter)).map(({ name }) => name);

describe('nameContains', async () => {
  const app = await gateway.caller();
  const NAMES = [
    ...['Café Évian', 'CAFÉ ÉVIAN', 'İstanbul Şubesi', 'ısparta', 'Straße', 'STRAẞE', 'ΟΔΥΣΣΕΑΣ', 'οδυσσέας'],
    ...['100% sure', '100 and sure', 'snake_case', 'snake-case', 'back\\slash', 'quote\'d "name"', 'tab\there'],
    ...['\u{1f600}\u{1f601}\u{1f602}', 'a\u{10428}b', '\uff21\uff22\uff23', `${'long '.repeat(51)}x`, 'ab', ''],
  ];
  for (const name of NAMES) await addGroup(app, { name });
  await addGroup(app, {});
  await addGroup(await gateway.caller(), { name: 'Café Évian' });

  test.each([
    ['café', ['Café Évian', 'CAFÉ ÉVIAN']],
    ['FÉ éV', ['Café Évian', 'CAFÉ ÉVIAN']],
    ['cafe', []],
    ['İSTAN', ['İstanbul Şubesi']],
    ['i\u0307stan', ['İstanbul Şubesi']],
    ['l şUB', ['İstanbul Şubesi']],
    ['ISPARTA', ['ısparta']],
    ['straße', ['Straße', 'STRAẞE']],
    ['STRASSE', ['Straße', 'STRAẞE']],
    ['Traẞ', ['Straße', 'STRAẞE']],
    ['ΟΔΥΣ', ['ΟΔΥΣΣΕΑΣ', 'οδυσσέας']],
    ['δυσς', ['ΟΔΥΣΣΕΑΣ', 'οδυσσέας']],
    ['ΈΑΣ', ['οδυσσέας']],
    ['0% ', ['100% sure']],
    ['%%%', []],
    ['100%sure', []],
    ['e_c', ['snake_case']],
    ['___', []],
    ['k\\s', ['back\\slash']],
    ['\\sl', ['back\\slash']],
    ['\\\\\\', []],
    ["e'd", ['quote\'d "name"']],
    ['b\th', ['tab\there']],
    ['\u{1f600}\u{1f601}\u{1f602}', ['\u{1f600}\u{1f601}\u{1f602}']],
    ['A\u{10400}B', ['a\u{10428}b']],
    ['\uff41\uff22\uff43', ['\uff21\uff22\uff23']],
    ['long '.repeat(20), [`${'long '.repeat(51)}x`]],
  ])('%j finds %j', async (nameContains, expected) => {
    expect(await named(app, { nameContains })).toEqual(expected);
  });

  test('every name of 3 to 100 characters is found by itself and by each part of it, in any case', async () => {
    for (const name of NAMES.filter((whole) => [...whole].length >= 3 && [...whole].length <= 100)) {
      const characters = [...name];
      const parts = [name, characters.slice(1).join(''), characters.slice(0, -1).join(''), characters.slice(-3).join('')];
      for (const part of parts.filter((text) => [...text].length >= 3)) {
        for (const nameContains of [part, part.toLowerCase(), part.toUpperCase()].filter((text) => [...text].length <= 100)) {
          expect(await named(app, { nameContains }), nameContains).toContain(name);
        }
      }
    }
  });

  test('every character folds as it does in lower and upper case, whatever stands beside it', () => {
    const differing: string[] = [];
    // No script with two cases lies beyond the first two planes.
    for (let point = 0; point <= 0x1ffff; point++) {
      if (point >= 0xd800 && point < 0xe000) continue;
      const character = String.fromCodePoint(point);
      const folded = foldName(character);
      const same = [character.toLowerCase(), character.toUpperCase(), folded].every((form) => foldName(form) === folded);
      if (!same || foldName(`a${character} Σ`) !== `a${folded} σ`) differing.push(point.toString(16));
    }
    expect(differing).toEqual([]);
  });

  test('a name is found by its new form, and by nothing once it is gone', async () => {
    const gid = await addGroup(app, { name: 'before the change' });
    await app.call(GroupSetDocument, { input: { gid, name: 'AFTER THE CHANGE' } });
    expect(await named(app, { nameContains: 'before the' })).toEqual([]);
    expect(await named(app, { nameContains: 'after the' })).toEqual(['AFTER THE CHANGE']);
    await app.call(GroupSetDocument, { input: { gid, name: null } });
    expect(await named(app, { nameContains: 'after the' })).toEqual([]);
  });
});

describe('state', async () => {
  const app = await gateway.caller();
  const HOUR = { duration: 3600 };
  const gids = {
    ACTIVE: [await addGroup(app, { validity: HOUR })],
    PAUSED: [await addGroup(app, { active: false, validity: HOUR })],
    SCHEDULED: [
      await addGroup(app, { validity: { start: 3600 } }),
      await addGroup(app, { active: false, validity: { start: 3600 } }),
    ],
    EXPIRED: [
      await addGroup(app, { validity: { duration: 1 } }),
      await addGroup(app, { active: false, validity: { duration: 1 } }),
    ],
  };
  const expired = async () => (await find(app, {})).filter(({ state }) => state === 'EXPIRED').length === 2;
  await vi.waitUntil(expired, { timeout: 20_000, interval: 100 });

  test.each(GROUP_STATES)('%s lists the groups that say so of themselves', async (state) => {
    const found = await find(app, { state });
    expect(found.map(({ gid }) => gid)).toEqual(gids[state]);
    expect(new Set(found.map((group) => group.state))).toEqual(new Set([state]));
  });

  test('a group that gets new validity changes its list', async () => {
    const [gid = ''] = gids.EXPIRED;
    await app.call(GroupSetDocument, { input: { gid, validity: { duration: 60 } } });
    expect((await find(app, { state: 'ACTIVE' })).map((group) => group.gid)).toEqual([...gids.ACTIVE, gid].toSorted());
    expect((await find(app, { state: 'EXPIRED' })).map((group) => group.gid)).toEqual(gids.EXPIRED.slice(1));
  });
});

describe('all filters together', async () => {
  const app = await gateway.caller();
  const filter: GroupFilter = { nameContains: 'match', member: 'anna', state: 'SCHEDULED' };
  const matching = { name: 'a MATCH', members: [{ addresses: ['anna', 'bert'] }], validity: { start: 3600 } };
  const gids = [await addGroup(app, matching), await addGroup(app, matching), await addGroup(app, matching)];
  await addGroup(app, { ...matching, name: 'a miss' });
  await addGroup(app, { ...matching, members: [{ addresses: ['Anna', 'bert'] }] });
  await addGroup(app, { ...matching, validity: {} });

  test('what is given holds together', async () => {
    expect((await find(app, filter)).map(({ gid }) => gid)).toEqual(gids);
    expect(await find(app, { ...filter, member: 'nobody' })).toEqual([]);
  });

  test('a user finds only groups that it is in', async () => {
    expect((await find(await app.user('bert'), filter)).map(({ gid }) => gid)).toEqual(gids);
    expect(await find(await app.user('carl'), filter)).toEqual([]);
  });

  test('each form of the statement has a name of its own, of at most 63 bytes', async () => {
    const user = await app.user('bert');
    for (const field of GROUP_ORDER_FIELDS) {
      for (const caller of [app, user]) {
        for (const given of [{}, filter, { member: 'anna' }]) {
          const orderBy = { field, direction: 'DESC' } as const;
          const { groups } = await caller.call(GroupsDocument, { filter: given, orderBy });
          const { startCursor, endCursor } = groups.pageInfo;
          const cursors = [{}, { after: startCursor }, { before: endCursor }, { after: startCursor, before: endCursor }];
          for (const args of cursors) {
            await caller.call(GroupsDocument, { filter: given, orderBy, first: 1, ...args });
            const { groups: last } = await caller.call(GroupsDocument, { filter: given, orderBy, last: 1, ...args });
            expect(last.edges).toHaveLength(1);
          }
        }
      }
    }
    const texts = new Map<string, Set<string>>();
    for (const { name, text } of recorder.statements) texts.set(name, (texts.get(name) ?? new Set()).add(text));
    texts.delete('prisma');
    expect(texts.size).toBeGreaterThan(100);
    expect([...texts].filter(([name, forms]) => forms.size > 1 || Buffer.byteLength(name) > 63).map(([name]) => name)).toEqual(
      [],
    );
  });
});

test.each<[string, object, string[]]>([
  ['a nameContains of 2 characters', { nameContains: 'ab' }, ['filter.nameContains']],
  ['a nameContains of 2 emojis', { nameContains: '\u{1f600}\u{1f601}' }, ['filter.nameContains']],
  ['an empty nameContains', { nameContains: '' }, ['filter.nameContains']],
  ['a nameContains of 101 characters', { nameContains: 'x'.repeat(101) }, ['filter.nameContains']],
  ['a nameContains with a null character', { nameContains: 'ab\0' }, ['filter.nameContains']],
  ['a nameContains with a lone surrogate', { nameContains: 'ab\udc00' }, ['filter.nameContains']],
  ['a nameContains of null', { nameContains: null }, ['filter.nameContains']],
  ['a member of null', { member: null }, ['filter.member']],
  ['a state of null', { state: null }, ['filter.state']],
  ['three nulls', { nameContains: null, member: null, state: null }, ['filter.member', 'filter.nameContains', 'filter.state']],
  ['an empty member', { member: '' }, ['filter.member']],
  ['a member with a comma', { member: 'a,b' }, ['filter.member']],
  ['a member with a space at its end', { member: 'a ' }, ['filter.member']],
  ['a member of 257 characters', { member: '\u{1f600}'.repeat(257) }, ['filter.member']],
  ['an unknown state', { state: 'GONE' }, ['filter.state']],
])('%s is INVALID_INPUT', async (_, filter, paths) => {
  const app = await gateway.caller();
  expect(issuePaths(await app.send(GroupsDocument, { filter })).toSorted()).toEqual(paths);
  const viewer = 'query ($filter: GroupFilter) { viewer { groups(filter: $filter) { edges { cursor } } } }';
  expect(issuePaths(await app.send(viewer, { filter })).toSorted()).toEqual(paths);
});

test('a nameContains of 3 or 100 emojis and a member of 256 are no bad input', async () => {
  const app = await gateway.caller();
  const name = '\u{1f600}'.repeat(256);
  const gid = await addGroup(app, { name, members: [{ addresses: [name] }] });
  for (const filter of [{ nameContains: name.slice(0, 6) }, { nameContains: name.slice(0, 200) }, { member: name }]) {
    expect((await find(app, filter)).map((group) => group.gid)).toEqual([gid]);
  }
});
