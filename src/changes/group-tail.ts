import type { Sql } from '../db/sql.ts';
import { type ChangeRecord, readGroupLog } from './read-log.ts';
import { Ring, type RingBudget } from './ring.ts';
import type { Subscriber } from './subscriber.ts';

const LOAD_RECORDS = 500;

/** What a gateway knows of the end of one group's log while somebody watches it: shared by all who do. */
export class GroupTail {
  readonly appId: number;
  readonly gid: number;
  readonly subscribers = new Set<Subscriber>();
  readonly #sql: Sql;
  readonly #ring: Ring<ChangeRecord>;
  #version = 0;
  #loaded = 0;
  #heard = 0;
  #closed = false;
  #loading: Promise<void> | undefined;

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

  /** Begins behind a version that was read from the database. */
  begin(version: number): void {
    if (this.#version === 0) {
      this.#version = version;
      this.#loaded = version;
    }
    this.move(Math.max(version, this.#heard));
  }

  /** Hears of a version, by a hint or the poll: reads what is new once for all subscribers, then wakes them. */
  move(version: number): void {
    if (this.#version === 0) this.#heard = Math.max(version, this.#heard);
    if (this.#version === 0 || version <= this.#version || this.#closed) return;
    this.#version = version;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
  }

  async #load(): Promise<void> {
    while (this.#loaded < this.#version) {
      let records: ChangeRecord[];
      try {
        records = await readGroupLog(this.#sql, this, this.#loaded, 4 * 1024 * 1024, LOAD_RECORDS);
      } catch {
        // Subscribers read for themselves, and meet the error if it stays.
        this.#ring.clear();
        this.#loaded = this.#version;
        break;
      }
      if (this.#closed) return;
      const last = records.at(-1);
      // A hint that is ahead of what can be read, or records that were pruned meanwhile: the poll tells again.
      if (!last) {
        this.#version = this.#loaded;
        break;
      }
      // A gap would mean pruned records: the ring is contiguous or empty.
      if (records[0]?.version !== this.#loaded + 1) this.#ring.clear();
      this.#ring.push(records);
      this.#loaded = last.version;
      this.#version = Math.max(this.#version, last.version);
    }
    this.wake();
  }

  wake(): void {
    for (const subscriber of this.subscribers) subscriber.wake();
  }

  /**
   * The records behind a version that the ring has: undefined when it does not reach so far back, and the log must be read;
   * none when there are none.
   */
  after(version: number): readonly ChangeRecord[] | undefined {
    if (version >= this.#version) return [];
    const first = this.#ring.items[0];
    if (!first || first.version > version + 1) return undefined;
    return this.#ring.items.slice(version + 1 - first.version);
  }

  close(): void {
    this.#closed = true;
    this.#ring.clear();
  }
}
