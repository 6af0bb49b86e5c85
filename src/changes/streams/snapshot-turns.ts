import { tokenKey, type Viewer } from '../../access/viewer.ts';
import { ROWS_A_POINT } from '../../model/points.ts';
import type { Subscriber } from './subscriber.ts';

export interface SnapshotLimits {
  /** How many are read at once, of all and of one token. */
  snapshots: number;
  tokenSnapshots: number;
}

/** A place that is not used for so long goes to who waits for one, in milliseconds: its client does not read. */
const PASSED_ON_AFTER = 1_000;
/** The subscriber is woken when it is its turn. */
const LONG = 60_000;

interface Waiting {
  subscriber: Subscriber;
  admitted: boolean;
}

/** Charges a token for members that were read. Gives for how many milliseconds it may read no more. */
export type ChargeSnapshot = (viewer: Viewer, points: number) => Promise<number>;

/** Has snapshots read a few at a time: each page costs statements, and stays in memory until its client took it. */
export class SnapshotTurns {
  readonly #limits: SnapshotLimits;
  readonly #charge: ChargeSnapshot;
  readonly #reading = new Map<string, number>();
  #total = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(limits: SnapshotLimits, charge: ChargeSnapshot = async () => 0) {
    this.#limits = limits;
    this.#charge = charge;
  }

  /** How many are being read. */
  get size(): number {
    return this.#total;
  }

  /**
   * The pages, each read when it is the subscriber's turn and its token is out of debt; none once the subscriber has ended.
   * @param sizeOf how many members a page has: they are charged for as they are read
   */
  async *read<T>(subscriber: Subscriber, pages: AsyncIterable<T>, sizeOf: (page: T) => number): AsyncGenerator<T, void> {
    const key = tokenKey(subscriber.viewer);
    let holds = false;
    let unpaid = 0;
    const leave = () => {
      if (holds) this.#leave(key);
      holds = false;
    };
    try {
      holds = await this.#enter(subscriber, key);
      if (!holds) return;
      for await (const page of pages) {
        unpaid += sizeOf(page);
        const points = Math.floor(unpaid / ROWS_A_POINT);
        unpaid -= points * ROWS_A_POINT;
        const rest = points > 0 ? await this.#charge(subscriber.viewer, points) : 0;
        const idle = setTimeout(leave, PASSED_ON_AFTER);
        try {
          yield page;
        } finally {
          clearTimeout(idle);
        }
        if (rest > 0) {
          leave(); // others read meanwhile
          await this.#rest(subscriber, rest);
        }
        holds ||= await this.#enter(subscriber, key);
        if (!holds) return;
      }
    } finally {
      leave();
    }
  }

  async #rest(subscriber: Subscriber, ms: number): Promise<void> {
    const until = performance.now() + ms;
    for (let left = ms; left > 0 && !subscriber.ended; left = until - performance.now()) await subscriber.wait(left);
  }

  async #enter(subscriber: Subscriber, key: string): Promise<boolean> {
    const waiting: Waiting = { subscriber, admitted: false };
    this.#waiting.add(waiting);
    this.#admit();
    while (!waiting.admitted && !subscriber.ended) await subscriber.wait(LONG);
    if (waiting.admitted && subscriber.ended) this.#leave(key);
    this.#waiting.delete(waiting);
    return waiting.admitted && !subscriber.ended;
  }

  #leave(key: string): void {
    const left = (this.#reading.get(key) ?? 0) - 1;
    if (left > 0) this.#reading.set(key, left);
    else this.#reading.delete(key);
    this.#total--;
    this.#admit();
  }

  #admit(): void {
    const { snapshots, tokenSnapshots } = this.#limits;
    for (const waiting of this.#waiting) {
      if (this.#total >= snapshots) return;
      const key = tokenKey(waiting.subscriber.viewer);
      const own = this.#reading.get(key) ?? 0;
      if (own >= tokenSnapshots || waiting.subscriber.ended) continue;
      this.#reading.set(key, own + 1);
      this.#total++;
      this.#waiting.delete(waiting);
      waiting.admitted = true;
      waiting.subscriber.wake();
    }
  }
}
