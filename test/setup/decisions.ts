/** Generated groups, and what the pure module decides about them. */
import fc from 'fast-check';
import type { Viewer } from '../../src/access/viewer.ts';
import type { Database } from '../../src/db/client.ts';
import { type Decision, decide, type Question } from '../../src/model/decision.ts';
import { ACTIONS, type ActionName, type Level, type Levels, withLevels } from '../../src/model/flags.ts';
import { sql } from './database.ts';

export const TYPES = [7, 9, 2 ** 31 - 1];

export interface MemberModel {
  permissions: number;
  /** By message type, send 1 and recv 2; absent: none. */
  entries: Record<number, number>;
}

export interface GroupModel {
  levels: Levels;
  active: boolean;
  /** Seconds from now. */
  startsIn: number;
  expiresIn: number;
  types: Record<number, { send: Level; recv: Level }>;
  members: Record<string, MemberModel>;
}

const level = fc.constantFrom<Level[]>(0, 1, 2);
// Names that sort differently by code point than by language or by UTF-16.
const ADDRESSES = ['Zoe', 'adam', 'Ädam', 'bea', 'b ea', 'zoe', 'é', 'ﬁ', '𝒂', '😀', '~', '0', ...'cdefghijklmno'];
const HOUR = 3600;

const memberArbitrary = fc.record({
  permissions: fc.integer({ min: 0, max: 31 }),
  entries: fc.dictionary(fc.constantFrom(...TYPES.map(String)), fc.integer({ min: 0, max: 3 }), { maxKeys: TYPES.length }),
});

export const groupArbitrary: fc.Arbitrary<GroupModel> = fc.record({
  levels: fc.record({ send: level, recv: level, pub: level, sub: level, list: level }),
  active: fc.integer({ min: 0, max: 9 }).map((number) => number > 0),
  startsIn: fc.constantFrom(-HOUR, -HOUR, -HOUR, -HOUR, -HOUR, -HOUR, HOUR),
  expiresIn: fc.constantFrom(2 * HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, -HOUR),
  types: fc.dictionary(fc.constantFrom(...TYPES.map(String)), fc.record({ send: level, recv: level }), { maxKeys: TYPES.length }),
  members: fc.dictionary(fc.constantFrom(...ADDRESSES), memberArbitrary, { minKeys: 8, maxKeys: ADDRESSES.length }),
});

/** Creates the groups, in a few statements, and returns their gids in order. */
export async function makeGroups(db: Database, viewer: Viewer, models: readonly GroupModel[]): Promise<number[]> {
  const { appId } = viewer;
  const groups = await sql<{ gid: number }>(
    db,
    `insert into groups (app_id, flags, active, starts_at, expires_at, xid, generation, created_at, updated_at)
      select $1, flags, active, now() + least(starts, expires) * interval '1 second', now() + expires * interval '1 second',
        1, 1, now(), now()
      from unnest($2::int[], $3::bool[], $4::int[], $5::int[]) g(flags, active, starts, expires) returning gid`,
    [
      appId,
      models.map(({ levels }) => withLevels(0, levels)),
      models.map(({ active }) => active),
      models.map(({ startsIn }) => startsIn),
      models.map(({ expiresIn }) => expiresIn),
    ],
  );
  const gids = groups.map(({ gid }) => gid).toSorted((a, b) => a - b);
  const rows = <Row extends unknown[]>(of: (model: GroupModel, gid: number) => Row[]) =>
    models.flatMap((model, index) => of(model, gids[index] as number));
  const insert = (text: string, values: unknown[][]) =>
    sql(db, text, [appId, ...(values[0] ?? []).map((_, column) => values.map((row) => row[column]))]);
  await insert(
    'insert into group_types (app_id, gid, message_type, send, recv) select $1, t.* from unnest($2::bigint[], $3::int[], $4::int[], $5::int[]) t',
    rows(({ types }, gid) => Object.entries(types).map(([type, { send, recv }]) => [gid, Number(type), send, recv])),
  );
  await insert(
    `insert into members (app_id, gid, address, permissions, join_number, joined_version, xid, generation, joined_at, updated_at)
      select $1, m.*, 1, 1, 1, now(), now() from unnest($2::bigint[], $3::text[], $4::int[], $5::int[]) m`,
    rows(({ members }, gid) =>
      Object.entries(members).map(([address, { permissions }], index) => [gid, address, permissions, index + 1]),
    ),
  );
  await insert(
    'insert into member_types (app_id, gid, address, message_type, permissions) select $1, t.* from unnest($2::bigint[], $3::text[], $4::int[], $5::int[]) t',
    rows(({ members }, gid) =>
      Object.entries(members).flatMap(([address, { entries }]) =>
        Object.entries(entries).map(([type, bits]) => [gid, address, Number(type), bits]),
      ),
    ),
  );
  return gids;
}

/** The decision of the pure module. */
export function decided(model: GroupModel, address: string, action: ActionName, messageType: number): Decision {
  const now = new Date();
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const { levels, active, startsIn, expiresIn, types, members } = model;
  const member = members[address];
  const group: Question['group'] = { active, flags: withLevels(0, levels), startsAt: at(startsIn), expiresAt: at(expiresIn) };
  return decide({
    group,
    type: types[messageType],
    member: member && { permissions: member.permissions, entry: member.entries[messageType] },
    action,
    messageType,
    now,
  });
}

const byCodePoint = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The members that the pure module allows, by address. */
export function allowedIn(model: GroupModel, action: ActionName, messageType: number): string[] {
  const addresses = Object.keys(model.members).toSorted(byCodePoint);
  return addresses.filter((address) => decided(model, address, action, messageType).allowed);
}

/** Every action with every message type that a generated group may have, and one that none has. */
export const QUESTIONS = ACTIONS.flatMap((action) => [0, ...TYPES, 11].map((messageType) => ({ action, messageType })));
