import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../../db/sql.ts';
import { StreamEndError } from '../../model/errors.ts';
import type { CommitPosition } from '../log/cursor.ts';
import { type ChangeRecord, hasUnsettled, isBehind, lastSettled, type MarkedPosition, readAppLog } from '../log/read.ts';
import { Ring, type RingBudget } from './ring.ts';
import type { Subscriber } from './subscriber.ts';

const LOAD_RECORDS = 500;
const LOAD_BYTES = 4 * 1024 * 1024;
const RETRY_FROM = 10; // milliseconds; doubled up to
const RETRY_TO = 500;

/** What a gateway knows of the end of an app's log, in the order of commits, while somebody watches it. */
export class AppTail {
  readonly appId: number;
  readonly subscribers = new Set<Subscriber>();
  readonly #sql: Sql;
  readonly #ring: Ring<ChangeRecord>;
  readonly #onBlocked: (since: number) => void;
  #head: MarkedPosition | undefined;
  /** Behind this position the ring has everything. */
  #from: CommitPosition | undefined;
  #opening: Promise<MarkedPosition> | undefined;
  #loading = false;
  #again = false;
  #closed = false;

  /** @param onBlocked told, about twice a second, while records wait for an open write, and since when it does */
  constructor(sql: Sql, appId: number, budget: RingBudget, onBlocked: (since: number) => void) {
    this.#sql = sql;
    this.appId = appId;
    this.#ring = new Ring(budget);
    this.#onBlocked = onBlocked;
  }

  /** Where the settled log ends, as far as it was read. */
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

  #begin(head: MarkedPosition): void {
    this.#head = head;
    this.#from = head;
    this.#ring.clear();
  }

  /** Hears that something may be new. */
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
    this.#head = { ...last.position, mark: last.mark };
    this.#wake();
    return true;
  }

  /**
   * What it knew is no beginning of the log any more. Where records were pruned that it has not read, it begins anew, and who
   * stands in front of them meets that in reading for itself. In another history nobody stands.
   */
  async #lose(error: unknown): Promise<ChangeRecord[]> {
    if (!(error instanceof StreamEndError)) throw error;
    if (error.code === 'BAD_CURSOR') for (const subscriber of this.subscribers) subscriber.end(error);
    this.#begin(await lastSettled(this.#sql, this.appId));
    this.#wake();
    return [];
  }

  #wake(): void {
    for (const subscriber of this.subscribers) subscriber.wake();
  }

  /** Records behind a position that the ring has, as many as one reader takes; undefined when the log must be read. */
  after(position: CommitPosition): readonly ChangeRecord[] | undefined {
    const head = this.#head;
    if (head && !isBehind(head, position)) return [];
    if (!this.#from || isBehind(this.#from, position)) return undefined;
    const { items } = this.#ring;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBehind((items[middle] as ChangeRecord).position, position)) high = middle;
      else low = middle + 1;
    }
    return this.#ring.take(low);
  }

  close(): void {
    this.#closed = true;
    this.#ring.clear();
  }
}
