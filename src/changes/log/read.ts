import { type Sql, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, int4, int8, nullable, nullableColumns, type RowOf } from '../../db/types.ts';
import { apps, changes } from '../../generated/tables.ts';
import { StreamEndError } from '../../model/errors.ts';
import { plainSettings } from '../../model/plain-settings.ts';
import type { CommitPosition } from './cursor.ts';
import { CHANGE_KINDS, type ChangeData, type ChangeKind, type RecordedSettings } from './records.ts';

/** A record of the log as it is stored. */
export type ChangeRecord = ChangeData & {
  gid: number;
  /** Its number in the group's log. */
  version: number;
  position: CommitPosition;
  at: Date;
  /** An address; null: the application, or the gateway itself. */
  actor: string | null;
  mark: number;
  /** The number of the group's members after it. */
  memberCount: number;
  /** About how many bytes it takes in memory. */
  size: number;
};

const HEAD = ['gid', 'version', 'id', 'generation', 'xid', 'kind', 'at', 'actor', 'mark', 'memberCount'] as const;
const WHOLE = pick(changes, 't', [...HEAD, 'data']);

/** Columns of `changes c`, for statements that select the data themselves. */
export const CHANGE_HEAD_LIST = pick(changes, 'c', HEAD).list;
/** A record's columns, with its size. */
export const CHANGE_COLUMNS = { ...WHOLE.columns, size: int4 };
export type ChangeRow = RowOf<typeof CHANGE_COLUMNS>;

const KINDS = new Map<number, ChangeKind>(Object.entries(CHANGE_KINDS).map(([kind, number]) => [number, kind as ChangeKind]));

export function recordOf(row: ChangeRow): ChangeRecord {
  const { generation, xid, id, kind, data, ...rest } = WHOLE.decode(row);
  const position = { generation, xid, id };
  return { ...withAllSettings(data, row), ...rest, position, kind: KINDS.get(kind), size: row.size } as ChangeRecord;
}

/** A record from before a setting existed gets that setting's initial value. */
function withAllSettings(data: { settings?: RecordedSettings }, { gid, version }: { gid: number; version: number }): object {
  if (!data.settings) return data;
  const { types, typeCount = types?.length ?? 0 } = data.settings;
  const at = types ? undefined : { gid, version };
  return { ...data, settings: { ...data.settings, ...plainSettings(data.settings), typeCount, at } };
}

/** How much one reader takes at a time: while it is stalled it holds no more in memory. */
export const READER_BYTES = 64 * 1024;
export const READER_RECORDS = 100;

const LIST = `${WHOLE.list}, t.size`;
// What a parsed record takes in memory, as measured: its text, plus the cost of arrays and strings. The stored size is no
// measure, since it is compressed.
const SIZE = `500 + octet_length(c.data::text) + coalesce(100 * jsonb_array_length(c.data->'members'),
  30 * jsonb_array_length(c.data->'addresses'), 0)`;

/**
 * Consecutive records up to the bytes, at least one. They are read one at a time, since a record must be unpacked before its
 * size is known.
 */
const taken = (first: string, next: string, records: string, bytes: string) => `with recursive taken as (
    select n.*, n.size::bigint as bytes, 1 as records from (${first}) n
    union all
    select n.*, t.bytes + n.size, t.records + 1 from taken t cross join lateral (${next}) n
      where t.bytes < ${bytes} and t.records < ${records})`;

const afterVersion = (version: string) => `select c.*, ${SIZE} as size from changes c
  where app_id = $1 and gid = $2 and version > ${version} order by version limit 1`;
const AFTER_VERSION = statement({
  name: 'changes_after_version',
  parameters: [int4, int8, int4, int4, int8],
  columns: { ...CHANGE_COLUMNS, before: nullable(int8) },
  text: `${taken(afterVersion('$3'), afterVersion('t.version'), '$4', '$5')}
    select ${LIST}, (select c.mark from changes c where c.app_id = $1 and c.gid = $2 and c.version = $3) as before
    from taken t order by t.version`,
});

/**
 * A group's records after a version, in order, some at a time.
 * @param after `mark` is the mark of the record with this version; undefined: not known
 * @throws StreamEndError BAD_CURSOR when that record has another mark: the log has another history
 */
export async function readGroupLog(
  sql: Sql,
  group: { appId: number; gid: number },
  after: { version: number; mark?: number },
  bytes = READER_BYTES,
  records = READER_RECORDS,
): Promise<ChangeRecord[]> {
  const rows = await sql.query(AFTER_VERSION, [group.appId, group.gid, after.version, records, bytes]);
  const before = rows[0]?.before ?? after.mark;
  if (after.mark !== undefined && before !== after.mark) throw new StreamEndError('BAD_CURSOR');
  return rows.map(recordOf);
}

// Records below xmin are settled: no open transaction can still write one before them. One statement, so that the records and
// xmin are of one moment.
// Records of an earlier generation come from another server, and are all settled.
export const SETTLED = `(c.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
  or c.generation < (select s.generation from gateway_state s))`;

/** A position with the mark of its record; 0: before all records, or the position that the log was pruned to. */
export interface MarkedPosition extends CommitPosition {
  mark: number;
}

/** The position after a record. */
export const positionOf = ({ position, mark }: ChangeRecord): MarkedPosition => ({ ...position, mark });

