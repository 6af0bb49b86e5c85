import type { Viewer } from '../../access/viewer.ts';
import { statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, date, int4, int8, type RowOf, text } from '../../db/types.ts';
import { members } from '../../generated/tables.ts';
import { StreamEndError } from '../../model/errors.ts';
import { decodeCursor, encodeMembershipsCursor, encodeMembershipsSnapshotCursor } from '../log/cursor.ts';
import { BEFORE_ALL, type ChangeRecord, checkAppPosition, type MarkedPosition } from '../log/read.ts';
import type { RecordedMember } from '../log/records.ts';
import type { AppTail } from './app-tail.ts';
import type { WatchHub } from './hub.ts';
import type { Subscriber } from './subscriber.ts';

export const MEMBERSHIP_CHANGE_KINDS = [
  'JOINED',
  'UPDATED',
  'LEFT',
  'GROUP_DELETED',
  'GROUP_EXPIRED',
  'READY',
  'CHECKPOINT',
] as const;
export type MembershipChangeKind = (typeof MEMBERSHIP_CHANGE_KINDS)[number];

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

const GID = pick(members, 'm', ['gid']);
const BITS = pick(members, 'm', ['permissions', 'rights']);
const STATE_COLUMNS = {
  ...GID.columns,
  present: bool,
  ...BITS.columns,
  joined: bool,
  deleted: bool,
  expired: bool,
  at: date,
};
type Row = RowOf<typeof STATE_COLUMNS>;

// The states that changed after a position: memberships, former ones, and groups that ended with the address in them.
const CHANGED = statement({
  name: 'memberships_changed',
  parameters: [int4, text, int4, int8],
  // The bits of former memberships are literal zeros, which makes the columns int4.
  columns: {
    ...GID.columns,
    present: bool,
    permissions: int4,
    rights: int4,
    deleted: bool,
    joined: bool,
    expired: bool,
    at: date,
  },
  text: `select ${GID.list}, true as present, ${BITS.list}, g.deleted_at is not null as deleted,
      coalesce((c.generation, c.xid) > ($3::int, $4::bigint), false) as joined,
      g.deleted_at is null and g.expiry_due is null and coalesce((g.ended_generation, g.ended_xid) > ($3::int, $4::bigint), false) as expired,
      g.updated_at as at
    from members m join groups g on g.app_id = m.app_id and g.gid = m.gid
      left join changes c on c.app_id = m.app_id and c.gid = m.gid and c.version = m.joined_version
    where m.app_id = $1 and m.address = $2
      and ((m.generation, m.xid) > ($3::int, $4::bigint) or (g.ended_generation, g.ended_xid) > ($3::int, $4::bigint))
    union all
    select f.gid, false, 0, 0, false, false, false, f.left_at
    from former_members f where f.app_id = $1 and f.address = $2 and (f.generation, f.xid) > ($3::int, $4::bigint)
    order by gid`,
});
// A cursor may lie between two records of one transaction; member rows only have the transaction's id.
const IN_TRANSACTION = statement({
  name: 'memberships_in_transaction',
  parameters: [int4, int4, int8, int8],
  columns: { found: bool },
  text: `select exists (select from changes where app_id = $1 and generation = $2 and xid = $3 and id > $4) as found`,
});
const PRESENT = statement({
  name: 'memberships_present',
  parameters: [int4, text, int8],
  columns: STATE_COLUMNS,
  text: `select ${GID.list}, true as present, ${BITS.list}, true as joined, false as deleted, false as expired, m.joined_at as at
    from members m join groups g on g.app_id = m.app_id and g.gid = m.gid and g.deleted_at is null
    where m.app_id = $1 and m.address = $2 and m.gid > $3 order by m.gid limit 1000`,
});

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
  return hub.open(viewer, (subscriber) =>
    hub.withApp(viewer.appId, subscriber, (tail) => new MembershipStream(hub, viewer.appId, args, subscriber, tail).run()),
  );
}

class MembershipStream {
  readonly #hub: WatchHub;
  readonly #appId: number;
  readonly #args: MembershipStreamArgs;
  readonly #subscriber: Subscriber;
  readonly #tail: AppTail;
  /** The groups that the address is in, at #position: a group's end is delivered only for these. */
  readonly #gids = new Set<number>();
  #position: MarkedPosition = BEFORE_ALL;
  /** When the last event was delivered, by performance.now(). */
  #deliveredAt = 0;

