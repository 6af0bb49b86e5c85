import { PLAIN_NAMES, PLAIN_SETTINGS, type PlainName, type PlainSetting, type PlainSettings } from '../model/plain-settings.ts';
import type { Right } from '../model/rights.ts';
import { OpError, wrong } from './codes.ts';
import {
  address,
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
  Unreadable,
  unreadable,
} from './readers.ts';
import { type FlatValue, hasRawPlus, type Wire } from './wire.ts';

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
  start: firstNonZero(field(seconds, 'group.validity.start group.start', 'start')),
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
export const AFTER = field(address, 'after', 'after');

export const USER = {
  address: field(address, 'user.address', 'address addr'),
  uid: field(integer, 'user.uid', 'uid'),
  expiry: field(integer, 'user.token.expiry', 'expiry'),
  active: field(boolean, 'user.active', 'active'),
  remove: field(boolean, 'user.token.remove', 'remove'),
};
/** Which users are listed. */
export const WANTED = field(address, 'address addr user.address', 'address addr');

/** null, "" and, since PHP writes an empty object so, []. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

/** The value at a dotted place; undefined where nothing is on the way. */
function at(json: object | undefined, place: string): unknown {
  let value: unknown = json;
  const names = place.split('.');
  for (const [index, name] of names.entries()) {
    if (isEmpty(value)) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw new OpError('BADPARA', wrong(names.slice(0, index).join('.'), 'must be an object'));
    }
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Of the values in a field's places the one that counts; undefined where all are empty. */
function pick<T>(
  places: readonly string[],
  valueAt: (place: string) => unknown,
  read: Reader<T>,
  firstNonZero: boolean | undefined,
): T | undefined {
  let first: T | undefined;
  const values = places.map((place) => [place, valueAt(place)] as const);
  for (const [place, given] of values) {
    if (isEmpty(given)) continue;
    const value = readAt(place, given, read);
    if (value || !firstNonZero) return value;
    first ??= value;
  }
  return first;
}

/** @throws OpError that names the parameter */
function readAt<T>(place: string, given: unknown, read: Reader<T>): T {
  try {
    return read(given);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new OpError(error.code, wrong(place, error.message));
  }
}

const ADDRESS_READERS: readonly Reader<unknown>[] = [address, addresses];
const TEXT_READERS: readonly Reader<unknown>[] = [text, ...ADDRESS_READERS];
const RAW_PLUS = 'a + in a URL or a form stands for a blank, which is hardly meant here; encode a plus as %2B and a blank as %20';

/** The same of the values that a form or the query has under a name. */
const flatReader =
  <T>(read: Reader<T>): Reader<T> =>
  (given) => {
    const [{ text: value, raw }, ...others] = given as [FlatValue, ...FlatValue[]];
    if (others.length > 0) unreadable('is given twice');
    if (ADDRESS_READERS.includes(read) && hasRawPlus(raw)) unreadable(RAW_PLUS);
    return read(value);
  };

/** JavaScript makes this word of a value that is not there: for numbers and booleans it is none. */
const isUndefined = (read: Reader<unknown>, values: readonly FlatValue[] | undefined) =>
  !TEXT_READERS.includes(read) && values?.every(({ text: value }) => value === 'undefined');

/** What the body says, else what the query says. `flat`: it stood in a form or in the query. */
export function find<T>(wire: Wire, wanted: Field<T>): { value: T; flat: boolean } | undefined {
  const { json, flat, read, firstNonZero } = wanted;
  const given = pick(json, (place) => at(wire.json, place), read, firstNonZero);
  if (given !== undefined) return { value: given, flat: false };
  for (const parameters of [wire.form, wire.query]) {
    const valuesOf = (name: string) => {
      const values = parameters?.get(name);
      return isUndefined(read, values) ? undefined : values;
    };
    const value = pick(flat, valuesOf, flatReader(read), firstNonZero);
    if (value !== undefined) return { value, flat: true };
  }
  return undefined;
}

/** What a field is called in the style of a request. */
export function nameOf({ json: body }: Wire, { json, flat }: Field<unknown>): string {
  const [ours, other] = body ? [json, flat] : [flat, json];
  return ours[0] ?? other[0] ?? '';
}

/** Where the domain says what is wrong, by the path within an input without the places in its lists. */
const PATHS: Readonly<Record<string, Field<unknown>>> = {
  ...SETTINGS,
  flags: FLAGS,
  messageType: TYPE,
  gid: GID,
  address: USER.address,
  minutes: USER.expiry,
  after: AFTER,
  remove: ADDRESSES,
  'filter.address': WANTED,
  'filter.addressStartsWith': WANTED,
  ...below('permissions', LEVELS),
  ...below('validity', VALIDITY),
  ...below('callSettings', CALL),
  ...Object.fromEntries(
    ['members', 'add'].flatMap((list) => [
      [list, ADDRESSES],
      [`${list}.addresses`, ADDRESSES],
      ...Object.entries(below(`${list}.permissions`, MEMBER_PERMISSIONS)),
      ...Object.entries(below(`${list}.admin`, ADMIN)),
    ]),
  ),
};

function below(path: string, fields: Readonly<Record<string, Field<unknown>>>): Record<string, Field<unknown>> {
  return Object.fromEntries(Object.entries(fields).map(([name, wanted]) => [`${path}.${name}`, wanted]));
}

/** The parameter that the path of an issue stands for. */
export function parameterAt(wire: Wire | undefined, path: readonly string[]): string {
  const names = path.filter((name, index) => !/^\d+$/.test(name) && !(index === 0 && name === 'input')).join('.');
  const wanted = PATHS[names];
  return wanted ? nameOf(wire ?? { query: new Map() }, wanted) : names;
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
