import { PLAIN_NAMES, PLAIN_SETTINGS, type PlainName, type PlainSetting, type PlainSettings } from '../model/plain-settings.ts';
import type { Right } from '../model/rights.ts';
import {
  addresses,
  bits,
  boolean,
  hexInteger,
  integer,
  level,
  packedCall,
  type Reader,
  resolution,
  seconds,
  text,
  unreadable,
} from './readers.ts';
import type { Wire } from './wire.ts';

/** A value of a request: where it may stand, and how it is read. */
export interface Field<T> {
  /** Its places in a JSON body, dotted; the first that holds something counts. */
  json: readonly string[];
  /** Its names in a form and in the query; the first counts here too. */
  flat: readonly string[];
  read: Reader<T>;
  /** Of several values in one body, form or query the first counts that is neither false nor 0, else the first. */
  firstNonZero?: true;
}

const words = (list: string) => (list === '' ? [] : list.split(' '));

/** @param json and flat: names with blanks between them */
function field<T>(read: Reader<T>, json: string, flat = ''): Field<T> {
  return { json: words(json), flat: words(flat), read };
}

/** For clients that fill in every place, one with the value and the others with its default. */
const firstNonZero = <T>(wanted: Field<T>): Field<T> => ({ ...wanted, firstNonZero: true });

export const ENVELOPE = {
  op: field(text, 'op', 'op'),
  id: field(integer, 'id', 'id'),
  token: field(text, 'token', 'token'),
};

export const GID = field(integer, 'group.gid', 'gid');
export const TYPE = field(integer, 'group.type', 'type');
/** groupadd has no type in the flat style. */
export const NEW_TYPE = field(integer, 'group.type');

const READERS: { [K in PlainSetting['type']]: Reader<unknown> } = { String: text, Boolean: boolean, Int: integer };

/** The plain settings that the endpoint has. */
export const SETTINGS = Object.fromEntries(
  PLAIN_NAMES.flatMap((name) => {
    const { type, op } = PLAIN_SETTINGS[name] as PlainSetting;
    return op === undefined ? [] : [[name, field(READERS[type], `group.${op}`, op)]];
  }),
) as { [Name in PlainName]?: Field<NonNullable<PlainSettings[Name]>> };
export const FLAGS = field(bits, 'group.flags', 'flags flag');
export const LEVELS = {
  send: field(level, 'group.permissions.send'),
  recv: field(level, 'group.permissions.recv'),
  pub: field(level, 'group.permissions.pub'),
  sub: field(level, 'group.permissions.sub'),
  list: field(level, 'group.permissions.list'),
};
export const VALIDITY = {
  start: firstNonZero(field(seconds, 'group.validity.start group.start')),
  duration: firstNonZero(field(seconds, 'group.validity.duration group.duration', 'duration expiry')),
  extension: firstNonZero(field(seconds, 'group.validity.expiryext group.expiryext', 'expiryext')),
};
export const CALL_DEFAULT = field(boolean, 'group.call.default');
export const CALL_PACKED = field(packedCall, '', 'sflags');
export const CALL = {
  flags: field(hexInteger, 'group.call.flags'),
  resolution: field(resolution, 'group.call.resolution'),
  maxDuration: field(integer, 'group.call.maxdur'),
};

export const ADDRESSES = field(addresses, 'group.members.m', 'm');
export const REMOVE = firstNonZero(field(boolean, 'group.members.remove group.members.delete group.delete', 'delete'));
/** groupset and groupadd have no delete in the flat style. */
export const REMOVE_IN_SETTINGS = { ...REMOVE, flat: [] };
export const MEMBER_PERMISSIONS = {
  send: field(boolean, 'group.members.permissions.send', 'cs'),
  recv: field(boolean, 'group.members.permissions.recv', 'cr'),
  pub: field(boolean, 'group.members.permissions.pub', 'canpub'),
  sub: field(boolean, 'group.members.permissions.sub', 'cansub'),
  list: field(boolean, 'group.members.permissions.list', 'canlist'),
};

/** The names of the rights on the wire. */
export const WIRE_RIGHTS: Readonly<Record<Right, string>> = {
  owner: 'owner',
  admin: 'admin',
  modify: 'modify',
  remove: 'remove',
  addUser: 'adduser',
  removeUser: 'remuser',
  addAdmin: 'addadmin',
  removeAdmin: 'remadmin',
  removeOwner: 'remowner',
};
export const ADMIN = Object.fromEntries(
  Object.entries(WIRE_RIGHTS).map(([right, name]) => [right, field(boolean, `group.members.admin.${name}`)]),
) as Record<Right, Field<boolean>>;

export const COUNT = field(integer, 'count', 'count');
export const AFTER = field(text, 'after', 'after');

export const USER = {
  address: field(text, 'user.address', 'address addr'),
  expiry: field(integer, 'user.token.expiry', 'expiry'),
  active: field(boolean, 'user.active', 'active'),
  remove: field(boolean, 'user.token.remove', 'remove'),
};

/** null, "" and, since PHP writes an empty object so, []. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** The value at a dotted place; undefined where nothing is on the way. */
function at(json: object | undefined, place: string): unknown {
  let value: unknown = json;
  for (const name of place.split('.')) {
    if (isEmpty(value)) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) unreadable();
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Of the values in a field's places the one that counts; undefined where all are empty. */
function pick<T>(values: readonly unknown[], { read, firstNonZero }: Field<T>): T | undefined {
  let first: T | undefined;
  for (const given of values) {
    if (isEmpty(given)) continue;
    const value = read(given);
    if (value || !firstNonZero) return value;
    first ??= value;
  }
  return first;
}

/** What the body says, else what the query says. `flat`: it stood in a form or in the query. */
export function find<T>(wire: Wire, wanted: Field<T>): { value: T; flat: boolean } | undefined {
  const { json, flat } = wanted;
  const inJson = json.map((place) => at(wire.json, place));
  const given = pick(inJson, wanted);
  if (given !== undefined) return { value: given, flat: false };
  for (const parameters of [wire.form, wire.query]) {
    const inFlat = flat.map((name) => parameters?.get(name));
    const value = pick(inFlat, wanted);
    if (value !== undefined) return { value, flat: true };
  }
  return undefined;
}

export function readField<T>(wire: Wire, wanted: Field<T>): T | undefined {
  return find(wire, wanted)?.value;
}

type Table = Readonly<Record<string, Field<unknown>>>;
type Values<T extends Table> = { [K in keyof T]?: T[K] extends Field<infer V> ? V : never };

/** The values of a table's fields that the request gives. */
export function readFields<T extends Table>(wire: Wire, table: T): Values<T> {
  const values: Record<string, unknown> = {};
  for (const [name, wanted] of Object.entries(table)) {
    const value = readField(wire, wanted);
    if (value !== undefined) values[name] = value;
  }
  return values as Values<T>;
}
