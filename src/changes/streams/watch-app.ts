import { databaseOf, type Viewer } from '../../access/viewer.ts';
import { StreamEndError } from '../../model/errors.ts';
import { decodeCursor, encodeAppCursor } from '../log/cursor.ts';
import { checkAppPosition, type MarkedPosition, positionOf, readAppLog } from '../log/read.ts';
import type { ChangeEvent } from './events.ts';
import type { WatchHub } from './hub.ts';

/**
 * The changes of all groups of the viewer's app, each group's in order, from a cursor or from now on.
 * @throws StreamEndError
 */
export function watchApp(hub: WatchHub, viewer: Viewer, after?: string | null): AsyncGenerator<ChangeEvent, void> {
  const { appId } = viewer;
  const db = databaseOf(hub.db, viewer);
  const cursor = (position: MarkedPosition) => encodeAppCursor(appId, position, position.mark);
  return hub.open(viewer, (subscriber) =>
    hub.withApp(appId, subscriber, async function* (tail): AsyncGenerator<ChangeEvent, void> {
      const head = await tail.head();
      let position = head;
      if (after != null) {
        const decoded = decodeCursor(after);
        if (decoded?.stream !== 'app' || decoded.appId !== appId) throw new StreamEndError('BAD_CURSOR');
        position = { ...decoded.position, mark: decoded.mark };
        await checkAppPosition(db, appId, position);
      }
      let ready = false;
      for (;;) {
        const records = tail.after(position) ?? (await readAppLog(db, appId, position));
        for (const record of records) {
          position = positionOf(record);
          yield { type: 'change', record, cursor: cursor(position) };
          if (subscriber.checkEnd()) return;
        }
        if (records.length > 0) continue;
        if (subscriber.checkEnd()) return;
        if (!ready) {
          ready = true;
          yield { type: 'ready', gid: null, version: null, at: await hub.now(), cursor: cursor(position) };
          continue;
        }
        const woken = await subscriber.wait(hub.checkpointInterval);
        if (!woken) yield { type: 'checkpoint', gid: null, version: null, at: await hub.now(), cursor: cursor(position) };
      }
    }),
  );
}
