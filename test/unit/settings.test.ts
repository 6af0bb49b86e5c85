import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  changedCallSettings,
  DEFAULT_CALL_SETTINGS,
  RESOLUTIONS,
  type Resolution,
  resolutionOf,
} from '../../src/model/call-settings.ts';
import {
  ACTIONS,
  AUDIENCES,
  Flag,
  flagsProblem,
  type Level,
  RECEIVE_MODES,
  withFlag,
  withLevels,
} from '../../src/model/flags.ts';
import type { GroupSettings, TypeLevels } from '../../src/model/group.ts';
import {
  PLAIN_NAMES,
  PLAIN_SETTINGS,
  type PlainName,
  type PlainSettings,
  plainSettings,
} from '../../src/model/plain-settings.ts';
import {
  changedFields,
  changedSettings,
  newSettings,
  type PermissionsInput,
  type SettingsInput,
} from '../../src/model/settings.ts';
import { PLAIN_CASES } from '../setup/plain-settings.ts';
import { holds, int32 } from '../setup/property.ts';

const NOW = new Date('2030-06-01T00:00:00.000Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const BASE: GroupSettings = {
  ...plainSettings({ name: 'Base' }),
  flags: 0,
  startsAt: at(-10),
  expiresAt: at(1000),
  extension: null,
  call: DEFAULT_CALL_SETTINGS,
  types: new Map([[7, { send: 1, recv: 0 }]]),
};

const seconds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
/** Any of a plain setting's values, for each of them. */
const PLAIN = Object.fromEntries(
  PLAIN_NAMES.map((name) => [name, fc.constantFrom(PLAIN_SETTINGS[name].initial, ...PLAIN_CASES[name].values)]),
) as unknown as { [Name in PlainName]: fc.Arbitrary<PlainSettings[Name]> };
const level = fc.constantFrom<Level[]>(0, 1, 2);
const levels = fc.record({ send: level, recv: level, pub: level, sub: level, list: level });
const flags = fc
  .tuple(levels, fc.uniqueArray(fc.constantFrom(...Object.values(Flag))))
  .map(([given, on]) => on.reduce<number>((made, flag) => withFlag(made, flag, true), withLevels(0, given)));
const resolution = fc.constantFrom(...(Object.keys(RESOLUTIONS) as Resolution[]));
const maxDuration = fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 }));
const messageType = fc.integer({ min: 1, max: 9 });
const typeLevels = fc.record<TypeLevels>({ send: level, recv: level });

const OTHERS = {
  flags,
  startsAt: fc.integer({ min: -1000, max: 1000 }).map(at),
  expiresAt: fc.integer({ min: 1001, max: 5000 }).map(at),
  extension: fc.option(fc.integer({ min: 1, max: 100 })),
  call: fc.record({ flags: int32, resolution, maxDuration }),
  types: fc.dictionary(messageType.map(String), typeLevels, { maxKeys: 3 }).map((types) => {
    const entries = Object.entries(types).map(([type, given]): [number, TypeLevels] => [Number(type), given]);
    return new Map(entries.sort(([a], [b]) => a - b));
  }),
};
const settings: fc.Arbitrary<GroupSettings> = fc.record({ ...PLAIN, ...OTHERS });
const permissions: fc.Arbitrary<PermissionsInput> = fc.record(
  {
    send: fc.constantFrom(...AUDIENCES),
    recv: fc.constantFrom(...RECEIVE_MODES),
    pub: fc.constantFrom(...AUDIENCES),
    sub: fc.constantFrom(...AUDIENCES),
    list: fc.constantFrom(...AUDIENCES),
  },
  { requiredKeys: [] },
);
const OWN = {
  ...PLAIN,
  flags,
  storesMessages: fc.boolean(),
  loopsBack: fc.boolean(),
  membersMayLeave: fc.boolean(),
  validity: fc.record({ start: seconds, duration: seconds, extension: fc.option(seconds) }, { requiredKeys: [] }),
  callSettings: fc.oneof(
    fc.constant({ default: true }),
    fc.record({ flags: int32, resolution, maxDuration: fc.option(seconds) }, { requiredKeys: [] }),
  ),
  permissions,
};
const input: fc.Arbitrary<SettingsInput> = fc.record(OWN, { requiredKeys: [] });
const typed: fc.Arbitrary<SettingsInput> = fc.record(
  {
    ...PLAIN,
    permissions: fc.option(
      fc.record({ send: fc.constantFrom(...AUDIENCES), recv: fc.constantFrom(...RECEIVE_MODES) }, { requiredKeys: [] }),
    ),
  },
  { requiredKeys: [] },
);

