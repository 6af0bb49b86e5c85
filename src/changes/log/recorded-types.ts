import { LRUCache } from 'lru-cache';
import { type Sql, statement } from '../../db/sql.ts';
import { bool, int4, int8, int8Array, json, nullable } from '../../db/types.ts';
import type { GroupSettings, TypeLevels } from '../../model/group.ts';
import { CHANGE_KINDS, type ChangedSet, type RecordedSettings, type RecordedType } from './records.ts';

/** The sets of a group with no more message types are all in its records: they take little. */
export const FEW_TYPES = 16;
/** Of so many records in which sets changed at least one has all sets, so that none is far from those. */
const WHOLE_EVERY = 64;
/** How many versions are asked for in one statement: each may read `WHOLE_EVERY` records. */
export const VERSIONS_A_STATEMENT = 20;

const WITH_SETS = `c.kind = ${CHANGE_KINDS.GROUP_UPDATED} and c.data ? 'sets'`;

const WHOLE_DUE = statement({
  name: 'recorded_types_due',
  parameters: [int4, int8],
  columns: { due: bool },
  text: `select count(*) = ${WHOLE_EVERY - 1} and not coalesce(bool_or(r.whole), false) as due from (
      select c.data->'settings' ? 'types' as whole from changes c where c.app_id = $1 and c.gid = $2 and ${WITH_SETS}
      order by c.version desc limit ${WHOLE_EVERY - 1}) r`,
});
// Each row is of one moment: what was recorded later, and what is so now.
const LATER = statement({
  name: 'recorded_types_later',
  parameters: [int4, int8Array, int8Array],
  columns: {
    later: nullable(json<[sets: ChangedSet[], types: RecordedType[] | null][]>()),
    now: nullable(json<RecordedType[]>()),
  },
  text: `select (select json_agg(json_build_array(r.sets, r.types) order by r.version) from (
        select c.version, c.data->'sets' as sets, c.data->'settings'->'types' as types from changes c
        where c.app_id = $1 and c.gid = k.gid and c.version > k.version and ${WITH_SETS}
        order by c.version limit ${WHOLE_EVERY}) r) as later,
      (select json_agg(json_build_array(t.message_type, t.send, t.recv) order by t.message_type)
        from group_types t where t.app_id = $1 and t.gid = k.gid) as now
    from unnest($2::bigint[], $3::bigint[]) with ordinality k(gid, version, place) order by k.place`,
});

const recordedType = (type: number, { send, recv }: TypeLevels): RecordedType => [type, send, recv];

/** The sets that differ, as a record has them. */
export function changedSets(before: GroupSettings['types'], after: GroupSettings['types']): ChangedSet[] {
  const levels = (set: TypeLevels | undefined): ChangedSet[1] => (set ? [set.send, set.recv] : null);
  const differs = (a: TypeLevels | undefined, b: TypeLevels | undefined) => a?.send !== b?.send || a?.recv !== b?.recv;
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort((a, b) => a - b)
    .filter((type) => differs(before.get(type), after.get(type)))
    .map((type) => [type, levels(after.get(type)), levels(before.get(type))]);
}

/**
 * What a record of changed settings has of the sets of message types, in the writer's transaction: all of them where they are
 * few, or where the last records had not; else only those that changed.
 */
export async function recordedTypes(
  sql: Sql,
  group: { appId: number; gid: number },
  before: GroupSettings['types'],
  after: GroupSettings['types'],
): Promise<{ sets?: ChangedSet[]; types?: RecordedType[] }> {
  const sets = changedSets(before, after);
  const changed = sets.length > 0 ? { sets } : {};
  const all = () => ({ ...changed, types: [...after].map(([type, levels]) => recordedType(type, levels)) });
  if (after.size <= FEW_TYPES) return all();
  if (sets.length === 0) return {};
  const [whole] = await sql.query(WHOLE_DUE, [group.appId, group.gid]);
  return whole?.due ? all() : changed;
}

/** The sets as they were before later records, of which the first that has all of them is the last that counts. */
export function undone(now: readonly RecordedType[], later: readonly [ChangedSet[], RecordedType[] | null][]): RecordedType[] {
  const whole = later.findIndex(([, types]) => types !== null);
  const known = whole < 0 ? now : (later[whole]?.[1] ?? now);
  const types = new Map(known.map((type) => [type[0], type]));
  for (const [sets] of later.slice(0, whole < 0 ? undefined : whole + 1).reverse()) {
    for (const [type, , before] of sets) {
      if (before) types.set(type, [type, ...before]);
      else types.delete(type);
    }
  }
  return [...types.values()].sort(([a], [b]) => a - b);
}

/** A group's settings at a version. */
export interface VersionKey {
  gid: number;
  version: number;
}

/** The sets of message types that groups had at versions, whose records do not have them, in the order of the keys. */
export async function findTypesAt(sql: Sql, appId: number, keys: readonly VersionKey[]): Promise<RecordedType[][]> {
  const gids = keys.map(({ gid }) => gid);
  const versions = keys.map(({ version }) => version);
  const rows = await sql.query(LATER, [appId, gids, versions]);
  return rows.map(({ now, later }) => undone(now ?? [], later ?? []));
}

/** For the watchers of a record, who all get the same object; not for long, since records in a ring may be many. */
const shared = new LRUCache<RecordedSettings, Promise<readonly RecordedType[]>>({ max: 100, ttl: 1_000, ttlAutopurge: true });

/**
 * The sets of message types in the settings of a record.
 * @param find what reads them where the record does not have them
 */
export function typesIn(
  settings: RecordedSettings,
  find: (key: VersionKey) => Promise<readonly RecordedType[]>,
): readonly RecordedType[] | Promise<readonly RecordedType[]> {
  const { types, at } = settings;
  if (types) return types;
  if (!at || settings.typeCount === 0) return [];
  const known = shared.get(settings);
  if (known) return known;
  const found = find(at);
  shared.set(settings, found);
  found.catch(() => shared.delete(settings));
  return found;
}
