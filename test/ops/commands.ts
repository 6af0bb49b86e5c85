/** Generated changes of groups, and how each is said on the op endpoint and in GraphQL. */
import fc from 'fast-check';
import type { Flat, Json } from './setup.ts';

export const ACTIONS = ['send', 'recv', 'pub', 'sub', 'list'] as const;
const DAY = 24 * 3600;
const NAMES = ['ann', 'bob', 'cem', 'dan', 'Zoë', '😀 eve'];
/** Rights on the wire, and in GraphQL. */
const RIGHTS: Record<string, string> = {
  ...{ owner: 'owner', admin: 'admin', modify: 'modify', remove: 'remove', adduser: 'addUser', remuser: 'removeUser' },
  ...{ addadmin: 'addAdmin', remadmin: 'removeAdmin', remowner: 'removeOwner' },
};
/** What makes an owner an admin. */
const TO_ADMIN: Record<string, boolean> = { owner: false, admin: true };
const RESOLUTIONS = { 0: 'DEFAULT', 1: 'QVGA', 2: 'VGA', 3: 'HD', 4: 'FHD', 5: 'UHD_4K', 8: 'QQVGA', 9: 'P180', 10: 'NHD' };

type Levels = Partial<Record<(typeof ACTIONS)[number], 0 | 1 | 2>>;
type Permissions = Partial<Record<(typeof ACTIONS)[number], boolean>>;

interface Settings {
  name?: string;
  active?: boolean;
  flags?: number;
  levels?: Levels;
  /** In days, so that two runs that are minutes apart compare. */
  validity?: { start?: number; duration?: number; expiryext?: number };
  call?: { flags?: number; resolution?: keyof typeof RESOLUTIONS; maxdur?: number; default?: boolean };
}

interface Members {
  addresses: string[];
  permissions?: Permissions;
  admin?: Record<string, boolean>;
}

/** `group` counts the groups that were made. */
export type Command =
  | { op: 'groupadd'; settings: Settings; members?: Members }
  | { op: 'groupset'; group: number; type: number; settings: Settings; members?: Members; remove?: string[] }
  | { op: 'replace'; group: number; type: number; settings: Settings; members: Members }
  | { op: 'groupeditmembers'; group: number; type: number; members?: Members; remove?: string[] }
  | { op: 'groupdel'; group: number };

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const partial = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
const of = <T>(keys: readonly string[], value: fc.Arbitrary<T>) =>
  fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] }) as fc.Arbitrary<Record<string, T>>;

const addresses = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 });
const level = fc.constantFrom(0 as const, 1 as const, 2 as const);
const settings: fc.Arbitrary<Settings> = partial({
  name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((name) => !name.includes('\0')),
  active: fc.boolean(),
  flags: fc.integer({ min: 0, max: 0xfffff }),
  levels: of(ACTIONS, level),
  validity: partial({
    start: fc.integer({ min: 0, max: 3 }),
    duration: fc.integer({ min: 0, max: 400 }),
    expiryext: fc.constantFrom(0, 30, 60),
  }),
  call: partial({
    flags: fc.integer({ min: 0, max: 0xffff }),
    resolution: fc.constantFrom(...(Object.keys(RESOLUTIONS).map(Number) as (keyof typeof RESOLUTIONS)[])),
    maxdur: fc.constantFrom(0, 60, 3600),
    default: fc.boolean(),
  }),
});
const members: fc.Arbitrary<Members> = fc.record({
  addresses,
  permissions: some(of(ACTIONS, fc.boolean())),
  admin: some(fc.oneof({ weight: 4, arbitrary: of(Object.keys(RIGHTS), fc.boolean()) }, fc.constant(TO_ADMIN))),
});
const group = fc.constantFrom(0, 0, 0, 0, 0, 1, 1, 1, 2, 9);
const type = fc.constantFrom(0, 0, 0, 5, 7);

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('groupadd' as const), settings, members: some(members) }) },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('groupset' as const), group, type, settings, members: some(members) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('groupset' as const), group, type, settings, remove: addresses }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('replace' as const), group, type, settings, members }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('groupeditmembers' as const), group, type, members }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('groupeditmembers' as const), group, type, remove: addresses }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('groupdel' as const), group }) },
);

/** What a sequence begins with: two groups, one with members. */
export const BEGINNING: readonly Command[] = [
  { op: 'groupadd', settings: { name: 'First' }, members: { addresses: NAMES.slice(0, 4) } },
  { op: 'groupadd', settings: {} },
];

/** After the beginning: one of each refusal. */
export const REFUSED: Command[] = [
  { op: 'groupeditmembers', group: 1, type: 0, members: { addresses: ['ann'], admin: { owner: true } } },
  { op: 'groupset', group: 1, type: 0, settings: { name: 'N' }, members: { addresses: ['ann'], admin: { modify: false } } },
  { op: 'groupset', group: 1, type: 7, settings: { name: 'N' }, members: { addresses: ['ann', 'bob'] } },
  { op: 'groupset', group: 9, type: 0, settings: { name: 'N' } },
];

