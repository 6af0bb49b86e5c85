import type { PlainName, PlainSettings } from '../../src/model/plain-settings.ts';

/** The values with which tests try a plain setting. */
interface PlainSettingCases<T> {
  /** Two different values, neither null nor the initial one; for a Boolean the other value and the initial one. */
  values: readonly [NonNullable<T>, NonNullable<T>];
  /** Values of the right type that are refused, with the path of the setting. */
  refused?: readonly NonNullable<T>[];
  /** The check constraint on its column, with values that it refuses. */
  constraint?: readonly [name: string, ...refused: NonNullable<T>[]];
}

/** The cases of each plain setting: `test/plain-settings.test.ts` and others run through all of them. */
export const PLAIN_CASES: { [Name in PlainName]: PlainSettingCases<PlainSettings[Name]> } = {
  name: {
    values: ['Night shift', 'Day 🌞 shift'],
    refused: ['x'.repeat(257), '\u{1f600}'.repeat(257), 'a\0b', '\ud83d'],
    constraint: ['groups_name_length', 'x'.repeat(257)],
  },
  active: { values: [false, true] },
};
