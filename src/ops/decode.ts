import type { UserFilter } from '../access/users.ts';
import type {
  GivenMembers,
  GivenSettings,
  GroupAddInput,
  GroupEditMembersInput,
  GroupSetInput,
} from '../groups/input/operation-input.ts';
import type { CallSettingsInput } from '../model/call-settings.ts';
import { ACTIONS, AUDIENCES, KNOWN_FLAGS, type Level, type Levels, levelsOf, RECEIVE_MODES, withLevels } from '../model/flags.ts';
import type { RightsChange } from '../model/rights.ts';
import type { PermissionsInput } from '../model/settings.ts';
import { OpError, wrong } from './codes.ts';
import {
  ADDRESSES,
  ADMIN,
  CALL,
  CALL_DEFAULT,
  CALL_PACKED,
  COUNT,
  type Field,
  FLAGS,
  find,
  GID,
  LEVELS,
  MEMBER_PERMISSIONS,
  NEW_TYPE,
  nameOf,
  REMOVE,
  REMOVE_IN_SETTINGS,
  readField,
  readFields,
  SETTINGS,
  TYPE,
  VALIDITY,
  WANTED,
} from './fields.ts';
import type { Wire } from './wire.ts';

const DEFAULT_COUNT = 20;
const MAX_COUNT = 10_000;

/** @throws OpError MISSINGPARA */
export function needed<T>(wire: Wire, wanted: Field<T>): T {
  return readField(wire, wanted) ?? missing(wire, wanted);
}

function missing(wire: Wire, wanted: Field<unknown>): never {
  throw new OpError('MISSINGPARA', `The parameter ${nameOf(wire, wanted)} is missing.`);
}

export function groupAddInput(wire: Wire): GroupAddInput {
  const messageType = readField(wire, NEW_TYPE) ?? 0;
  const members = membersInput(wire, messageType, REMOVE_IN_SETTINGS);
  return { ...settings(wire, messageType), messageType, members: members?.add && [members.add] };
}

export function groupSetInput(wire: Wire): GroupSetInput {
  const gid = gidOf(wire);
  const messageType = readField(wire, TYPE) ?? 0;
  const members = membersInput(wire, messageType, REMOVE_IN_SETTINGS);
  return {
    gid,
    ...settings(wire, messageType),
    messageType,
    members: members?.add && [members.add],
    remove: members?.remove,
    replaceMembers: members?.add && members.flat,
  };
}

export function groupEditMembersInput(wire: Wire): GroupEditMembersInput {
  const gid = gidOf(wire);
  const messageType = readField(wire, TYPE) ?? 0;
  const members = membersInput(wire, messageType, REMOVE) ?? missing(wire, ADDRESSES);
  return { gid, messageType, add: members.add && [members.add], remove: members.remove };
}

export function gidOf(wire: Wire): string {
  return String(needed(wire, GID));
}

/** How many rows are wanted. */
export function countOf(wire: Wire): number {
  const count = readField(wire, COUNT) || DEFAULT_COUNT;
  if (count < 0) throw new OpError('BADPARA', wrong(nameOf(wire, COUNT), 'must not be negative'));
  return Math.min(count, MAX_COUNT);
}

/** The users that are wanted: one address, or with a `*` at its end all that begin with it. */
export function wantedUsers(wire: Wire): UserFilter {
  const wanted = readField(wire, WANTED);
  if (wanted === undefined) return {};
  return wanted.endsWith('*') ? { addressStartsWith: wanted.slice(0, -1) } : { address: wanted };
}

function settings(wire: Wire, messageType: number): GivenSettings {
  return {
    ...readFields(wire, SETTINGS),
    ...(messageType > 0 ? typePermissions(wire) : ownPermissions(wire)),
    validity: readFields(wire, VALIDITY),
    callSettings: callSettings(wire),
  };
}

function ownPermissions(wire: Wire): Pick<GivenSettings, 'flags' | 'permissions'> {
  const flags = readField(wire, FLAGS);
  return { flags: flags === undefined ? undefined : legalFlags(flags), permissions: named(readFields(wire, LEVELS)) };
}

/** For a message type: of flags and permissions, send and recv set that type's levels; the rest is ignored. */
function typePermissions(wire: Wire): Pick<GivenSettings, 'permissions'> {
  const flags = readField(wire, FLAGS);
  const { send, recv } = { ...(flags === undefined ? {} : levelsOf(legalFlags(flags))), ...readFields(wire, LEVELS) };
  return { permissions: send === undefined && recv === undefined ? undefined : named({ send, recv }) };
}

/** The bitmask without unknown bits; of a pair with both bits the wider one stays. */
function legalFlags(given: number): number {
  const known = given & KNOWN_FLAGS;
  const levels = levelsOf(known);
  for (const action of ACTIONS) levels[action] = Math.min(levels[action], 2) as Level;
  return withLevels(known, levels);
}

function named(levels: Partial<Levels>): PermissionsInput {
  return Object.fromEntries(
    Object.entries(levels)
      .filter(([, level]) => level !== undefined)
      .map(([action, level]) => [action, (action === 'recv' ? RECEIVE_MODES : AUDIENCES)[level]]),
  );
}

/** `default` stands alone: what comes with it is not looked at. */
function callSettings(wire: Wire): CallSettingsInput {
  if (readField(wire, CALL_DEFAULT)) return { default: true };
  return { ...readField(wire, CALL_PACKED), ...readFields(wire, CALL) };
}

interface WireMembers {
  add?: GivenMembers;
  remove?: string[];
  /** The list stood in a form or in the query. */
  flat: boolean;
}

/** The addresses with what is given to them, or those to remove; undefined: there are none. */
function membersInput(wire: Wire, messageType: number, removeField: Field<boolean>): WireMembers | undefined {
  const list = find(wire, ADDRESSES);
  if (!list || list.value.length === 0) return undefined;
  const { value: addresses, flat } = list;
  if (readField(wire, removeField)) return { remove: addresses, flat };
  const permissions = readFields(wire, MEMBER_PERMISSIONS);
  if (messageType === 0) return { add: { addresses, permissions, admin: rights(wire) }, flat };
  const { send, recv } = permissions;
  return { add: { addresses, permissions: { send, recv } }, flat };
}

/**
 * Clients name all nine rights at once: beside a role that is given, a false says nothing. But who names these two alone
 * means that an owner becomes an admin.
 */
function rights(wire: Wire): RightsChange {
  const given = readFields(wire, ADMIN);
  if (!given.owner && !given.admin) return given;
  if (given.owner === false && given.admin && Object.keys(given).length === 2) return given;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value));
}
