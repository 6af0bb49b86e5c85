import { type Issues, MAX_INT, type Path } from './issues.ts';

/** The GraphQL types that a plain setting may have, with their TypeScript types. */
interface Kinds {
  String: string;
  Boolean: boolean;
  Int: number;
}
type Kind = keyof Kinds;

/**
 * A setting of a group that is stored in one column and has no rules with other settings. One entry in PLAIN_SETTINGS defines
 * it; everything else is derived from that table. The entry's key is the name of the field in Prisma's schema, in GraphQL and
 * in change records.
 */
export interface PlainSetting<K extends Kind = Kind, T = Kinds[K] | null> {
  readonly type: K;
  /** The value in a new group, and in change records from before the setting existed. */
  readonly initial: T;
  /** Whether null clears it: its initial value is null then. */
  readonly clearable: boolean;
  /** For the schema: the beginning of a sentence, without a full stop. */
  readonly description: string;
  /** Adds an issue if the value is invalid; without it only the bounds of the type are checked. */
  readonly check?: (issues: Issues, value: Kinds[K], path: Path) => void;
  /** Its name on the op endpoint: in `group` of the JSON style, and as a parameter; not given: it is not available there. */
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
/** Changes of some of them; what is undefined stays. */
export type PlainSettingsInput = Partial<PlainSettings>;

export const PLAIN_NAMES = Object.keys(PLAIN_SETTINGS) as PlainName[];
const ENTRIES = Object.entries(PLAIN_SETTINGS) as [PlainName, PlainSetting][];

/** The settings that null clears. */
export const CLEARABLE_SETTINGS = PLAIN_NAMES.filter((name) => PLAIN_SETTINGS[name].clearable);

/** A value for each plain setting. */
function each(value: (name: PlainName) => unknown): PlainSettings {
  return Object.fromEntries(PLAIN_NAMES.map((name) => [name, value(name)])) as PlainSettings;
}

/** The plain settings of an object that may have other properties; missing ones get their initial value. */
export function plainSettings(from: PlainSettingsInput): PlainSettings {
  return each((name) => (from[name] === undefined ? PLAIN_SETTINGS[name].initial : from[name]));
}

/** The plain settings after a change. */
export function changedPlainSettings(current: PlainSettings, input: PlainSettingsInput): PlainSettings {
  return each((name) => (input[name] === undefined ? current[name] : input[name]));
}

/** Adds issues for invalid plain settings of an input. Nulls that are not allowed are left to `Issues.noNulls`. */
export function checkPlainSettings(issues: Issues, given: { [Name in PlainName]?: unknown }, path: Path): void {
  for (const [name, { type, check }] of ENTRIES) {
    const value = given[name];
    if (value == null) continue;
    if (type === 'Int') issues.range(value as number, -MAX_INT - 1, MAX_INT, [...path, name]);
    check?.(issues, value as never, [...path, name]);
  }
}
