import { READER_BYTES, READER_RECORDS } from '../log/read.ts';

/** How many bytes all rings of a gateway may take together, and each of them. */
export const RINGS_BYTES = 64 * 1024 * 1024;
export const RING_BYTES = 1024 * 1024;

/** The bytes that the rings of one gateway share. */
export class RingBudget {
  #used = 0;

  /** Whether one ring of `size` bytes may keep all it has, given what all rings use together. */
  allows(size: number): boolean {
    return size <= RING_BYTES && this.#used <= RINGS_BYTES;
  }

  add(bytes: number): void {
    this.#used += bytes;
  }

  get used(): number {
    return this.#used;
  }
}

/** The latest records of a stream, as many as fit. */
export class Ring<T extends { size: number }> {
  #items: T[] = [];
  #bytes = 0;
  readonly #budget: RingBudget;

  constructor(budget: RingBudget) {
    this.#budget = budget;
  }

  get items(): readonly T[] {
    return this.#items;
  }

  /** The items from an index on that one reader takes at a time: it holds no more of them, whatever the ring drops. */
  take(from: number): T[] {
    let [to, bytes] = [from, 0];
    while (to < this.#items.length && to - from < READER_RECORDS && bytes < READER_BYTES) {
      bytes += (this.#items[to++] as T).size;
    }
    return this.#items.slice(from, to);
  }

  /** Adds items. Returns the last of the items that were dropped for them. */
  push(items: readonly T[]): T | undefined {
    for (const item of items) {
      this.#items.push(item);
      this.#count(item.size);
    }
    let dropped = 0;
    while (dropped < this.#items.length && !this.#budget.allows(this.#bytes)) {
      this.#count(-(this.#items[dropped] as T).size);
      dropped++;
    }
    if (dropped === 0) return undefined;
    const last = this.#items[dropped - 1];
    this.#items = this.#items.slice(dropped);
    return last;
  }

  clear(): void {
    this.#count(-this.#bytes);
    this.#items = [];
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.add(bytes);
  }
}
