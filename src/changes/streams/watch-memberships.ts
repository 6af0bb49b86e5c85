import { databaseOf, type Viewer } from '../../access/viewer.ts';
import type { Database } from '../../db/client.ts';
import { StreamEndError } from '../../model/errors.ts';
import { decodeCursor, encodeMembershipsCursor, encodeMembershipsSnapshotCursor } from '../log/cursor.ts';
import { BEFORE_ALL, type ChangeRecord, type MarkedPosition, positionOf } from '../log/read.ts';
import type { RecordedMember } from '../log/records.ts';
import type { AppTail } from './app-tail.ts';
import type { WatchHub } from './hub.ts';
import { MembershipFollower } from './membership-feed.ts';
import { changedStates, type MembershipChangeKind, type MembershipState, presentStates } from './membership-states.ts';
import type { Subscriber } from './subscriber.ts';

export interface MembershipEvent {
  cursor: string;
  kind: MembershipChangeKind;
  /** null on READY and CHECKPOINT. */
  gid: number | null;
  member: RecordedMember | null;
  at: Date;
  actor: string | null;
}

export interface MembershipStreamArgs {
  address: string;
  after?: string | null;
  snapshot?: boolean;
}

/**
 * The groups that one address is in: from a cursor, from a snapshot, or from now on. It delivers states: several changes may
 * be merged into one, the last is never lost, and a state may be delivered again.
 * @throws StreamEndError
 */
export function watchMemberships(
  hub: WatchHub,
  viewer: Viewer,
  args: MembershipStreamArgs,
): AsyncGenerator<MembershipEvent, void> {
  return hub.open(viewer, (subscriber) => {
    // The feed wakes those that are concerned.
    const holder = { wake() {}, end: (error: Error) => subscriber.end(error) };
    return hub.withApp(viewer.appId, holder, (tail) => new MembershipStream(hub, viewer.appId, args, subscriber, tail).run());
  });
}

class MembershipStream {
  readonly #hub: WatchHub;
  readonly #db: Database;
  readonly #appId: number;
  readonly #args: MembershipStreamArgs;
  readonly #subscriber: Subscriber;
  readonly #tail: AppTail;
  readonly #follower: MembershipFollower;
  /** The groups that the address is in, at #position: a group's end is delivered only for these. */
  readonly #gids = new Set<number>();
  #position: MarkedPosition = BEFORE_ALL;
  /** When the last event was delivered, by performance.now(). */
  #deliveredAt = 0;

  constructor(hub: WatchHub, appId: number, args: MembershipStreamArgs, subscriber: Subscriber, tail: AppTail) {
    this.#hub = hub;
    this.#db = databaseOf(hub.db, subscriber.viewer);
    this.#appId = appId;
    this.#args = args;
    this.#subscriber = subscriber;
    this.#tail = tail;
    this.#follower = new MembershipFollower(args.address, subscriber);
  }

  async *run(): AsyncGenerator<MembershipEvent, void> {
    const { after } = this.#args;
    const from = after == null ? undefined : this.#decode(after);
    await this.#tail.head();
    this.#tail.memberships.join(this.#follower);
    try {
      this.#restart();
      if (from) yield* this.#catchUp(from);
      else yield* this.#begin();
      if (this.#subscriber.checkEnd()) return;
      yield await this.#idleEvent('READY');
      yield* this.#live();
    } finally {
      this.#tail.memberships.leave(this.#follower);
    }
  }

  /**
   * Goes to the end of the log, before anything is read: changes that are committed during the reading are delivered again
   * after it. Returns where it stood.
   */
  #restart(): MarkedPosition | undefined {
    const from = this.#follower.restart();
    this.#tail.memberships.read(this.#follower);
    this.#position = this.#tail.position;
    return from;
  }

  /** The memberships, with a snapshot as events. */
  async *#begin(): AsyncGenerator<MembershipEvent, void> {
    const { after, snapshot } = this.#args;
    const shown = snapshot || after != null;
    const pages = this.#present();
    for await (const states of shown ? this.#hub.snapshots.read(this.#subscriber, pages, ({ length }) => length) : pages) {
      for (const { gid, member, at } of shown ? states : []) {
        yield this.#event('JOINED', gid, member, at, null);
        if (this.#subscriber.checkEnd()) return;
      }
      if (this.#subscriber.checkEnd()) return;
    }
  }

  /** undefined: within a snapshot, which starts again. */
  #decode(after: string): MarkedPosition | undefined {
    const cursor = decodeCursor(after);
    if (
      (cursor?.stream !== 'memberships' && cursor?.stream !== 'membershipsSnapshot') ||
      cursor.appId !== this.#appId ||
      cursor.address !== this.#args.address
    ) {
      throw new StreamEndError('BAD_CURSOR');
    }
    return cursor.stream === 'memberships' ? { ...cursor.position, mark: cursor.mark } : undefined;
  }

