import type { Sql } from '../db/sql.ts';
import type { CommitPosition } from './cursor.ts';
import { CHANGE_KINDS, type ChangeData, type ChangeKind } from './log.ts';

/** A record of the log as it is kept. */
export type ChangeRecord = ChangeData & {
  gid: number;
  /** Its number in the group's log. */
  version: number;
  position: CommitPosition;
  at: Date;
  /** An address; null: the application, or the gateway itself. */
  actor: string | null;
  mark: number;
  /** The group's members after it. */
  memberCount: number;
  /** About how many bytes it takes. */
  size: number;
};

/** A record as a statement gives it. */
export interface ChangeRow {
  gid: number;
  version: number;
  id: number;
  generation: number;
  xid: number;
  kind: number;
  at: Date;
  actor: string | null;
  mark: number;
  member_count: number;
  data: object;
  size: number;
}

const KINDS = new Map<number, ChangeKind>(Object.entries(CHANGE_KINDS).map(([kind, number]) => [number, kind as ChangeKind]));

export function recordOf({ kind, generation, xid, id, member_count, data, ...row }: ChangeRow): ChangeRecord {
  const position = { generation, xid, id };
  return { ...data, ...row, position, kind: KINDS.get(kind), memberCount: member_count } as unknown as ChangeRecord;
}

const COLUMNS = 'gid, version, id, generation, xid, kind, at, actor, mark, member_count, data, size';
const SOURCE = 'c.*, 200 + pg_column_size(c.data) as size';

/** How much one reader takes at a time: it holds no more while it is stalled. */
export const READER_BYTES = 64 * 1024;
const READER_RECORDS = 100;

// Whole records up to the bytes, at least one.
const AFTER_VERSION = {
  name: 'changes_after_version',
  text: `select ${COLUMNS} from (
      select ${SOURCE}, sum(pg_column_size(c.data)) over (order by c.version) - pg_column_size(c.data) as before
      from (select * from changes where app_id = $1 and gid = $2 and version > $3 order by version limit $4) c) r
    where before < $5 order by version`,
};

/** A group's records behind a version, in order, some at a time. */
export async function readGroupLog(
  sql: Sql,
  group: { appId: number; gid: number },
  version: number,
  bytes = READER_BYTES,
  records = READER_RECORDS,
): Promise<ChangeRecord[]> {
  return (await sql.query<ChangeRow>(AFTER_VERSION, [group.appId, group.gid, version, records, bytes])).map(recordOf);
}

// What is below xmin can get no neighbour any more: no transaction is open that could still write one. One statement, so
// that the records and xmin are of one moment.
// A generation before the present one is of another server's time, all of it settled.
const SETTLED = `(c.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
  or c.generation < (select s.generation from gateway_state s))`;
const AFTER_POSITION = {
  name: 'changes_after_position',
  text: `select ${COLUMNS} from (
      select ${SOURCE}, sum(pg_column_size(c.data)) over (order by c.generation, c.xid, c.id) - pg_column_size(c.data) as before
      from (select * from changes c where app_id = $1 and (generation, xid, id) > ($2, $3, $4) and ${SETTLED}
        order by generation, xid, id limit $5) c) r
    where before < $6 order by generation, xid, id`,
};

/** An app's settled records behind a position, in the order of commits, some at a time. */
export async function readAppLog(
  sql: Sql,
  appId: number,
  { generation, xid, id }: CommitPosition,
  bytes = READER_BYTES,
  records = READER_RECORDS,
): Promise<ChangeRecord[]> {
  return (await sql.query<ChangeRow>(AFTER_POSITION, [appId, generation, xid, id, records, bytes])).map(recordOf);
}

const LAST_SETTLED = {
  name: 'changes_last_settled',
  text: `select c.generation, c.xid, c.id, c.mark from changes c where c.app_id = $1 and ${SETTLED}
    order by c.generation desc, c.xid desc, c.id desc limit 1`,
};

/** A position with the mark of its record; 0: before all records. */
export interface MarkedPosition extends CommitPosition {
  mark: number;
}

export const BEFORE_ALL: MarkedPosition = { generation: 0, xid: 0, id: 0, mark: 0 };

/** The position of an app's last settled record. */
export async function lastSettled(sql: Sql, appId: number): Promise<MarkedPosition> {
  const [row] = await sql.query<MarkedPosition>(LAST_SETTLED, [appId]);
  return row ?? BEFORE_ALL;
}

const UNSETTLED = {
  name: 'changes_unsettled',
  text: 'select exists (select from changes where app_id = $1 and (generation, xid, id) > ($2, $3, $4)) as found',
};

/** Whether records lie behind a position that cannot be read in order yet. */
export async function hasUnsettled(sql: Sql, appId: number, { generation, xid, id }: CommitPosition): Promise<boolean> {
  const [row] = await sql.query<{ found: boolean }>(UNSETTLED, [appId, generation, xid, id]);
  return row?.found ?? false;
}

export function isBehind(a: CommitPosition, b: CommitPosition): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation;
  if (a.xid !== b.xid) return a.xid > b.xid;
  return a.id > b.id;
}
