/** The rows of an app: for tests that check what was written, or that nothing was. */
import { expect } from 'vitest';
import { CHANGE_KINDS, type ChangeKind } from '../../src/changes/log/records.ts';
import type { Sql } from '../../src/db/sql.ts';
import { sql } from './database.ts';

const TABLES = ['groups', 'group_types', 'members', 'member_types', 'former_members', 'changes', 'idempotency_keys'] as const;
export type AppRows = Record<(typeof TABLES)[number], Record<string, unknown>[]>;

/** Every row of the app that the operations write, complete, in a fixed order. */
export async function rowsOf(db: Sql, appId: number): Promise<AppRows> {
  const rows: Partial<AppRows> = {};
  for (const table of TABLES) {
    const text = `select to_jsonb(t) as row from ${table} t where app_id = $1 order by to_jsonb(t)::text collate "C"`;
    const found = await sql<{ row: Record<string, unknown> }>(db, text, [appId]);
    rows[table] = found.map(({ row }) => row);
  }
  return rows as AppRows;
}

/** Runs something and expects that it wrote no row of the app. */
export async function writesNothing<T>(db: Sql, { appId }: { appId: number }, act: () => Promise<T>): Promise<T> {
  const before = await rowsOf(db, appId);
  const result = await act();
  expect(await rowsOf(db, appId)).toEqual(before);
  return result;
}

/** A change record as it is stored. */
export interface ChangeRow {
  version: number;
  kind: ChangeKind;
  actor: string | null;
  memberCount: number;
  mark: number;
  at: Date;
  // biome-ignore lint/suspicious/noExplicitAny: its shape depends on the kind
  data: any;
}

const CHANGES = `select version, kind, actor, member_count as "memberCount", mark, at, data from changes
  where gid = $1 and version > $2 order by version`;
const KINDS = new Map<number, ChangeKind>(Object.entries(CHANGE_KINDS).map(([kind, number]) => [number, kind as ChangeKind]));

/** The records of a group above a version, in their order. */
export async function changesOf(db: Sql, gid: string, after = 0): Promise<ChangeRow[]> {
  const rows = await sql<Omit<ChangeRow, 'kind'> & { kind: number }>(db, CHANGES, [gid, after]);
  return rows.map((row) => ({ ...row, kind: KINDS.get(row.kind) as ChangeKind }));
}

const ENTRIES =
  'select address, message_type as "messageType", permissions from member_types where gid = $1 order by address, message_type';

/** The members' entries for message types. */
export function entriesOf(db: Sql, gid: string): Promise<{ address: string; messageType: number; permissions: number }[]> {
  return sql(db, ENTRIES, [gid]);
}
