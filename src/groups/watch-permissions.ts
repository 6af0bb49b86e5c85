import type { Viewer } from '../access/viewer.ts';
import type { ChangeRecord } from '../changes/log/read.ts';
import type { GroupTail } from '../changes/streams/group-tail.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Subscriber } from '../changes/streams/subscriber.ts';
import { statement } from '../db/sql.ts';
import { bool, int4, int8 } from '../db/types.ts';
import { type Decision, decide } from '../model/decision.ts';
import { GroupNotFoundError, StreamEndError } from '../model/errors.ts';
import { ACTIONS, type ActionName } from '../model/flags.ts';
import type { Gid } from '../model/gid.ts';
import type { Group } from '../model/group.ts';
import { findGroupsToAsk } from './read/permission-checks.ts';
import { findStandings } from './read/standings.ts';

/** What an address may do in a group at a time: the answers to all five actions. */
export interface PermissionState extends Record<ActionName, Decision> {
  gid: number;
  address: string;
  messageType: number;
  at: Date;
}

export interface PermissionStreamArgs {
  gid: Gid;
  address: string;
  messageType: number;
}

/** A group's start or expiry is checked this much later, in milliseconds, so that a difference of clocks does not matter. */
const AFTER_DUE = 20;

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
  return hub.open(viewer, (subscriber) =>
    hub.withGroup(viewer.appId, args.gid.number, subscriber, (tail) => permissionStates(hub, viewer, args, subscriber, tail)),
  );
}

async function* permissionStates(
  hub: WatchHub,
  viewer: Viewer,
  args: PermissionStreamArgs,
  subscriber: Subscriber,
  tail: GroupTail,
): AsyncGenerator<PermissionState, void> {
  const { address, messageType } = args;
  const gid = args.gid.number;
  let last: string | undefined;
  let repeatAt = 0;
  for (;;) {
    const { known } = tail;
    const found = (await findGroupsToAsk(hub.db, viewer, [gid])).get(gid);
    if (!found || (found.onlySelf && address !== viewer.address)) {
      if (last === undefined) throw new GroupNotFoundError(args.gid.text);
      if (await isDeleted(hub, viewer, gid)) return;
      throw new StreamEndError('LEFT_GROUP');
    }
    const { group } = found;
    // A change that is committed while the member is read moves the tail again.
    const history = tail.meet(known, group);
    const [standing] = await findStandings(hub.db, viewer.appId, [{ gid, address, messageType }]);
    if (!standing) return; // it was deleted, and forgotten
    const decisions = Object.fromEntries(
      ACTIONS.map((action) => [action, decide({ ...standing, action, messageType })]),
    ) as Record<ActionName, Decision>;
    const state = JSON.stringify(decisions);
    if (state !== last || performance.now() >= repeatAt) {
      last = state;
      repeatAt = performance.now() + hub.checkpointInterval;
      yield { gid, address, messageType, at: group.readAt, ...decisions };
    }
    if (subscriber.checkEnd()) return;
    if (await waitForChange(subscriber, tail, history, group, address, repeatAt)) return;
  }
}

/** Waits until a decision may have changed. Returns true if the stream was ended without an error. */
async function waitForChange(
  subscriber: Subscriber,
  tail: GroupTail,
  history: number,
  group: Group,
  address: string,
  repeatAt: number,
): Promise<boolean> {
  const readAt = performance.now();
  let { version } = group;
  for (;;) {
    const records = tail.history === history ? tail.after(version) : undefined;
    if (records === undefined || records.some((record) => concerns(record, address))) return false;
    version = records.at(-1)?.version ?? version;
    if (subscriber.checkEnd()) return true;
    if (records.length > 0) continue;
    const now = performance.now();
    const wait = Math.min(repeatAt, readAt + untilDue(group)) - now;
    if (wait <= 0) return false;
    if (!(await subscriber.wait(wait))) return false;
  }
}

/** Milliseconds until the group starts or expires, counted from when it was read. */
function untilDue({ startsAt, expiresAt, readAt }: Group): number {
  const left = [startsAt, expiresAt].map((time) => time.getTime() - readAt.getTime()).filter((ms) => ms > 0);
  return Math.min(...left, 2 ** 31 - 1) + AFTER_DUE;
}

function concerns(record: ChangeRecord, address: string): boolean {
  switch (record.kind) {
    case 'MEMBERS_ADDED':
    case 'MEMBERS_UPDATED':
      return record.members.some(([member]) => member === address);
    case 'MEMBERS_REMOVED':
      return record.addresses.includes(address);
    default:
      return true;
  }
}

const DELETED = statement({
  name: 'permissions_deleted',
  parameters: [int4, int8],
  columns: { deleted: bool },
  text: 'select not exists (select from groups where app_id = $1 and gid = $2 and deleted_at is null) as deleted',
});

async function isDeleted(hub: WatchHub, { appId }: Viewer, gid: number): Promise<boolean> {
  const [row] = await hub.db.query(DELETED, [appId, gid]);
  return row?.deleted ?? true;
}