  /** Reads the groups that the address is in. */
  async *#present(): AsyncGenerator<MembershipState[], void> {
    const { memberships } = this.#tail;
    this.#gids.clear();
    for await (const states of presentStates(this.#db, this.#appId, this.#args.address)) {
      for (const { gid } of states) {
        this.#gids.add(gid);
        memberships.note(this.#follower, gid);
      }
      yield states;
    }
    memberships.settle(this.#follower);
  }

  /** The states that changed after a position, up to #position, whatever changes meanwhile. */
  async *#catchUp(position: MarkedPosition): AsyncGenerator<MembershipEvent, void> {
    // In this order: a group that is deleted in between appears in both readings.
    for await (const _ of this.#present());
    for await (const { states, more } of changedStates(this.#db, this.#appId, this.#args.address, position)) {
      for (const [index, { kind, gid, member, at }] of states.entries()) {
        // Until all are delivered the cursor stays: after a break some are delivered again, and none is lost.
        const isLast = !more && index === states.length - 1;
        yield this.#event(kind, gid, member, at, null, isLast ? this.#position : position);
        if (this.#subscriber.checkEnd()) return;
      }
    }
  }

  async *#live(): AsyncGenerator<MembershipEvent, void> {
    for (;;) {
      const records = this.#follower.take();
      for (const record of records) {
        this.#position = positionOf(record);
        yield* this.#eventsOf(record);
        if (this.#subscriber.checkEnd()) return;
      }
      if (this.#subscriber.checkEnd()) return;
      if (this.#follower.behind) {
        const from = this.#restart();
        if (from) yield* this.#catchUp(from);
        continue;
      }
      if (records.length > 0) continue;
      // No record up to here concerns the address that was not delivered.
      this.#position = this.#tail.position;
      // Records about other addresses deliver nothing here, so they do not count as activity.
      const rest = this.#deliveredAt + this.#hub.checkpointInterval - performance.now();
      if (rest <= 0) yield await this.#idleEvent('CHECKPOINT');
      else await this.#subscriber.wait(rest);
    }
  }

  /** The events of a record that concern the address. */
  *#eventsOf(record: ChangeRecord): Generator<MembershipEvent> {
    const { address } = this.#args;
    const { gid, at, actor } = record;
    const event = (kind: MembershipChangeKind, member: RecordedMember | null) =>
      this.#event(kind, gid, member, at, actor, this.#position);
    switch (record.kind) {
      case 'MEMBERS_ADDED':
      case 'MEMBERS_UPDATED':
        for (const member of record.members) {
          if (member[0] !== address) continue;
          this.#gids.add(gid);
          yield event(record.kind === 'MEMBERS_ADDED' ? 'JOINED' : 'UPDATED', member);
        }
        return;
      case 'MEMBERS_REMOVED':
        if (record.addresses.includes(address)) {
          this.#gids.delete(gid);
          yield event('LEFT', null);
        }
        return;
      case 'GROUP_DELETED':
        if (this.#gids.delete(gid)) yield event('GROUP_DELETED', null);
        return;
      case 'GROUP_EXPIRED':
        if (this.#gids.has(gid)) yield event('GROUP_EXPIRED', null);
        return;
    }
  }

  /** @param position to continue from; without one, a stream that continues from here gets a whole new snapshot */
  #event(
    kind: MembershipChangeKind,
    gid: number | null,
    member: RecordedMember | null,
    at: Date,
    actor: string | null,
    position?: MarkedPosition,
  ): MembershipEvent {
    this.#deliveredAt = performance.now();
    const { address } = this.#args;
    const cursor = position
      ? encodeMembershipsCursor(this.#appId, address, position, position.mark)
      : encodeMembershipsSnapshotCursor(this.#appId, address);
    return { cursor, kind, gid, member, at, actor };
  }

  async #idleEvent(kind: 'READY' | 'CHECKPOINT'): Promise<MembershipEvent> {
    return this.#event(kind, null, null, await this.#hub.now(), null, this.#position);
  }
}
