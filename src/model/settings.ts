import { type CallSettingsInput, changedCallSettings, DEFAULT_CALL_SETTINGS } from './call-settings.ts';
import {
  ACTIONS,
  AUDIENCES,
  type Audience,
  Flag,
  type Levels,
  levelsOf,
  RECEIVE_MODES,
  type ReceiveMode,
  withFlag,
  withLevels,
} from './flags.ts';
import type { GroupSettings } from './group.ts';
import { OPEN_TYPE } from './group.ts';
import { changedPlainSettings, PLAIN_NAMES, type PlainSettingsInput, plainSettings } from './plain-settings.ts';
import { changedValidity, newValidity, type ValidityInput } from './validity.ts';

export interface PermissionsInput {
  send?: Audience;
  recv?: ReceiveMode;
  pub?: Audience;
  sub?: Audience;
  list?: Audience;
}

/** Changes of a group's settings, valid ones; what is undefined stays. */
export interface SettingsInput extends PlainSettingsInput {
  flags?: number;
  storesMessages?: boolean;
  loopsBack?: boolean;
  membersMayLeave?: boolean;
  validity?: ValidityInput;
  callSettings?: CallSettingsInput;
  /** null drops the set of a message type above 0. */
  permissions?: PermissionsInput | null;
}

/** The levels of the permissions that are given. */
function levelsIn(input: PermissionsInput): Partial<Levels> {
  const levels: Partial<Levels> = {};
  for (const action of ACTIONS) {
    const value = input[action];
    if (value === undefined) continue;
    const names: readonly string[] = action === 'recv' ? RECEIVE_MODES : AUDIENCES;
    levels[action] = names.indexOf(value) as 0 | 1 | 2;
  }
  return levels;
}

function changedFlags(current: number, input: SettingsInput, messageType: number): number {
  let flags = input.flags ?? current;
  if (input.permissions && messageType === 0) flags = withLevels(flags, levelsIn(input.permissions));
  if (input.storesMessages !== undefined) flags = withFlag(flags, Flag.NOT_STORED, !input.storesMessages);
  if (input.loopsBack !== undefined) flags = withFlag(flags, Flag.LOOPBACK, input.loopsBack);
  if (input.membersMayLeave !== undefined) flags = withFlag(flags, Flag.NO_LEAVING, !input.membersMayLeave);
  return flags;
}

function changedTypes(current: GroupSettings['types'], input: SettingsInput, messageType: number): GroupSettings['types'] {
  if (messageType === 0 || input.permissions === undefined) return current;
  const types = new Map(current);
  if (input.permissions === null) types.delete(messageType);
  else {
    const { send, recv } = { ...(types.get(messageType) ?? OPEN_TYPE), ...levelsIn(input.permissions) };
    types.set(messageType, { send, recv });
  }
  return new Map([...types].sort(([a], [b]) => a - b));
}

/** The settings of a new group. `messageType` above 0: the permissions are that type's. */
export function newSettings(input: SettingsInput, messageType: number, now: Date): GroupSettings {
  return {
    ...plainSettings(input),
    flags: changedFlags(0, input, messageType),
    ...newValidity(input.validity ?? {}, now),
    call: changedCallSettings(DEFAULT_CALL_SETTINGS, input.callSettings ?? {}),
    types: changedTypes(new Map(), input, messageType),
  };
}

/** The settings after a change. `messageType` above 0: the permissions are that type's. */
export function changedSettings(current: GroupSettings, input: SettingsInput, messageType: number, now: Date): GroupSettings {
  return {
    ...changedPlainSettings(current, input),
    flags: changedFlags(current.flags, input, messageType),
    ...changedValidity(current, input.validity ?? {}, now),
    call: changedCallSettings(current.call, input.callSettings ?? {}),
    types: changedTypes(current.types, input, messageType),
  };
}

/** Whether an input gives any setting. */
export function givesSettings(input: SettingsInput): boolean {
  const names = ['flags', 'validity', 'callSettings', 'permissions', ...PLAIN_NAMES] as const;
  return names.some((name) => input[name] !== undefined);
}

/**
 * The dotted names of the settings that differ, as change records have them: `name`, `validity.expiresAt`,
 * `permissions.send`, `permissions(7).send`, or `permissions(7)` where a set was dropped. A changed bit is named twice: as
 * `flags`, and as the field that shows it.
 */
export function changedFields(before: GroupSettings, after: GroupSettings): string[] {
  const changed: string[] = [];
  const compare = (field: string, a: unknown, b: unknown) => {
    if (a !== b) changed.push(field);
  };
  for (const name of PLAIN_NAMES) compare(name, before[name], after[name]);
  compare('flags', before.flags, after.flags);
  compare('validity.startsAt', before.startsAt.getTime(), after.startsAt.getTime());
  compare('validity.expiresAt', before.expiresAt.getTime(), after.expiresAt.getTime());
  compare('validity.extension', before.extension, after.extension);
  const [levels, newLevels] = [levelsOf(before.flags), levelsOf(after.flags)];
  for (const action of ACTIONS) compare(`permissions.${action}`, levels[action], newLevels[action]);
  compare('storesMessages', before.flags & Flag.NOT_STORED, after.flags & Flag.NOT_STORED);
  compare('loopsBack', before.flags & Flag.LOOPBACK, after.flags & Flag.LOOPBACK);
  compare('membersMayLeave', before.flags & Flag.NO_LEAVING, after.flags & Flag.NO_LEAVING);
  compare('callSettings.flags', before.call.flags, after.call.flags);
  compare('callSettings.resolution', before.call.resolution, after.call.resolution);
  compare('callSettings.maxDuration', before.call.maxDuration, after.call.maxDuration);
  const types = new Set([...before.types.keys(), ...after.types.keys()]);
  compare('messageTypes', [...before.types.keys()].join(), [...after.types.keys()].join());
  for (const type of [...types].sort((a, b) => a - b)) {
    const [old, now] = [before.types.get(type), after.types.get(type)];
    if (!now) changed.push(`permissions(${type})`);
    else {
      compare(`permissions(${type}).send`, old?.send, now.send);
      compare(`permissions(${type}).recv`, old?.recv, now.recv);
    }
  }
  return changed;
}