export const BEFORE_ALL: MarkedPosition = { generation: 0, xid: 0, id: 0, mark: 0 };

const PRUNED = pick(apps, 'a', ['prunedGeneration', 'prunedXid', 'prunedId']);
/** The position that an app's log was pruned to, and the mark of the record at a given position; null: there is none. */
const PLACE_COLUMNS = { ...PRUNED.columns, place_mark: nullable(int8) };
const PLACE = `${PRUNED.list},
  (select c.mark from changes c where c.app_id = $1 and c.generation = $2 and c.xid = $3 and c.id = $4) as place_mark`;
const CHECK = statement({
  name: 'changes_check_position',
  parameters: [int4, int4, int8, int8],
  columns: PLACE_COLUMNS,
  text: `select ${PLACE} from apps a where a.id = $1`,
});

function checkPlace(position: MarkedPosition, place: RowOf<typeof PLACE_COLUMNS> | undefined): void {
  if (!place) throw new StreamEndError('BAD_CURSOR');
  if (place.place_mark !== null) {
    if (place.place_mark !== position.mark) throw new StreamEndError('BAD_CURSOR');
    return;
  }
  const { prunedGeneration, prunedXid, prunedId } = PRUNED.decode(place);
  const pruned = { generation: prunedGeneration, xid: prunedXid, id: prunedId };
  if (isAfter(pruned, position)) throw new StreamEndError('CURSOR_EXPIRED');
  // At the position that the log was pruned to, the mark was deleted with the record.
  if (isAfter(position, pruned)) throw new StreamEndError('BAD_CURSOR');
}

/**
 * Checks that a position is one of the app's log, or the one that the log was pruned to.
 * @throws StreamEndError BAD_CURSOR, CURSOR_EXPIRED
 */
export async function checkAppPosition(sql: Sql, appId: number, position: MarkedPosition): Promise<void> {
  const [place] = await sql.query(CHECK, [appId, position.generation, position.xid, position.id]);
  checkPlace(position, place);
}

const afterPosition = (position: string) => `select c.*, ${SIZE} as size from changes c
  where app_id = $1 and (generation, xid, id) > (${position}) and ${SETTLED} order by generation, xid, id limit 1`;
// If no record follows there is still one row, with the columns of the place only.
const FOUND_COLUMNS = { ...nullableColumns(CHANGE_COLUMNS), ...PLACE_COLUMNS };
const AFTER_POSITION = statement({
  name: 'changes_after_position',
  parameters: [int4, int4, int8, int8, int4, int8],
  columns: FOUND_COLUMNS,
  text: `${taken(afterPosition('$2, $3, $4'), afterPosition('t.generation, t.xid, t.id'), '$5', '$6')}
    select ${LIST}, ${PLACE} from apps a left join taken t on true where a.id = $1
    order by t.generation, t.xid, t.id`,
});
type FoundRow = RowOf<typeof FOUND_COLUMNS>;

/**
 * An app's settled records after a position, in the order of commits, some at a time.
 * @throws StreamEndError CURSOR_EXPIRED when records after it were pruned, BAD_CURSOR when the log has another history
 */
export async function readAppLog(
  sql: Sql,
  appId: number,
  position: MarkedPosition,
  bytes = READER_BYTES,
  records = READER_RECORDS,
): Promise<ChangeRecord[]> {
  const { generation, xid, id } = position;
  const rows = await sql.query(AFTER_POSITION, [appId, generation, xid, id, records, bytes]);
  checkPlace(position, rows[0]);
  return rows.filter((row): row is FoundRow & ChangeRow => row.gid !== null).map(recordOf);
}

// If every record was pruned, the log ends at the position that it was pruned to.
const POSITION = pick(changes, 'c', ['generation', 'xid', 'id', 'mark']);
const LAST_SETTLED = statement({
  name: 'changes_last_settled',
  parameters: [int4],
  columns: POSITION.columns,
  text: `(select ${POSITION.list} from changes c where c.app_id = $1 and ${SETTLED}
      order by c.generation desc, c.xid desc, c.id desc limit 1)
    union all select pruned_generation, pruned_xid, pruned_id, 0 from apps where id = $1
    order by generation desc, xid desc, id desc limit 1`,
});

/** The position of an app's last settled record. */
export async function lastSettled(sql: Sql, appId: number): Promise<MarkedPosition> {
  const [row] = await sql.query(LAST_SETTLED, [appId]);
  return row ?? BEFORE_ALL;
}

const UNSETTLED = statement({
  name: 'changes_unsettled',
  parameters: [int4, int4, int8, int8],
  columns: { found: bool },
  text: 'select exists (select from changes where app_id = $1 and (generation, xid, id) > ($2, $3, $4)) as found',
});

/** Whether there are records after a position that cannot be read in order yet. */
export async function hasUnsettled(sql: Sql, appId: number, { generation, xid, id }: CommitPosition): Promise<boolean> {
  const [row] = await sql.query(UNSETTLED, [appId, generation, xid, id]);
  return row?.found ?? false;
}

export function isAfter(a: CommitPosition, b: CommitPosition): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation;
  if (a.xid !== b.xid) return a.xid > b.xid;
  return a.id > b.id;
}