/** A command as JSON; `replace` as a form, where alone it can be said. */
export function onWire(given: Command, gid: number): { json: Json } | { form: Flat } {
  if (given.op === 'groupdel') return { json: { op: given.op, group: { gid } } };
  if (given.op === 'replace') return { form: formOf(given, gid) };
  const { op } = given;
  const type = op === 'groupadd' ? undefined : given.type;
  const remove = op === 'groupadd' ? undefined : given.remove;
  const list = remove ? { m: remove.join(), remove: true } : given.members && membersOf(given.members);
  return {
    json: { op, group: { ...(op === 'groupeditmembers' ? {} : settingsOf(given.settings)), gid, type, members: list } },
  };
}

const membersOf = ({ addresses: m, ...more }: Members) => ({ m: m.join(), ...more });

function settingsOf({ levels, validity = {}, ...rest }: Settings): Json {
  const { start, duration, expiryext } = validity;
  const inSeconds = { start: seconds(start), duration: seconds(duration), expiryext };
  return { ...rest, permissions: levels, validity: inSeconds };
}

const seconds = (days: number | undefined) => (days === undefined ? undefined : days * DAY);

function formOf(
  { group: _, type, settings: { name, active, flags, validity, call }, members: list }: Command & { op: 'replace' },
  gid: number,
) {
  const { send, recv, pub, sub, list: canlist } = list.permissions ?? {};
  const all: Record<string, unknown> = {
    ...{
      op: 'groupset',
      gid,
      type,
      name,
      active,
      flag: flags,
      start: seconds(validity?.start),
      expiry: seconds(validity?.duration),
      expiryext: validity?.expiryext,
    },
    ...{ m: list.addresses.join(), cs: send, cr: recv, canpub: pub, cansub: sub, canlist },
    sflags: call?.resolution === undefined ? undefined : call.resolution * 2 ** 24 + (call.flags ?? 0),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Flat;
}

/** What a form leaves out of the settings. */
export function asForm({ name, active, flags, validity, call }: Settings): Settings {
  return {
    ...{ name, active, flags },
    validity,
    call: call?.resolution === undefined ? undefined : { resolution: call.resolution, flags: call.flags ?? 0 },
  };
}

/** The settings of GroupAddInput and GroupSetInput. */
export function settingsInput({ name, active, flags, levels, validity, call }: Settings, messageType: number): Json {
  const own = flags === undefined ? undefined : legal(flags);
  const wanted: Levels = messageType > 0 ? { ...(own === undefined ? {} : pairs(own)), ...levels } : { ...levels };
  if (messageType > 0) for (const action of ['pub', 'sub', 'list'] as const) delete wanted[action];
  const { start, duration, expiryext } = validity ?? {};
  return {
    ...{ name, active, flags: messageType > 0 ? undefined : own },
    permissions: Object.keys(wanted).length > 0 ? audiences(wanted) : undefined,
    validity: { start: seconds(start), duration: seconds(duration), extension: expiryext },
    callSettings: call?.default ? { default: true } : call && callInput(call),
  };
}

const callInput = ({ flags, resolution, maxdur }: NonNullable<Settings['call']>) => ({
  flags,
  resolution: resolution === undefined ? undefined : RESOLUTIONS[resolution],
  maxDuration: maxdur,
});

/** MembersInput. */
export function membersInput({ addresses: list, permissions, admin = {} }: Members, messageType: number): Json {
  const { send, recv } = permissions ?? {};
  if (messageType > 0) return { addresses: list, permissions: { send, recv } };
  const toAdmin = admin['owner'] === false && admin['admin'] && Object.keys(admin).length === 2;
  const role = !toAdmin && (admin['owner'] || admin['admin']);
  const rights = Object.entries(admin).filter(([, value]) => value || !role);
  return { addresses: list, permissions, admin: Object.fromEntries(rights.map(([right, value]) => [RIGHTS[right], value])) };
}

const SHIFTS = { send: 0, recv: 4, pub: 8, sub: 12, list: 16 };

/** By hand from the table of flags: unknown bits go, and the narrower of two. */
function legal(flags: number): number {
  let bits = flags & 0x733fb;
  for (const shift of Object.values(SHIFTS)) if (((bits >> shift) & 3) === 3) bits &= ~(1 << shift);
  return bits;
}

const pairs = (flags: number): Levels =>
  Object.fromEntries(Object.entries(SHIFTS).map(([action, shift]) => [action, (flags >> shift) & 3]));

function audiences(levels: Levels): Json {
  const name = (action: string, value: number) =>
    value === 2 && action === 'recv' ? 'ROUND_ROBIN' : ['MEMBERS', 'SELECTED', 'ANYONE'][value];
  return Object.fromEntries(Object.entries(levels).map(([action, value]) => [action, name(action, value)]));
}
