import { RESOLUTIONS } from '../../model/call-settings.ts';
import { flagsProblem } from '../../model/flags.ts';
import { type Issues, MAX_INT, type Path } from '../../model/issues.ts';
import { CLEARABLE_SETTINGS, checkPlainSettings } from '../../model/plain-settings.ts';
import type { PermissionsInput, SettingsInput } from '../../model/settings.ts';
import { type MembersInput, noTypedCallPermissions } from './member-input.ts';

/** A type's fields with null allowed: an input as given, before nulls are checked. */
type Given<T> = { [K in keyof T]?: T[K] | null };

/** The settings of an input as given: undefined if not given, null if the caller wrote null. */
export interface GivenSettings extends Omit<Given<SettingsInput>, 'validity' | 'callSettings' | 'permissions'> {
  validity?: Given<NonNullable<SettingsInput['validity']>> | null;
  callSettings?: Given<NonNullable<SettingsInput['callSettings']>> | null;
  permissions?: Given<PermissionsInput> | null;
}

export interface GivenMembers {
  addresses: readonly string[];
  permissions?: Given<NonNullable<MembersInput['permissions']>> | null;
  admin?: Given<NonNullable<MembersInput['admin']>> | null;
}

export interface GroupAddInput extends GivenSettings {
  /** Op endpoint only: the message type of the permissions, as in GroupSetInput. */
  messageType?: number | null;
  members?: readonly GivenMembers[] | null;
  idempotencyKey?: string | null;
}

export interface GroupSetInput extends GivenSettings {
  gid: string;
  messageType?: number | null;
  members?: readonly GivenMembers[] | null;
  /** Op endpoint only: members to remove, or their entries. */
  remove?: readonly string[];
  /** Op endpoint only: `members` is the whole list; all others are removed. */
  replaceMembers?: boolean;
  ifVersion?: number | null;
  idempotencyKey?: string | null;
}

export interface GroupDelInput {
  gid: string;
  ifVersion?: number | null;
  idempotencyKey?: string | null;
}

export interface GroupEditMembersInput extends GroupDelInput {
  messageType?: number | null;
  add?: readonly GivenMembers[] | null;
  update?: readonly GivenMembers[] | null;
  remove?: readonly string[] | null;
}

/** The fields of an input that may be null: null clears them, or means a default. */
export const CLEARABLE: readonly string[] = [...CLEARABLE_SETTINGS, 'permissions', 'messageType'];

/** Checks the settings. If there are no issues, what it returns is a valid SettingsInput. */
export function checkSettings(issues: Issues, given: GivenSettings, messageType: number, path: Path): SettingsInput {
  const { flags, validity, callSettings, permissions } = given;
  checkPlainSettings(issues, given, path);
  if (flags != null) {
    const problem = flagsProblem(flags);
    if (problem) issues.add([...path, 'flags'], problem);
    if (messageType > 0) issues.add([...path, 'flags'], "are the group's own; for a message type give permissions");
  }
  if (permissions === null && messageType === 0)
    issues.add([...path, 'permissions'], "the group's own permissions cannot be dropped");
  if (permissions) {
    issues.noNulls(permissions, [...path, 'permissions']);
    noTypedCallPermissions(issues, permissions, messageType, [...path, 'permissions']);
  }
  if (validity) checkValidity(issues, validity, [...path, 'validity']);
  if (callSettings) checkCallSettings(issues, callSettings, [...path, 'callSettings']);
  return given as SettingsInput;
}

function checkValidity(issues: Issues, validity: NonNullable<GivenSettings['validity']>, path: Path): void {
  issues.noNulls(validity, path, ['extension']);
  for (const field of ['start', 'duration', 'extension'] as const) issues.range(validity[field], 0, MAX_INT, [...path, field]);
}

function checkCallSettings(issues: Issues, call: NonNullable<GivenSettings['callSettings']>, path: Path): void {
  issues.noNulls(call, path, ['maxDuration']);
  issues.range(call.flags, -MAX_INT - 1, MAX_INT, [...path, 'flags']);
  issues.range(call.maxDuration, 0, MAX_INT, [...path, 'maxDuration']);
  if (call.resolution != null && !(call.resolution in RESOLUTIONS)) issues.add([...path, 'resolution'], 'is no known resolution');
  if (!call.default) return;
  for (const field of ['flags', 'resolution', 'maxDuration'] as const) {
    if (call[field] !== undefined) issues.add([...path, field], 'cannot be given together with default: true');
  }
}
