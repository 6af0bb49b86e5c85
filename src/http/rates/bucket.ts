/** What a kind of token may do: so many points a second, and so many at once. */
export interface Policy {
  name: 'user' | 'app';
  /** Points a second. */
  rate: number;
  /** Points that a full bucket holds. */
  burst: number;
}

/** A full bucket holds the points of so many seconds. */
export const BURST_SECONDS = 10;

/** What came of asking a bucket for points. */
export interface Taken {
  /** In how many milliseconds there will be enough; 0: they were taken. */
  wait: number;
  /** The points that are left; below 0: a debt. */
  left: number;
}

/** How much of a bucket is used, at a time in milliseconds. */
export interface Bucket {
  used: number;
  at: number;
}

/** Points that rounding may make of none. */
const NOTHING = 1e-6;

export const emptyBucket = (now: number): Bucket => ({ used: 0, at: now });

/**
 * Takes points, if the bucket has as many. One that is full gives more than it holds, and is in debt then: whatever the limits
 * of an operation allow is possible.
 */
export function take(bucket: Bucket, { rate, burst }: Policy, points: number, now: number): Taken {
  drain(bucket, rate, now);
  const lacking = bucket.used + Math.min(points, burst) - burst;
  if (lacking > NOTHING) return { wait: msFor(lacking, rate), left: burst - bucket.used };
  bucket.used += points;
  return { wait: 0, left: burst - bucket.used };
}

/** Takes points that were used already. `wait` is until the debt is paid. */
export function charge(bucket: Bucket, { rate, burst }: Policy, points: number, now: number): Taken {
  drain(bucket, rate, now);
  bucket.used += points;
  const debt = bucket.used - burst;
  return { wait: debt > NOTHING ? msFor(debt, rate) : 0, left: -debt };
}

function msFor(points: number, rate: number): number {
  return Math.max(1, Math.ceil((points / rate) * 1000 - NOTHING));
}

function drain(bucket: Bucket, rate: number, now: number): void {
  bucket.used = Math.max(0, bucket.used - (Math.max(0, now - bucket.at) * rate) / 1000);
  bucket.at = now;
}
