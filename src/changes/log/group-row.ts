import { pick } from '../../db/table.ts';
import { date, type RowOf, type SqlType, type ValueOf } from '../../db/types.ts';
import { groups } from '../../generated/tables.ts';
import { RESOLUTIONS, resolutionOf } from '../../model/call-settings.ts';
import { foldName, type Group, type GroupSettings } from '../../model/group.ts';
import { PLAIN_NAMES } from '../../model/plain-settings.ts';

const PICKED = pick(groups, 'g', [
  'gid',
  ...PLAIN_NAMES,
  'flags',
  'startsAt',
  'expiresAt',
  'extension',
  'callFlags',
  'callResolution',
  'callMaxDuration',
  'memberCount',
  'version',
  'mark',
  'createdAt',
  'updatedAt',
]);

/** The columns of a group's row from `groups g`. A statement also returns `read_at`, the time at which `state` is computed. */
export const GROUP_LIST = PICKED.list;
export const GROUP_COLUMNS = { ...PICKED.columns, read_at: date };

/** Makes a group of a row with GROUP_COLUMNS. */
export function groupOf(row: RowOf<typeof GROUP_COLUMNS>): Group {
  const { callFlags, callResolution, callMaxDuration, ...group } = PICKED.decode(row);
  return {
    ...group,
    call: { flags: callFlags, resolution: resolutionOf(callResolution) ?? 'DEFAULT', maxDuration: callMaxDuration },
    readAt: row.read_at,
  };
}

interface SettingsColumn {
  readonly column: string;
  readonly type: SqlType;
  readonly value: (settings: Omit<GroupSettings, 'types'>, now: Date) => unknown;
}

type ColumnName = keyof typeof groups;
function settingsColumn<Name extends ColumnName>(
  name: Name,
  value: (settings: Omit<GroupSettings, 'types'>, now: Date) => ValueOf<(typeof groups)[Name][1]>,
): SettingsColumn {
  const [column, type] = groups[name];
  return { column, type, value };
}

/**
 * The columns of a group's settings with their values, for insert and update. A start is recorded later only if it is in the
 * future at `now`; a group that starts at once gets no such record.
 */
const SETTINGS: readonly SettingsColumn[] = [
  ...PLAIN_NAMES.map((name) => settingsColumn(name, (settings) => settings[name])),
  settingsColumn('nameFolded', ({ name }) => (name === null ? null : foldName(name))),
  settingsColumn('flags', ({ flags }) => flags),
  settingsColumn('startsAt', ({ startsAt }) => startsAt),
  settingsColumn('expiresAt', ({ expiresAt }) => expiresAt),
  settingsColumn('extension', ({ extension }) => extension),
  settingsColumn('callFlags', ({ call }) => call.flags),
  settingsColumn('callResolution', ({ call }) => RESOLUTIONS[call.resolution]),
  settingsColumn('callMaxDuration', ({ call }) => call.maxDuration),
  settingsColumn('startDue', ({ startsAt }, now) => (startsAt > now ? startsAt : null)),
  settingsColumn('expiryDue', ({ expiresAt }, now) => (expiresAt > now ? expiresAt : null)),
];

export const SETTINGS_COLUMNS = SETTINGS.map(({ column }) => column);
export const SETTINGS_TYPES = SETTINGS.map(({ type }) => type);

/** The values of SETTINGS_COLUMNS. */
export function settingsValues(settings: Omit<GroupSettings, 'types'>, now: Date): unknown[] {
  return SETTINGS.map(({ value }) => value(settings, now));
}
