import { RESOLUTIONS } from '../model/call-settings.ts';
import { levelsOf } from '../model/flags.ts';
import type { Group } from '../model/group.ts';
import type { Member } from '../model/member.ts';
import { permissionsOf } from '../model/member-permissions.ts';
import { RIGHT_NAMES, rightsOf } from '../model/rights.ts';
import { WIRE_RIGHTS } from './fields.ts';

const unixSeconds = (time: Date) => Math.floor(time.getTime() / 1000);

/** A group in the shape of a request: sent back with groupset it changes nothing. */
export function groupOnWire({ gid, name, flags, active, startsAt, expiresAt, extension, call }: Group): object {
  return {
    gid,
    name: name ?? '',
    flags,
    active,
    type: 0,
    validity: { startsat: unixSeconds(startsAt), expiresat: unixSeconds(expiresAt), expiryext: extension ?? 0 },
    permissions: levelsOf(flags),
    call: { flags: call.flags, resolution: RESOLUTIONS[call.resolution], maxdur: call.maxDuration ?? 0, default: false },
  };
}

/** A member in the shape of a request. Its permission bits are stored as the wire has them. */
export function memberOnWire({ address, permissions, rights }: Member): object {
  const has = rightsOf(rights);
  return {
    address,
    flags: permissions,
    permissions: permissionsOf(permissions),
    admin: Object.fromEntries(RIGHT_NAMES.map((right) => [WIRE_RIGHTS[right], has[right]])),
  };
}
