import { LRUCache } from 'lru-cache';
import { type Bucket, charge, emptyBucket, type Policy, type Taken, take } from './bucket.ts';

/** The buckets of all who send, by key. */
export interface Buckets {
  /** Takes points, or nothing where there are too few. */
  take(key: string, policy: Policy, points: number): Taken | Promise<Taken>;
  /** Takes points that were used already: a debt, where there are too few. */
  charge(key: string, policy: Policy, points: number): Taken | Promise<Taken>;
  close(): void;
}

/** Who was not heard of for longest is forgotten, which is as if its bucket were full. */
const MAX_BUCKETS = 50_000;

/** Buckets in this process. */
export class OwnBuckets implements Buckets {
  readonly #buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS });

  take(key: string, policy: Policy, points: number): Taken {
    const now = performance.now();
    return take(this.#of(key, now), policy, points, now);
  }

  charge(key: string, policy: Policy, points: number): Taken {
    const now = performance.now();
    return charge(this.#of(key, now), policy, points, now);
  }

  close(): void {}

  #of(key: string, now: number): Bucket {
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      bucket = emptyBucket(now);
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }
}
