import { pick } from '../../db/table.ts';
import { date, type RowOf, type SqlType } from '../../db/types.ts';
import { groups } from '../../generated/tables.ts';
import { RESOLUTIONS, resolutionOf } from '../../model/call-settings.ts';
import { foldName, type Group, type GroupSettings } from '../../model/group.ts';

const PICKED = pick(groups, 'g', [
  'gid',
  'name',
  'active',
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

/** The columns of a group's row from `groups g`. Beside them a statement returns `read_at`, the clock that the state goes by. */
export const GROUP_LIST = PICKED.list;
export const GROUP_COLUMNS = { ...PICKED.columns, read_at: date };

/** A group of a row with GROUP_COLUMNS. */
export function groupOf(row: RowOf<typeof GROUP_COLUMNS>): Group {
  const { callFlags, callResolution, callMaxDuration, ...group } = PICKED.decode(row);
  return {
    ...group,
    call: { flags: callFlags, resolution: resolutionOf(callResolution) ?? 'DEFAULT', maxDuration: callMaxDuration },
    readAt: row.read_at,
  };
}

const SETTINGS = pick(groups, '', [
  'name',
  'nameFolded',
  'active',
  'flags',
  'startsAt',
  'expiresAt',
  'extension',
  'callFlags',
  'callResolution',
  'callMaxDuration',
  'startDue',
  'expiryDue',
]);

/** The settings columns in one order for insert and update, and their types. */
export const SETTINGS_COLUMNS: readonly string[] = Object.keys(SETTINGS.columns);
export const SETTINGS_TYPES: readonly SqlType[] = Object.values(SETTINGS.columns);

/**
 * The values of SETTINGS_COLUMNS. The start is due to be recorded when it is still to come at `now`; a group that starts
 * at once has no such record.
 */
export function settingsValues(settings: Omit<GroupSettings, 'types'>, now: Date): unknown[] {
  return [
    settings.name,
    settings.name === null ? null : foldName(settings.name),
    settings.active,
    settings.flags,
    settings.startsAt,
    settings.expiresAt,
    settings.extension,
    settings.call.flags,
    RESOLUTIONS[settings.call.resolution],
    settings.call.maxDuration,
    settings.startsAt > now ? settings.startsAt : null,
    settings.expiresAt > now ? settings.expiresAt : null,
  ];
}
