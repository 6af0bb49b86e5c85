import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../../db/sql.ts';
import { StreamEndError } from '../../model/errors.ts';
import type { CommitPosition } from '../log/cursor.ts';
import {
  type ChangeRecord,
  hasUnsettled,
  isAfter,
  lastSettled,
  type MarkedPosition,
  positionOf,
  readAppLog,
} from '../log/read.ts';
import { MembershipFeed } from './membership-feed.ts';
import { Ring, type RingBudget } from './ring.ts';
import type { Waiting } from './subscriber.ts';

const LOAD_RECORDS = 500;
const LOAD_BYTES = 4 * 1024 * 1024;
const RETRY_FROM = 10; // milliseconds; doubled up to
const RETRY_TO = 500;

/** What an app's tail wakes, and ends when the log has another history. */
export interface AppWaiting extends Waiting {
  end(error: Error): void;
}

/** What a gateway keeps of the end of an app's log, in the order of commits, while it is watched. */
export class AppTail {
  readonly appId: number;
  readonly subscribers = new Set<AppWaiting>();
  readonly memberships = new MembershipFeed();
  readonly #sql: Sql;
  readonly #ring: Ring<ChangeRecord>;
  readonly #onBlocked: (since: number) => void;
  #head: MarkedPosition | undefined;
  /** The ring has every record after this position. */
  #from: CommitPosition | undefined;
  #opening: Promise<MarkedPosition> | undefined;
  #loading = false;
  #again = false;
  #closed = false;

  /** @param onBlocked called about twice a second while records wait for an open write, with the start of the wait */
  constructor(sql: Sql, appId: number, budget: RingBudget, onBlocked: (since: number) => void) {
    this.#sql = sql;
    this.appId = appId;
    this.#ring = new Ring(budget);
    this.#onBlocked = onBlocked;
  }

  /** The end of the settled log, as far as it was read. */
  async head(): Promise<MarkedPosition> {
    if (!this.#head) {
      this.#opening ??= lastSettled(this.#sql, this.appId).finally(() => {
        this.#opening = undefined;
      });
      const head = await this.#opening;
      if (!this.#head) this.#begin(head);
    }
    return this.#head as MarkedPosition;
  }

  /** The same once it was read. */
  get position(): MarkedPosition {
    if (!this.#head) throw new Error('The head was not read yet');
    return this.#head;
  }

  #begin(head: MarkedPosition): void {
    this.#head = head;
    this.#from = head;
    this.#ring.clear();
  }

  /** Looks for new records. */
  move(): void {
    this.#again = true;
    if (this.#loading || !this.#head) return;
    this.#loading = true;
    void this.#load().catch(() => {}); // the poll comes again
  }

  async #load(): Promise<void> {
    try {
      await this.#follow();
    } finally {
      this.#loading = false;
    }
  }

  async #follow(): Promise<void> {
    let pause = RETRY_FROM;
    let blockedSince: number | undefined;
    while (!this.#closed && (this.#again || blockedSince !== undefined)) {
      this.#again = false;
      if (await this.#read()) {
        blockedSince = undefined;
        pause = RETRY_FROM;
        this.#again = true;
        continue;
      }
      if (!(await hasUnsettled(this.#sql, this.appId, this.#head as MarkedPosition))) {
        blockedSince = undefined;
        continue;
      }
      blockedSince ??= performance.now();
      this.#onBlocked(blockedSince);
      await sleep(pause, undefined, { ref: false });
      pause = Math.min(pause * 2, RETRY_TO);
    }
  }

  /** Reads what is settled and new; false when there is nothing. */
  async #read(): Promise<boolean> {
    const head = this.#head as MarkedPosition;
    const records = await readAppLog(this.#sql, this.appId, head, LOAD_BYTES, LOAD_RECORDS).catch((error) => this.#lose(error));
    const last = records.at(-1);
    if (!last || this.#closed) return false;
    this.#from = this.#ring.push(records)?.position ?? this.#from;
    this.#head = positionOf(last);
    this.memberships.take(records, head);
    this.#wake();
    return true;
  }

  /**
   * Handles a position that the log no longer has. If records were pruned that it has not read, it begins anew, and subscribers
   * before that point get the error when they read the log themselves. If the log has another history, all streams end.
   */
  async #lose(error: unknown): Promise<ChangeRecord[]> {
    if (!(error instanceof StreamEndError)) throw error;
    if (error.code === 'BAD_CURSOR') for (const subscriber of this.subscribers) subscriber.end(error);
    const lost = this.#head;
    this.#begin(await lastSettled(this.#sql, this.appId));
    if (lost) this.memberships.lose(lost);
    this.#wake();
    return [];
  }

  #wake(): void {
    for (const subscriber of this.subscribers) subscriber.wake();
  }

  /** The ring's records after a position, as many as one reader takes; undefined if the log must be read. */
  after(position: CommitPosition): readonly ChangeRecord[] | undefined {
    const head = this.#head;
    if (head && !isAfter(head, position)) return [];
    if (!this.#from || isAfter(this.#from, position)) return undefined;
    const { items } = this.#ring;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isAfter((items[middle] as ChangeRecord).position, position)) high = middle;
      else low = middle + 1;
    }
    return this.#ring.take(low);
  }

  close(): void {
    this.#closed = true;
    this.#ring.clear();
  }
}