  constructor(hub: WatchHub, appId: number, args: MembershipStreamArgs, subscriber: Subscriber, tail: AppTail) {
    this.#hub = hub;
    this.#appId = appId;
    this.#args = args;
    this.#subscriber = subscriber;
    this.#tail = tail;
  }

  async *run(): AsyncGenerator<MembershipEvent, void> {
    const { after, snapshot } = this.#args;
    // Before anything is read: changes that are committed during the reading are delivered again after it.
    this.#position = await this.#tail.head();
    const from = after == null ? undefined : this.#decode(after);
    if (from) yield* this.#catchUp(from);
    else {
      const shown = snapshot || after != null;
      const rows = this.#present();
      for await (const row of shown ? this.#hub.snapshots.read(this.#subscriber, rows, () => 1) : rows) {
        if (shown) yield this.#event('JOINED', row.gid, memberOf(this.#args.address, row), row.at, null);
        if (this.#subscriber.checkEnd()) return;
      }
    }
    yield await this.#idleEvent('READY');
    yield* this.#live();
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

  async *#present(): AsyncGenerator<Row> {
    let last = 0;
    for (;;) {
      const rows = await this.#hub.db.query(PRESENT, [this.#appId, this.#args.address, last]);
      for (const row of rows) {
        this.#gids.add(row.gid);
        yield row;
      }
      if (rows.length < 1000) return;
      last = rows.at(-1)?.gid ?? last;
    }
  }

  /** The states that changed after a position, up to #position. */
  async *#catchUp(position: MarkedPosition): AsyncGenerator<MembershipEvent, void> {
    let from = position;
    this.#gids.clear();
    // In this order: a group that is deleted in between appears in both readings.
    for await (const _ of this.#present());
    const { generation, xid, id } = position;
    const [cut] = await this.#hub.db.query(IN_TRANSACTION, [this.#appId, generation, xid, id]);
    const { address } = this.#args;
    const rows = await this.#hub.db.query(CHANGED, [this.#appId, address, generation, cut?.found ? xid - 1 : xid]);
    const states = rows.flatMap((row) => statesOf(address, row));
    // After the reading: up to here nothing was pruned that it should have found.
    await checkAppPosition(this.#hub.db, this.#appId, position);
    for (const [index, { kind, gid, member, at }] of states.entries()) {
      // Until all are delivered the cursor stays: after a break some are delivered again, and none is lost.
      if (index === states.length - 1) from = this.#position;
      yield this.#event(kind, gid, member, at, null, from);
      if (this.#subscriber.checkEnd()) return;
    }
  }

  async *#live(): AsyncGenerator<MembershipEvent, void> {
    for (;;) {
      const records = this.#tail.after(this.#position);
      if (records === undefined) {
        const from = this.#position;
        this.#position = await this.#tail.head();
        yield* this.#catchUp(from);
        continue;
      }
      for (const record of records) {
        this.#position = { ...record.position, mark: record.mark };
        yield* this.#eventsOf(record);
        if (this.#subscriber.checkEnd()) return;
      }
      if (this.#subscriber.checkEnd()) return;
      // Records about other addresses deliver nothing here, so they do not count as activity.
      const rest = this.#deliveredAt + this.#hub.checkpointInterval - performance.now();
      if (rest <= 0) yield await this.#idleEvent('CHECKPOINT');
      else if (records.length === 0) await this.#subscriber.wait(rest);
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

type State = Pick<MembershipEvent, 'kind' | 'member' | 'at'> & { gid: number };

function statesOf(address: string, row: Row): State[] {
  const { gid, at } = row;
  if (row.deleted) return [{ kind: 'GROUP_DELETED', gid, member: null, at }];
  if (!row.present) return [{ kind: 'LEFT', gid, member: null, at }];
  const member = memberOf(address, row);
  const states: State[] = [{ kind: row.joined ? 'JOINED' : 'UPDATED', gid, member, at }];
  if (row.expired) states.push({ kind: 'GROUP_EXPIRED', gid, member, at });
  return states;
}

function memberOf(address: string, { permissions, rights }: Row): RecordedMember {
  return [address, 0, true, permissions, rights];
}
