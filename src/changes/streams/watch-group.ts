import { databaseOf, type Viewer } from '../../access/viewer.ts';
import { type Sql, statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { bool, int4, int8, nullable, type RowOf, text } from '../../db/types.ts';
import { changes, groups } from '../../generated/tables.ts';
import { GroupNotFoundError, StreamEndError } from '../../model/errors.ts';
import type { Gid } from '../../model/gid.ts';
import { decodeCursor, encodeGroupCursor, encodeSnapshotCursor, type GroupPosition } from '../log/cursor.ts';
import { type ChangeRecord, readGroupLog } from '../log/read.ts';
import type { ChangeEvent } from './events.ts';
import type { GroupTail } from './group-tail.ts';
import type { WatchHub } from './hub.ts';
import { type SnapshotPage, snapshotPages } from './snapshot.ts';
import type { Subscriber } from './subscriber.ts';

export interface GroupStreamArgs {
  gid: Gid;
  /** The cursor to continue from. */
  after?: string | null;
  /** Begin with all members; not together with `after`. */
  snapshot?: boolean;
}

const END = pick(groups, 'g', ['version', 'mark']);
const HEAD_COLUMNS = {
  ...END.columns,
  deleted: bool,
  /** The versions at which a user last joined and left; null: no membership, or it has not ended. */
  joined: nullable(int4),
  left: nullable(int4),
};
type Head = RowOf<typeof HEAD_COLUMNS>;

const HEAD = statement({
  name: 'watch_head',
  parameters: [int4, int8, nullable(text)],
  columns: HEAD_COLUMNS,
  text: `select ${END.list}, g.deleted_at is not null as deleted,
      coalesce(m.joined_version, f.joined_version) as joined, case when m.address is null then f.left_version end as left
    from groups g
    left join members m on m.app_id = g.app_id and m.gid = g.gid and m.address = $3
    left join former_members f on f.app_id = g.app_id and f.gid = g.gid and f.address = $3
    where g.app_id = $1 and g.gid = $2`,
});
const MARK = pick(changes, '', ['version', 'mark']);
const MARKS = statement({
  name: 'watch_marks',
  parameters: [int4, int8, int4],
  columns: MARK.columns,
  text: `select ${MARK.list} from changes where app_id = $1 and gid = $2 and version in ($3, $3 + 1)`,
});

/**
 * The changes of one group: from a cursor, from a snapshot, or from now on.
 * @throws GroupNotFoundError, StreamEndError
 */
export function watchGroup(hub: WatchHub, viewer: Viewer, args: GroupStreamArgs): AsyncGenerator<ChangeEvent, void> {
  return hub.open(viewer, (subscriber) =>
    hub.withGroup(viewer.appId, args.gid.number, subscriber, (tail) =>
      new GroupStream(hub, viewer, args, subscriber, tail).run(),
    ),
  );
}

class GroupStream {
  readonly #hub: WatchHub;
  readonly #sql: Sql;
  readonly #viewer: Viewer;
  readonly #args: GroupStreamArgs;
  readonly #subscriber: Subscriber;
  readonly #tail: GroupTail;
  #position: GroupPosition;
  /** The tail's history that it reads. */
  #history: number | undefined;
  /** The version that the snapshot's pages may show: Ready waits for it. */
  #shown = 0;

  constructor(hub: WatchHub, viewer: Viewer, args: GroupStreamArgs, subscriber: Subscriber, tail: GroupTail) {
    this.#hub = hub;
    this.#sql = databaseOf(hub.db, viewer);
    this.#viewer = viewer;
    this.#args = args;
    this.#subscriber = subscriber;
    this.#tail = tail;
    this.#position = { gid: args.gid.number, version: 0, mark: 0 };
  }

  async *run(): AsyncGenerator<ChangeEvent, void> {
    const head = await this.#head();
    const snapshot = await this.#begin(head);
    if (snapshot) {
      if (head.deleted) throw new GroupNotFoundError(this.#args.gid.text);
      yield* this.#snapshot(head);
    }
    // A client that resumes with the cursor of the group's deletion.
    if (head.deleted && this.#position.version === head.version) return;
    yield* this.#changes();
  }

  async #head(): Promise<Head> {
    const head = await this.#readHead();
    if (!head || (this.#viewer.address !== null && head.joined === null)) throw new GroupNotFoundError(this.#args.gid.text);
    return head;
  }

  async #readHead(): Promise<Head | undefined> {
    const { known } = this.#tail;
    const [head] = await this.#sql.query(HEAD, [this.#viewer.appId, this.#args.gid.number, this.#viewer.address]);
    const history = this.#tail.meet(known, head);
    this.#history ??= history;
    return head;
  }

  /** Finds the position to begin at. Returns true for a stream that begins with a snapshot. */
  async #begin(head: Head): Promise<boolean> {
    const { after, snapshot = false } = this.#args;
    const gid = this.#args.gid.number;
    const end = { gid, version: head.version, mark: head.mark };
    if (after == null) {
      if (head.deleted || head.left !== null) throw new GroupNotFoundError(this.#args.gid.text);
      this.#position = end;
      return snapshot;
    }
    const cursor = decodeCursor(after);
    if (cursor?.stream === 'snapshot' && cursor.gid === gid) {
      if (head.left !== null) throw new StreamEndError('LEFT_GROUP');
      this.#position = end;
      return true;
    }
    if (cursor?.stream !== 'group' || cursor.position.gid !== gid) throw new StreamEndError('BAD_CURSOR');
    await this.#checkPosition(cursor.position, head);
    if (head.left !== null && cursor.position.version >= head.left) throw new StreamEndError('LEFT_GROUP');
    this.#position = cursor.position;
    return false;
  }

  async #checkPosition({ gid, version, mark }: GroupPosition, head: Head): Promise<void> {
    if (version > head.version || version < 1) throw new StreamEndError('BAD_CURSOR');
    if (head.joined !== null && version < head.joined && this.#viewer.address !== null)
      throw new StreamEndError('CURSOR_EXPIRED');
    if (version === head.version) {
      if (mark !== head.mark) throw new StreamEndError('BAD_CURSOR');
      return;
    }
    const rows = await this.#sql.query(MARKS, [this.#viewer.appId, gid, version]);
    const at = rows.find((row) => row.version === version);
    if (at && at.mark !== mark) throw new StreamEndError('BAD_CURSOR');
    if (!rows.some((row) => row.version === version + 1)) throw new StreamEndError('CURSOR_EXPIRED');
  }

  /** All members, in pages read by key without a transaction around them. The position stays the one before the first page. */
  async *#snapshot(head: Head): AsyncGenerator<ChangeEvent, void> {
    const gid = this.#args.gid.number;
    const cursor = encodeSnapshotCursor(gid);
    let page = 0;
    const pages = snapshotPages(this.#sql, this.#viewer.appId, gid);
    const sizeOf = ({ members }: SnapshotPage) => members.length;
    for await (const { settings, members } of this.#hub.snapshots.read(this.#subscriber, pages, sizeOf)) {
      if (this.#subscriber.checkEnd()) return;
      if (await this.#isOver(head)) return; // the records that follow say why
      page++;
      yield { type: 'snapshot', cursor, gid, version: head.version, at: await this.#hub.now(), page, settings, members };
    }
  }

  /** Whether the group was deleted, or the viewer's membership ended, since the stream began. Checked after each page. */
  async #isOver({ joined }: Head): Promise<boolean> {
    const now = await this.#head();
    this.#shown = now.version;
    return now.deleted || now.left !== null || now.joined !== joined;
  }

  async *#changes(): AsyncGenerator<ChangeEvent, void> {
    let ready = false;
    for (;;) {
      if (this.#tail.history !== this.#history) {
        this.#subscriber.end(new StreamEndError('BAD_CURSOR'));
        if (this.#subscriber.checkEnd()) return;
      }
      const records = await this.#next();
      for (const record of records) {
        yield this.#deliver(record);
        if (record.kind === 'GROUP_DELETED') return;
        if (record.kind === 'MEMBERS_REMOVED' && record.addresses.includes(this.#viewer.address ?? '')) {
          throw new StreamEndError('LEFT_GROUP');
        }
        if (this.#subscriber.checkEnd()) return;
      }
      if (records.length > 0) continue;
      if (this.#subscriber.checkEnd()) return;
      if (!ready) {
        ready = true;
        yield await this.#idleEvent('ready');
        continue;
      }
      const woken = await this.#subscriber.wait(this.#hub.checkpointInterval);
      if (!woken) yield await this.#idleEvent('checkpoint');
    }
  }

  async #next(): Promise<readonly ChangeRecord[]> {
    const { version } = this.#position;
    const records = this.#tail.after(version);
    // A tail that is not yet at the version that the pages show cannot tell that there is nothing new.
    return records && (records.length > 0 || version >= this.#shown) ? records : this.#read();
  }

  async #read(): Promise<ChangeRecord[]> {
    const { version } = this.#position;
    const records = await readGroupLog(this.#sql, this.#tail, this.#position);
    // Records that a slow reader has not read yet may have been pruned meanwhile.
    const first = records[0];
    if (first && first.version !== version + 1) throw new StreamEndError('CURSOR_EXPIRED');
    if (!first) await this.#checkPruned();
    return records;
  }

  /** There is no record after the position, though one was expected: tells pruned records from another history. */
  async #checkPruned(): Promise<void> {
    const { version, mark } = this.#position;
    const head = await this.#readHead();
    if (!head || head.version > version) throw new StreamEndError('CURSOR_EXPIRED');
    if (head.version < version || head.mark !== mark) throw new StreamEndError('BAD_CURSOR');
  }

  #deliver(record: ChangeRecord): ChangeEvent {
    this.#position = { gid: record.gid, version: record.version, mark: record.mark };
    return { type: 'change', record, cursor: encodeGroupCursor(this.#position) };
  }

  async #idleEvent(type: 'ready' | 'checkpoint'): Promise<ChangeEvent> {
    const { gid, version } = this.#position;
    return { type, gid, version, at: await this.#hub.now(), cursor: encodeGroupCursor(this.#position) };
  }
}
