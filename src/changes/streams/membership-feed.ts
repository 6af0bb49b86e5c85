import { type ChangeRecord, type MarkedPosition, positionOf, READER_BYTES, READER_RECORDS } from '../log/read.ts';
import type { Waiting } from './subscriber.ts';

/**
 * What waits for one stream of an address's memberships: the records that concern it, no more than a reader takes at a time.
 * If more come it falls behind, drops them, and has to read what the database has now.
 */
export class MembershipFollower {
  readonly address: string;
  readonly subscriber: Waiting;
  /** The groups that the address is in, at the end of the log as far as it was read. */
  readonly gids = new Set<number>();
  #pending: ChangeRecord[] = [];
  #bytes = 0;
  /** Before the first that waits; set where it fell behind, too. */
  #before: MarkedPosition | undefined;
  #behind = false;

  constructor(address: string, subscriber: Waiting) {
    this.address = address;
    this.subscriber = subscriber;
  }

  get behind(): boolean {
    return this.#behind;
  }

  push(record: ChangeRecord, before: MarkedPosition): void {
    this.#before ??= before;
    if (this.#pending.length >= READER_RECORDS || this.#bytes >= READER_BYTES) this.fallBehind(before);
    if (this.#behind) return;
    this.#pending.push(record);
    this.#bytes += record.size;
  }

  /** @param position up to where it was not behind, unless records wait */
  fallBehind(position: MarkedPosition): void {
    this.#before ??= position;
    this.#behind = true;
    this.#pending = [];
    this.#bytes = 0;
  }

  /** The records that wait, oldest first; then none does. */
  take(): readonly ChangeRecord[] {
    const taken = this.#pending;
    this.#pending = [];
    this.#bytes = 0;
    if (!this.#behind) this.#before = undefined;
    return taken;
  }

  /** Nothing waits any more, and it is not behind. Returns the position after which it has to be told. */
  restart(): MarkedPosition | undefined {
    const before = this.#before;
    this.#behind = false;
    this.take();
    return before;
  }
}

/** Looks at each record of an app once, and hands it to the streams of memberships that it concerns. */
export class MembershipFeed {
  readonly #byAddress = new Map<string, Set<MembershipFollower>>();
  readonly #byGid = new Map<number, Set<MembershipFollower>>();
  /** Those whose groups are being read: they get what happens to any group. */
  readonly #reading = new Set<MembershipFollower>();

  join(follower: MembershipFollower): void {
    enter(this.#byAddress, follower.address, follower);
  }

  leave(follower: MembershipFollower): void {
    leave(this.#byAddress, follower.address, follower);
    this.#forget(follower);
    this.#reading.delete(follower);
  }

  /** The follower's groups are about to be read: `note` is called for each, then `settle`. */
  read(follower: MembershipFollower): void {
    this.#forget(follower);
    this.#reading.add(follower);
  }

  note(follower: MembershipFollower, gid: number): void {
    follower.gids.add(gid);
    enter(this.#byGid, gid, follower);
  }

  settle(follower: MembershipFollower): void {
    this.#reading.delete(follower);
  }

  /** Takes new records, which follow a position. */
  take(records: readonly ChangeRecord[], after: MarkedPosition): void {
    if (this.#byAddress.size === 0) return;
    const woken = new Set<MembershipFollower>();
    let before = after;
    for (const record of records) {
      for (const follower of this.#concerned(record)) {
        follower.push(record, before);
        woken.add(follower);
      }
      before = positionOf(record);
    }
    for (const { subscriber } of woken) subscriber.wake();
  }

  /** There are records behind a position that will not be taken. */
  lose(position: MarkedPosition): void {
    for (const followers of this.#byAddress.values()) {
      for (const follower of followers) {
        follower.fallBehind(position);
        follower.subscriber.wake();
      }
    }
  }

  #concerned(record: ChangeRecord): Iterable<MembershipFollower> {
    const { gid } = record;
    switch (record.kind) {
      case 'MEMBERS_ADDED':
      case 'MEMBERS_UPDATED': {
        const followers = this.#followersOf(record.members.map(([address]) => address));
        for (const follower of followers) this.note(follower, gid);
        return followers;
      }
      case 'MEMBERS_REMOVED': {
        const followers = this.#followersOf(record.addresses);
        for (const follower of followers) this.#drop(follower, gid);
        return followers;
      }
      case 'GROUP_DELETED': {
        const followers = this.#inGroup(gid);
        for (const follower of followers) this.#drop(follower, gid);
        return followers;
      }
      case 'GROUP_EXPIRED':
        return this.#inGroup(gid);
      default:
        return [];
    }
  }

  #followersOf(addresses: readonly string[]): Set<MembershipFollower> {
    const found = new Set<MembershipFollower>();
    for (const address of addresses) for (const follower of this.#byAddress.get(address) ?? []) found.add(follower);
    return found;
  }

  #inGroup(gid: number): Set<MembershipFollower> {
    return new Set([...(this.#byGid.get(gid) ?? []), ...this.#reading]);
  }

  #drop(follower: MembershipFollower, gid: number): void {
    follower.gids.delete(gid);
    leave(this.#byGid, gid, follower);
  }

  #forget(follower: MembershipFollower): void {
    for (const gid of follower.gids) leave(this.#byGid, gid, follower);
    follower.gids.clear();
  }
}

function enter<K>(index: Map<K, Set<MembershipFollower>>, key: K, follower: MembershipFollower): void {
  const followers = index.get(key);
  if (followers) followers.add(follower);
  else index.set(key, new Set([follower]));
}

function leave<K>(index: Map<K, Set<MembershipFollower>>, key: K, follower: MembershipFollower): void {
  const followers = index.get(key);
  followers?.delete(follower);
  if (followers?.size === 0) index.delete(key);
}
