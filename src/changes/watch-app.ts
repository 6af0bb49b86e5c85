import type { Viewer } from '../access/viewer.ts';
import type { Sql } from '../db/sql.ts';
import { type CommitPosition, decodeCursor, encodeAppCursor } from './cursor.ts';
import { StreamEndError } from './errors.ts';
import type { ChangeEvent } from './events.ts';
import type { WatchHub } from './hub.ts';
import { BEFORE_ALL, type ChangeRecord, isBehind, type MarkedPosition, readAppLog } from './read-log.ts';

const CHECK = {
  name: 'watch_app_check',
  text: `select a.pruned_generation as generation, a.pruned_xid as xid, a.pruned_id as id,
      (select c.mark from changes c where c.app_id = $1 and c.generation = $2 and c.xid = $3 and c.id = $4) as mark
    from apps a where a.id = $1`,
};

const PRUNED = {
  name: 'watch_app_pruned',
  text: 'select a.pruned_generation as generation, a.pruned_xid as xid, a.pruned_id as id from apps a where a.id = $1',
};

/**
 * That a position is one of the app's log, or where the log was pruned to.
 * @throws StreamEndError BAD_CURSOR, CURSOR_EXPIRED
 */
export async function checkAppPosition(sql: Sql, appId: number, position: MarkedPosition): Promise<void> {
  const values = [appId, position.generation, position.xid, position.id];
  const [row] = await sql.query<CommitPosition & { mark: number | null }>(CHECK, values);
  if (!row) throw new StreamEndError('BAD_CURSOR');
  if (row.mark !== null) {
    if (row.mark !== position.mark) throw new StreamEndError('BAD_CURSOR');
    return;
  }
  if (isBehind(row, position)) throw new StreamEndError('CURSOR_EXPIRED');
  const atPruned = !isBehind(position, row);
  const atBeginning = !isBehind(position, BEFORE_ALL) && position.mark === 0;
  if (!atPruned && !atBeginning) throw new StreamEndError('BAD_CURSOR');
}

/**
 * The changes of every group of the viewer's app, each group's in their order, from a cursor or from now on.
 * @throws StreamEndError
 */
export function watchApp(hub: WatchHub, viewer: Viewer, after?: string | null): AsyncGenerator<ChangeEvent, void> {
  const { appId } = viewer;
  const cursor = (position: MarkedPosition) => encodeAppCursor(appId, position, position.mark);
  return hub.open(viewer, (subscriber) =>
    hub.withApp(appId, subscriber, async function* (tail): AsyncGenerator<ChangeEvent, void> {
      const head = await tail.head();
      let position = head;
      if (after != null) {
        const decoded = decodeCursor(after);
        if (decoded?.stream !== 'app' || decoded.appId !== appId) throw new StreamEndError('BAD_CURSOR');
        position = { ...decoded.position, mark: decoded.mark };
        await checkAppPosition(hub.db, appId, position);
      }
      let ready = false;
      for (;;) {
        const records = tail.after(position) ?? (await readKept(hub.db, appId, position));
        for (const record of records) {
          position = { ...record.position, mark: record.mark };
          yield { type: 'change', record, cursor: cursor(position) };
          if (subscriber.settle()) return;
        }
        if (records.length > 0) continue;
        if (subscriber.settle()) return;
        if (!ready) {
          ready = true;
          yield { type: 'ready', gid: null, version: null, at: hub.now(), cursor: cursor(position) };
          continue;
        }
        const woken = await subscriber.wait(hub.checkpointInterval);
        if (!woken) yield { type: 'checkpoint', gid: null, version: null, at: hub.now(), cursor: cursor(position) };
      }
    }),
  );
}

/** What a reader behind the ring reads for itself, unless some of it was pruned meanwhile. */
async function readKept(sql: Sql, appId: number, position: MarkedPosition): Promise<ChangeRecord[]> {
  const records = await readAppLog(sql, appId, position);
  const [pruned] = await sql.query<CommitPosition>(PRUNED, [appId]);
  if (!pruned || isBehind(pruned, position)) throw new StreamEndError('CURSOR_EXPIRED');
  return records;
}
