import type { Sql } from '../../db/sql.ts';
import { StreamEndError } from '../../model/errors.ts';
import { type ChangeRecord, readGroupLog } from '../log/read.ts';
import { Ring, type RingBudget } from './ring.ts';
import type { Waiting } from './subscriber.ts';

const LOAD_RECORDS = 500;
const LOAD_BYTES = 4 * 1024 * 1024;

/** The last record of a group, as it was read. */
export interface GroupHead {
  version: number;
  mark: number;
}

/** What a gateway keeps of the end of one group's log while the group is watched: shared by all its watchers. */
export class GroupTail {
  readonly appId: number;
  readonly gid: number;
  readonly subscribers = new Set<Waiting>();
  readonly #sql: Sql;
  readonly #ring: Ring<ChangeRecord>;
  #version = 0;
  /** The last record that was read; its mark is undefined if reading failed. */
  #loaded: { version: number; mark?: number } = { version: 0 };
  #heard = 0;
  #history = 0;
  #polled: { version: number; at: number } | undefined;
  #closed = false;
  #loading = false;

  constructor(sql: Sql, appId: number, gid: number, budget: RingBudget) {
    this.#sql = sql;
    this.appId = appId;
    this.gid = gid;
    this.#ring = new Ring(budget);
  }

  /** The highest version known from hints, polls or reading. */
  get version(): number {
    return this.#version;
  }

  /** Counts how often the log turned out to have another history: the database was restored under the gateway. */
  get history(): number {
    return this.#history;
  }

  /** What it knows now, to be compared with what is read after this. */
  get known() {
    return { ...this.#loaded, history: this.#history };
  }

  /**
   * Takes the head of the group as read from the database: moves to its version, or finds that this is another history.
   * @param known what it knew before the head was read: it may have moved on since
   * @returns the history that the head belongs to
   */
  meet(known: GroupTail['known'], head: GroupHead | undefined): number {
    if (known.history !== this.#history) return known.history;
    if (isLost(known, head)) this.#forget();
    if (head) this.#begin(head);
    return this.#history;
  }

  /** Takes note of what a poll found that was sent at a time, by performance.now(). */
  polled(head: GroupHead | undefined, at: number): void {
    this.#polled = head && { version: head.version, at };
  }

  /** When a poll last found nothing behind a version, by performance.now(); undefined: it did not, or does not answer. */
  pollOf(version: number): number | undefined {
    return this.#polled && this.#polled.version <= version ? this.#polled.at : undefined;
  }

  #begin({ version, mark }: GroupHead): void {
    if (this.#version === 0) {
      this.#version = version;
      this.#loaded = { version, mark };
    }
    this.move(Math.max(version, this.#heard));
  }

  /** Drops everything it knew, which is of another history. Its watchers end, or read anew. */
  #forget(): void {
    this.#history++;
    this.#version = 0;
    this.#loaded = { version: 0 };
    this.#heard = 0;
    this.#polled = undefined;
    this.#ring.clear();
    this.wake();
  }

  /** Moves to a version, known from a hint or the poll: reads the new records once for all subscribers, then wakes them. */
  move(version: number): void {
    if (this.#version === 0) this.#heard = Math.max(version, this.#heard);
    if (this.#version === 0 || version <= this.#version || this.#closed) return;
    this.#version = version;
    if (!this.#loading) void this.#load();
  }

  async #load(): Promise<void> {
    this.#loading = true;
    while (this.#loaded.version < this.#version) {
      const { history } = this;
      let records: ChangeRecord[];
      try {
        records = await readGroupLog(this.#sql, this, this.#loaded, LOAD_BYTES, LOAD_RECORDS);
      } catch (error) {
        if (history !== this.#history) continue;
        if (error instanceof StreamEndError) this.#forget();
        else this.#skip();
        break;
      }
      if (this.#closed) return;
      if (history !== this.#history) continue;
      const last = records.at(-1);
      // The hint is ahead of what can be read, or the records were pruned meanwhile: the poll tries again.
      if (!last) {
        this.#version = this.#loaded.version;
        break;
      }
      // A gap would mean pruned records: the ring is contiguous or empty.
      if (records[0]?.version !== this.#loaded.version + 1) this.#ring.clear();
      this.#ring.push(records);
      this.#loaded = { version: last.version, mark: last.mark };
      this.#version = Math.max(this.#version, last.version);
    }
    this.#loading = false;
    this.wake();
  }

  /** Leaves it to the subscribers to read what it could not: they get the error if it persists. */
  #skip(): void {
    this.#ring.clear();
    this.#loaded = { version: this.#version };
  }

  wake(): void {
    for (const subscriber of this.subscribers) subscriber.wake();
  }

  /**
   * The ring's records after a version, as many as one reader takes. Empty if there are none; undefined if the ring does not
   * reach back so far and the log must be read.
   */
  after(version: number): readonly ChangeRecord[] | undefined {
    if (version >= this.#version) return [];
    const first = this.#ring.items[0];
    if (!first || first.version > version + 1) return undefined;
    return this.#ring.take(version + 1 - first.version);
  }

  close(): void {
    this.#closed = true;
    this.#ring.clear();
  }
}

/** Whether a head that was read later contradicts what was known: a lower version, or another record with this version. */
function isLost(known: { version: number; mark?: number }, head: GroupHead | undefined): boolean {
  if (known.version === 0) return false;
  if (!head || head.version < known.version) return true;
  return head.version === known.version && known.mark !== undefined && head.mark !== known.mark;
}