describe('flags first, then permissions and switches', () => {
  test.each<[number, SettingsInput, number]>([
    [0x1, {}, 0x1],
    [0x1, { flags: 0x2 }, 0x2],
    [0x1, { flags: 0 }, 0],
    [0x1, { permissions: { send: 'MEMBERS' } }, 0],
    [0x11, { permissions: { recv: 'ROUND_ROBIN' } }, 0x21],
    [0, { flags: 0x22222, permissions: { sub: 'SELECTED', list: 'MEMBERS' } }, 0x1222],
    [0, { flags: 0xc0, storesMessages: true, membersMayLeave: false }, 0x40080],
    [0x40, { storesMessages: false }, 0x40],
    [0x40, { storesMessages: true }, 0],
    [0, { storesMessages: false, loopsBack: true, membersMayLeave: false }, 0x400c0],
    [0x8, { loopsBack: false, permissions: {} }, 0x8],
  ])('0x%x with %j', (before, given, after) => {
    expect(changedSettings({ ...BASE, flags: before }, given, 0, NOW).flags).toBe(after);
    if (before === 0) expect(newSettings(given, 0, NOW).flags).toBe(after);
  });

  test('whatever is given, the flags stay legal and say what the views say', () => {
    holds(
      fc.property(settings, input, (before, given) => {
        const after = changedSettings(before, given, 0, NOW);
        expect(flagsProblem(after.flags)).toBeUndefined();
        if (given.storesMessages !== undefined) expect(!(after.flags & Flag.NOT_STORED)).toBe(given.storesMessages);
        if (given.loopsBack !== undefined) expect(Boolean(after.flags & Flag.LOOPBACK)).toBe(given.loopsBack);
        if (given.membersMayLeave !== undefined) expect(!(after.flags & Flag.NO_LEAVING)).toBe(given.membersMayLeave);
        expect(after.flags & Flag.AUTO_ADD).toBe((given.flags ?? before.flags) & Flag.AUTO_ADD);
      }),
    );
  });
});

describe('a message type', () => {
  test.each<[SettingsInput['permissions'], number, [number, TypeLevels][]]>([
    [
      { recv: 'SELECTED' },
      8,
      [
        [7, { send: 1, recv: 0 }],
        [8, { send: 2, recv: 1 }],
      ],
    ],
    [
      { send: 'MEMBERS' },
      3,
      [
        [3, { send: 0, recv: 0 }],
        [7, { send: 1, recv: 0 }],
      ],
    ],
    [{ recv: 'ROUND_ROBIN' }, 7, [[7, { send: 1, recv: 2 }]]],
    [null, 7, []],
    [null, 8, [[7, { send: 1, recv: 0 }]]],
    [undefined, 8, [[7, { send: 1, recv: 0 }]]],
  ])('%j for %i', (given, type, expected) => {
    const after = changedSettings(BASE, { permissions: given }, type, NOW);
    expect([...after.types]).toEqual(expected);
    expect(after.flags).toBe(BASE.flags);
  });

  test('its permissions touch no other type, nor the group itself; the types stay in order', () => {
    holds(
      fc.property(settings, typed, messageType, (before, given, type) => {
        const after = changedSettings(before, given, type, NOW);
        expect(after.flags).toBe(before.flags);
        const others = (types: GroupSettings['types']) => [...types].filter(([each]) => each !== type);
        expect(others(after.types)).toEqual(others(before.types));
        expect([...after.types.keys()]).toEqual([...after.types.keys()].sort((a, b) => a - b));
        if (given.permissions === null) expect(after.types.has(type)).toBe(false);
      }),
    );
  });
});

describe('call settings', () => {
  const FULL = { flags: 5, resolution: 'HD', maxDuration: 60 } as const;
  test.each([
    [{}, FULL],
    [{ flags: 0 }, { ...FULL, flags: 0 }],
    [{ resolution: 'DEFAULT' as const }, { ...FULL, resolution: 'DEFAULT' }],
    [{ maxDuration: 7 }, { ...FULL, maxDuration: 7 }],
    [{ maxDuration: 0 }, { ...FULL, maxDuration: null }],
    [{ maxDuration: null }, { ...FULL, maxDuration: null }],
    [{ default: false }, FULL],
    [{ default: true }, DEFAULT_CALL_SETTINGS],
  ])('%j', (given, expected) => {
    expect(changedCallSettings(FULL, given)).toEqual(expected);
  });

  test('the numbers of the resolutions', () => {
    expect(RESOLUTIONS).toEqual({ DEFAULT: 0, QVGA: 1, VGA: 2, HD: 3, FHD: 4, UHD_4K: 5, QQVGA: 8, P180: 9, NHD: 10 });
    for (const [name, number] of Object.entries(RESOLUTIONS)) expect(resolutionOf(number)).toBe(name);
    expect([-1, 6, 7, 11, 1.5].map(resolutionOf)).toEqual(Array(5).fill(undefined));
  });
});

