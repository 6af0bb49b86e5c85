import { type Issues, MAX_INT, type Path } from './issues.ts';

/** The types of GraphQL that a plain setting may have, with what they are in TypeScript. */
interface Kinds {
  String: string;
  Boolean: boolean;
  Int: number;
}
type Kind = keyof Kinds;

/**
 * A setting of a group that stands in one column and has no rule with others. One entry in PLAIN_SETTINGS is all of it:
 * everything else goes through the table. The entry's key is the name of the field in Prisma's schema, in GraphQL and in
 * change records.
 */
export interface PlainSetting<K extends Kind = Kind, T = Kinds[K] | null> {
  readonly type: K;
  /** What a new group has; records from before the setting was there read the same. */
  readonly initial: T;
  /** Whether null clears it: its initial value is null then. */
  readonly clearable: boolean;
  /** For the schema: the beginning of a sentence, without a full stop. */
  readonly description: string;
  /** Notes what is wrong with a value; without it only the bounds of the type hold. */
  readonly check?: (issues: Issues, value: Kinds[K], path: Path) => void;
  /** Its name on the op endpoint: in `group` of the JSON style, and as a parameter; not given: it is not there. */
  readonly op?: string;
}

type Given<K extends Kind> = Omit<PlainSetting<K>, 'type' | 'initial' | 'clearable'>;

/** A setting that may be absent, and is at first; null clears it. */
const optional = <K extends Kind>(type: K, given: Given<K>): PlainSetting<K> => ({
  type,
  initial: null,
  clearable: true,
  ...given,
});

/** A setting that always has a value. */
const always = <K extends Kind>(type: K, initial: Kinds[K], given: Given<K>): PlainSetting<K, Kinds[K]> => ({
  type,
  initial,
  clearable: false,
  ...given,
});

/** The plain settings, in the order of their columns in statements. */
export const PLAIN_SETTINGS = {
  name: optional('String', {
    description: 'Its name, at most 256 characters, not unique',
    check: (issues, name, path) => issues.text(name, path),
    op: 'name',
  }),
  active: always('Boolean', true, {
    description: 'false: the group is paused; nothing may be sent',
    op: 'active',
  }),
};

export type PlainName = keyof typeof PLAIN_SETTINGS;
type ValueOf<S> = S extends PlainSetting<infer K, infer T> ? Extract<Kinds[K], T> | Extract<null, T> : never;

/** The values of all plain settings. */
export type PlainSettings = { [Name in PlainName]: ValueOf<(typeof PLAIN_SETTINGS)[Name]> };
/** Some of them as an input gives them; what is undefined stays. */
export type PlainSettingsInput = Partial<PlainSettings>;

export const PLAIN_NAMES = Object.keys(PLAIN_SETTINGS) as PlainName[];
const ENTRIES = Object.entries(PLAIN_SETTINGS) as [PlainName, PlainSetting][];

/** The settings that null clears. */
export const CLEARABLE_SETTINGS = PLAIN_NAMES.filter((name) => PLAIN_SETTINGS[name].clearable);

/** A value for each plain setting. */
function each(value: (name: PlainName) => unknown): PlainSettings {
  return Object.fromEntries(PLAIN_NAMES.map((name) => [name, value(name)])) as PlainSettings;
}

/** The plain settings out of an object that has others beside them; what it lacks is as in a new group. */
export function plainSettings(from: PlainSettingsInput): PlainSettings {
  return each((name) => (from[name] === undefined ? PLAIN_SETTINGS[name].initial : from[name]));
}

/** The plain settings after a change. */
export function changedPlainSettings(current: PlainSettings, input: PlainSettingsInput): PlainSettings {
  return each((name) => (input[name] === undefined ? current[name] : input[name]));
}

/** Notes what is wrong with the plain settings of an input. A null that may not be is noted with all others. */
export function checkPlainSettings(issues: Issues, given: { [Name in PlainName]?: unknown }, path: Path): void {
  for (const [name, { type, check }] of ENTRIES) {
    const value = given[name];
    if (value == null) continue;
    if (type === 'Int') issues.range(value as number, -MAX_INT - 1, MAX_INT, [...path, name]);
    check?.(issues, value as never, [...path, name]);
  }
}
