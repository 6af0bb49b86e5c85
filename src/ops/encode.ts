import type { User } from '../access/users.ts';
import { RESOLUTIONS } from '../model/call-settings.ts';
import { levelsOf } from '../model/flags.ts';
import type { Group } from '../model/group.ts';
import type { Member } from '../model/member.ts';
import { permissionsOf } from '../model/member-permissions.ts';
import { PLAIN_NAMES, PLAIN_SETTINGS, type PlainSetting, type PlainSettings } from '../model/plain-settings.ts';
import { RIGHT_NAMES, rightsOf } from '../model/rights.ts';
import { WIRE_RIGHTS } from './fields.ts';

/** What no value is on the wire, where an empty parameter is as if it were not given. */
const EMPTY = { String: '', Boolean: null, Int: null };
const unixSeconds = (time: Date) => Math.floor(time.getTime() / 1000);

/** A group in the shape of a request: sent back with groupset it changes nothing. */
export function groupOnWire(group: Group): object {
  const { gid, flags, startsAt, expiresAt, extension, call } = group;
  return {
    gid,
    ...plainSettingsOnWire(group),
    flags,
    type: 0,
    validity: { startsat: unixSeconds(startsAt), expiresat: unixSeconds(expiresAt), expiryext: extension ?? 0 },
    permissions: levelsOf(flags),
    call: { flags: call.flags, resolution: RESOLUTIONS[call.resolution], maxdur: call.maxDuration ?? 0, default: false },
  };
}

/** An absent one is the empty value of its type, which means the same in a request. */
function plainSettingsOnWire(settings: PlainSettings): object {
  const entries = PLAIN_NAMES.flatMap((name) => {
    const { op, type } = PLAIN_SETTINGS[name] as PlainSetting;
    return op === undefined ? [] : [[op, settings[name] ?? EMPTY[type]]];
  });
  return Object.fromEntries(entries);
}

/** What a user is without its tokens. */
export function userOnWire({ uid, address, active }: User): object {
  return { uid, address, active };
}

/** A member in the shape of a request; a uid of 0: it has none. Its permission bits are stored as the wire has them. */
export function memberOnWire({ address, permissions, rights }: Member, uid: number): object {
  const has = rightsOf(rights);
  return {
    uid,
    address,
    flags: permissions,
    permissions: permissionsOf(permissions),
    admin: Object.fromEntries(RIGHT_NAMES.map((right) => [WIRE_RIGHTS[right], has[right]])),
  };
}