describe('a change of settings', () => {
  test('what is not given stays', () => {
    holds(
      fc.property(settings, input, (before, given) => {
        const after = changedSettings(before, given, 0, NOW);
        expect(changedSettings(before, {}, 0, NOW)).toEqual(before);
        if (given.name === undefined) expect(after.name).toBe(before.name);
        if (given.active === undefined) expect(after.active).toBe(before.active);
        if (given.callSettings === undefined) expect(after.call).toEqual(before.call);
        expect(after.types).toEqual(before.types);
        if (given.validity === undefined) {
          expect([after.startsAt, after.expiresAt, after.extension]).toEqual([
            before.startsAt,
            before.expiresAt,
            before.extension,
          ]);
        }
      }),
    );
  });

  test('again at the same time it changes nothing', () => {
    holds(
      fc.property(settings, fc.oneof(input, typed), fc.integer({ min: 0, max: 9 }), (before, given, type) => {
        fc.pre(type > 0 || given.permissions !== null);
        const after = changedSettings(before, given, type, NOW);
        expect(changedFields(after, changedSettings(after, given, type, NOW))).toEqual([]);
      }),
    );
  });
});

describe('the fields that changed', () => {
  test.each<[string, Partial<GroupSettings>, string[]]>([
    ['nothing', {}, []],
    ['name', { name: null }, ['name']],
    ['active', { active: false }, ['active']],
    ['start', { startsAt: at(1) }, ['validity.startsAt']],
    ['expiry', { expiresAt: at(1) }, ['validity.expiresAt']],
    ['the same time in another object', { startsAt: at(-10), expiresAt: at(1000) }, []],
    ['extension', { extension: 1 }, ['validity.extension']],
    ['a level', { flags: 0x20 }, ['flags', 'permissions.recv']],
    ['a bit without a view', { flags: 0x8 }, ['flags']],
    ['not stored', { flags: 0x40 }, ['flags', 'storesMessages']],
    [
      'call',
      { call: { flags: 1, resolution: 'HD', maxDuration: 1 } },
      ['callSettings.flags', 'callSettings.resolution', 'callSettings.maxDuration'],
    ],
    ['a level of a type', { types: new Map([[7, { send: 1, recv: 1 }]]) }, ['permissions(7).recv']],
    [
      'a type more',
      {
        types: new Map([
          [7, { send: 1, recv: 0 }],
          [9, { send: 2, recv: 0 }],
        ]),
      },
      ['messageTypes', 'permissions(9).send', 'permissions(9).recv'],
    ],
    ['a type less', { types: new Map() }, ['messageTypes', 'permissions(7)']],
    [
      'another type',
      { types: new Map([[8, { send: 1, recv: 0 }]]) },
      ['messageTypes', 'permissions(7)', 'permissions(8).send', 'permissions(8).recv'],
    ],
  ])('%s', (_, patch, expected) => {
    expect(changedFields(BASE, { ...BASE, ...patch })).toEqual(expected);
  });

  test('are none exactly where the settings are equal, each named once', () => {
    holds(
      fc.property(settings, settings, fc.boolean(), (one, other, same) => {
        const two = same ? structuredClone(one) : other;
        const fields = changedFields(one, two);
        expect(new Set(fields).size).toBe(fields.length);
        const text = (value: GroupSettings) => JSON.stringify({ ...value, types: [...value.types] });
        const sorted = (value: GroupSettings) =>
          text({
            ...BASE,
            ...value,
            call: { flags: value.call.flags, resolution: value.call.resolution, maxDuration: value.call.maxDuration },
          });
        expect(fields.length === 0).toBe(sorted(one) === sorted(two));
      }),
    );
  });

  test('a change of one level names that level, for every action', () => {
    for (const action of ACTIONS) {
      const flags = withLevels(0, { [action]: 1 });
      expect(changedFields(BASE, { ...BASE, flags })).toEqual(['flags', `permissions.${action}`]);
    }
  });
});
