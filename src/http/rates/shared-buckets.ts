import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Policy, Taken } from './bucket.ts';
import { type Buckets, OwnBuckets } from './buckets.ts';

/** How long Redis may take, in milliseconds. Then it counts as away. */
const ANSWERED_WITHIN = 1_000;
/** How long it has to be away before it is told to be back, in milliseconds: one that comes and goes fills no log. */
const TOLD_AFTER = 5_000;

/**
 * What bucket.ts does, at one stroke for all gateways and by the one clock of Redis. Arguments: points a second, points of a full
 * bucket, points that are wanted, 1 where they were used already. A bucket that is full is forgotten.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local rate, burst, points = tonumber(ARGV[1]) / 1000, tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'used', 'at')
local used = math.max(0, (tonumber(bucket[1]) or 0) - math.max(0, now - (tonumber(bucket[2]) or now)) * rate)
local charged = ARGV[4] == '1'
local lacking = used + math.min(points, burst) - burst
local taken = charged or lacking <= 1e-6
if taken then used = used + points end
if charged then lacking = used - burst end
redis.call('HSET', KEYS[1], 'used', string.format('%.6f', used), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(used / rate) + 1)
local wait = 0
if lacking > 1e-6 then wait = math.max(1, math.ceil(lacking / rate - 1e-6)) end
return { wait, math.floor(burst - used + 1e-6) }
`;

type Script = (key: string, rate: number, burst: number, points: number, charged: 0 | 1) => Promise<[wait: number, left: number]>;

/** Buckets in Redis, one for all gateways that share it. While it is away this gateway counts by itself. */
export class SharedBuckets implements Buckets {
  readonly #own = new OwnBuckets();
  readonly #log: Logger;
  #redis: (Redis & { bucket: Script }) | undefined;
  /** Since when, by performance.now(); undefined: it is there. */
  #away: number | undefined;
  #closed = false;

  constructor(url: string, log: Logger) {
    this.#log = log;
    this.#connect(url).catch((error: unknown) => this.#isAway(error));
  }

  take(key: string, policy: Policy, points: number): Taken | Promise<Taken> {
    return this.#ask(key, policy, points, 0) ?? this.#own.take(key, policy, points);
  }

  charge(key: string, policy: Policy, points: number): Taken | Promise<Taken> {
    return this.#ask(key, policy, points, 1) ?? this.#own.charge(key, policy, points);
  }

  close(): void {
    this.#closed = true;
    this.#redis?.disconnect();
  }

  async #connect(url: string): Promise<void> {
    const { Redis } = await import('ioredis');
    if (this.#closed) return;
    const options = { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect: true, commandTimeout: ANSWERED_WITHIN };
    const redis = new Redis(url, options) as Redis & { bucket: Script };
    redis.defineCommand('bucket', { numberOfKeys: 1, lua: SCRIPT });
    redis.on('error', (error) => this.#isAway(error));
    redis.on('close', () => this.#isAway());
    this.#redis = redis;
    await redis.connect();
  }

  /** undefined: Redis is away. */
  #ask(key: string, policy: Policy, points: number, charged: 0 | 1): Promise<Taken> | undefined {
    const redis = this.#redis;
    if (redis?.status !== 'ready') return undefined;
    return redis.bucket(`rollcall_rate:${key}`, policy.rate, policy.burst, points, charged).then(
      ([wait, left]) => {
        if (this.#away !== undefined) this.#isBack(this.#away);
        return { wait, left };
      },
      (error: Error) => {
        this.#isAway(error);
        // It hangs: everything else on this connection would wait.
        if (error.message === 'Command timed out') redis.disconnect(true);
        return charged ? this.#own.charge(key, policy, points) : this.#own.take(key, policy, points);
      },
    );
  }

  #isAway(error?: unknown): void {
    if (this.#away !== undefined || this.#closed) return;
    this.#away = performance.now();
    this.#log.warn({ err: error }, 'Redis is away; until it is back this gateway counts the points of tokens by itself');
  }

  #isBack(since: number): void {
    if (performance.now() - since < TOLD_AFTER) return;
    this.#away = undefined;
    this.#log.info('Redis is back; the points of tokens are counted for all gateways again');
  }
}
