import type { Viewer } from '../access/viewer.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Subscriber } from '../changes/streams/subscriber.ts';
import { GroupNotFoundError, StreamEndError } from '../model/errors.ts';
import type { Gid } from '../model/gid.ts';
import type { PermissionState, PermissionWatcher } from './permission-answers.ts';
import { PermissionReader } from './permission-reader.ts';

export interface PermissionStreamArgs {
  gid: Gid;
  address: string;
  messageType: number;
}

/**
 * The current decisions, then again each time one of them changes, and at every checkpoint. Several changes may be merged into
 * one state, the last is never lost. Completes when the group is deleted.
 * @throws GroupNotFoundError, StreamEndError LEFT_GROUP when a user may no longer ask
 */
export function watchPermissions(
  hub: WatchHub,
  viewer: Viewer,
  args: PermissionStreamArgs,
): AsyncGenerator<PermissionState, void> {
  const { gid, address, messageType } = args;
  // The tail wakes the reader, and the reader those that are concerned.
  const holder = { wake() {} };
  return hub.open(viewer, (subscriber) =>
    hub.withGroup(viewer.appId, gid.number, holder, (tail) =>
      permissionStates(hub, gid, { viewer, address, messageType, subscriber }, PermissionReader.of(hub, tail)),
    ),
  );
}

async function* permissionStates(
  hub: WatchHub,
  gid: Gid,
  watcher: PermissionWatcher & { subscriber: Subscriber },
  reader: PermissionReader,
): AsyncGenerator<PermissionState, void> {
  const { subscriber } = watcher;
  let last: string | undefined;
  let repeatAt = 0;
  let repeats = false;
  let at: Date | undefined;
  reader.join(watcher);
  try {
    await reader.ask(watcher);
    for (;;) {
      const { answer } = watcher;
      if (!answer) throw new Error('There is no answer');
      if ('error' in answer) throw answer.error;
      if ('refused' in answer) {
        if (last === undefined) throw new GroupNotFoundError(gid.text);
        if (answer.deleted) return;
        throw new StreamEndError('LEFT_GROUP');
      }
      const { state, text } = answer;
      if (text !== last || repeats) {
        last = text;
        repeatAt = performance.now() + hub.checkpointInterval;
        yield at && at > state.at ? { ...state, at } : state;
      }
      if (subscriber.checkEnd()) return;
      repeats = !(await subscriber.wait(repeatAt - performance.now()));
      at = repeats ? await heldAt(hub, watcher, reader) : undefined;
    }
  } finally {
    reader.leave(watcher);
  }
}

/** Makes sure that the answer holds. Returns the time at which it does, by the database's clock; undefined: its own. */
async function heldAt(hub: WatchHub, watcher: PermissionWatcher, reader: PermissionReader): Promise<Date | undefined> {
  const at = reader.heldAt(watcher);
  if (at === undefined) {
    await reader.askAgain(watcher);
    return undefined;
  }
  const now = await hub.now();
  return new Date(now.getTime() - (performance.now() - at));
}
