import { randomBytes } from 'node:crypto';
import { statement, type Tx } from '../../db/sql.ts';
import { date, int4, int4Array, int8, int8Array, nullable, text, textArray } from '../../db/types.ts';
import { CHANGE_KINDS, type NewChange } from './records.ts';

/** The end of a group's log, and what its next records carry. Kept by the writer that holds the group's lock. */
export interface LogHead {
  readonly appId: number;
  readonly gid: number;
  readonly generation: number;
  /** An address; null: the application, or the gateway itself. */
  readonly actor: string | null;
  /** The database's clock under the lock, never earlier than the record before. */
  readonly at: Date;
  version: number;
  mark: number;
  memberCount: number;
  /** The last joining number given. */
  joins: number;
}

/** 48 random bits: exact in a JavaScript number. */
const newMark = () => randomBytes(6).readUIntBE(0, 6);

// The group's row and the records in one statement: there is no version without its record.
const APPEND = statement({
  name: 'changes_append',
  parameters: [int4, int8, int4, int4, date, nullable(text), int4Array, int8Array, int4Array, textArray, int8, int4, int8],
  columns: {},
  text: `with head as (
      update groups set version = $3 + cardinality($7::int[]), mark = $11, member_count = $12, joins = $13, updated_at = $5,
        xid = pg_current_xact_id()::text::bigint, generation = $4
      where app_id = $1 and gid = $2)
    insert into changes (app_id, gid, version, generation, xid, kind, at, actor, mark, member_count, data)
    select $1, $2, $3 + r.ord, $4, pg_current_xact_id()::text::bigint, r.kind, $5, $6, r.mark, r.member_count, r.data::jsonb
    from unnest($7::int[], $8::bigint[], $9::int[], $10::text[]) with ordinality r(kind, mark, member_count, data, ord)
    order by r.ord`,
});

/**
 * Writes records and moves the head, in the writer's transaction under the group's lock. A hint goes out after its commit.
 */
export async function appendChanges(tx: Tx, head: LogHead, changes: readonly NewChange[]): Promise<void> {
  if (changes.length === 0) return;
  const marks = changes.map(newMark);
  const from = head.version;
  head.version += changes.length;
  head.mark = marks.at(-1) ?? 0;
  await tx.query(APPEND, [
    head.appId,
    head.gid,
    from,
    head.generation,
    head.at,
    head.actor,
    changes.map(({ kind }) => CHANGE_KINDS[kind]),
    marks,
    changes.map(({ memberCount }) => memberCount),
    changes.map(({ kind, memberCount, ...data }) => JSON.stringify(data)),
    head.mark,
    head.memberCount,
    head.joins,
  ]);
  const hint = { appId: head.appId, gid: head.gid, version: head.version };
  tx.afterCommit(() => tx.hints.publish(hint));
}
