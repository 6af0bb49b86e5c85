import type { Sql } from '../../db/sql.ts';
import { StreamEndError } from '../../model/errors.ts';
import { type ChangeRecord, readGroupLog } from '../log/read.ts';
import { Ring, type RingBudget } from './ring.ts';
import type { Subscriber } from './subscriber.ts';

const LOAD_RECORDS = 500;
const LOAD_BYTES = 4 * 1024 * 1024;

/** The last record of a group, as it was read. */
export interface GroupHead {
  version: number;
  mark: number;
}

/** What a gateway knows of the end of one group's log while somebody watches it: shared by all who do. */
export class GroupTail {
  readonly appId: number;
  readonly gid: number;
  readonly subscribers = new Set<Subscriber>();
  readonly #sql: Sql;
  readonly #ring: Ring<ChangeRecord>;
  #version = 0;
  /** The last record that was read; its mark is undefined where reading failed. */
  #loaded: { version: number; mark?: number } = { version: 0 };
  #heard = 0;
  #history = 0;
  #closed = false;
  #loading = false;

  constructor(sql: Sql, appId: number, gid: number, budget: RingBudget) {
    this.#sql = sql;
    this.appId = appId;
    this.gid = gid;
    this.#ring = new Ring(budget);
  }

  /** The highest version that it has heard of. */
  get version(): number {
    return this.#version;
  }

  /** Another number once the log was found to be of another history: the database went back under the gateway. */
  get history(): number {
    return this.#history;
  }

  /** What it knows now, to compare with what is read from now on. */
  get known() {
    return { ...this.#loaded, history: this.#history };
  }

  /**
   * Takes the head of the group as it was read from the database: hears of the version, or that this is another history.
   * @param known what it knew before that was asked: it may have moved on since
   * @returns the history that the head is of
   */
  meet(known: GroupTail['known'], head: GroupHead | undefined): number {
    if (known.history !== this.#history) return known.history;
    if (isLost(known, head)) this.#forget();
    if (head) this.#begin(head);
    return this.#history;
  }

  #begin({ version, mark }: GroupHead): void {
    if (this.#version === 0) {
      this.#version = version;
      this.#loaded = { version, mark };
    }
    this.move(Math.max(version, this.#heard));
  }

  /** Nothing that it knew counts any more: who stands in it ends, or reads anew. */
  #forget(): void {
    this.#history++;
    this.#version = 0;
    this.#loaded = { version: 0 };
    this.#heard = 0;
    this.#ring.clear();
    this.wake();
  }

  /** Hears of a version, by a hint or the poll: reads what is new once for all subscribers, then wakes them. */
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
      // A hint that is ahead of what can be read, or records that were pruned meanwhile: the poll tells again.
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

  /** Leaves it to the subscribers to read what it could not: they meet the error if it stays. */
  #skip(): void {
    this.#ring.clear();
    this.#loaded = { version: this.#version };
  }

  wake(): void {
    for (const subscriber of this.subscribers) subscriber.wake();
  }

  /**
   * Records behind a version that the ring has, as many as one reader takes: undefined when it does not reach so far back, and
   * the log must be read; none when there are none.
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

/** Whether a head that was read later cannot follow what was known: the version is lower, or its record another one. */
function isLost(known: { version: number; mark?: number }, head: GroupHead | undefined): boolean {
  if (known.version === 0) return false;
  if (!head || head.version < known.version) return true;
  return head.version === known.version && known.mark !== undefined && head.mark !== known.mark;
}
