import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { tokenKey, type Viewer } from '../../access/viewer.ts';
import type { Limits } from '../../config.ts';
import { OverloadedError, RateLimitedError } from '../../model/errors.ts';
import type { Cost } from '../../model/points.ts';
import { BURST_SECONDS, type Policy, type Taken } from './bucket.ts';
import type { Buckets } from './buckets.ts';
import { Pressure } from './pressure.ts';
import { Turns } from './turns.ts';

/** Who wants an operation to run. */
export interface Entrant {
  /** null: nobody known, who may ask for the schema. */
  viewer: Viewer | null;
  /** What is left of the points of its token; set by the gate, where a limit applies. */
  rate?: Standing;
  /** The bytes of its body, which are kept while it waits. */
  bytes?: number;
  /** Aborted when the client does not wait for the answer any longer; without, that of its request. */
  signal?: AbortSignal;
  /** Whether its operation came so far that the gate was asked. */
  asked?: true;
}

/** How a token stands with its points. */
export interface Standing extends Taken {
  policy: Policy;
}

export type GateLimits = Pick<
  Limits,
  | 'userRate'
  | 'appRate'
  | 'userConcurrency'
  | 'appConcurrency'
  | 'waitingOperations'
  | 'turnWait'
  | 'tokenBodies'
  | 'allBodies'
  | 'lagLimit'
>;

/** An operation of at most so many fields is small: it runs whatever the event loop's lag. */
const SMALL = 1_000;
/** What a request costs that is not run: it had to be read. */
const READ = 1;
const MAX_EMPTY = 50_000;

/**
 * Where it is decided whether an operation may run now, by whichever entrance it came: the gateway keeps up, the token has the
 * points, and it is its turn.
 */
export class Gate {
  readonly #limits: GateLimits;
  readonly #buckets: Buckets;
  readonly #turns: Turns;
  readonly #pressure: Pressure;
  readonly #user: Policy | undefined;
  readonly #app: Policy | undefined;
  /** When those that have no point left will have one, by performance.now(): until then nobody has to be asked. */
  readonly #empty = new LRUCache<string, number>({ max: MAX_EMPTY });

  constructor(limits: GateLimits, buckets: Buckets, log: Logger) {
    this.#limits = limits;
    this.#buckets = buckets;
    this.#turns = new Turns({
      most: limits.waitingOperations,
      within: limits.turnWait,
      tokenBytes: limits.tokenBodies,
      allBytes: limits.allBodies,
    });
    this.#pressure = new Pressure(limits.lagLimit, log);
    this.#user = policyOf('user', limits.userRate);
    this.#app = policyOf('app', limits.appRate);
  }

  /**
   * Refuses one whose token is known to have no point left, before its operation is parsed.
   * @throws RateLimitedError
   */
  check(entrant: Entrant): void {
    const { viewer } = entrant;
    const policy = viewer && this.#policyOf(viewer);
    if (!policy) return;
    const key = tokenKey(viewer);
    const wait = (this.#empty.get(key) ?? 0) - performance.now();
    if (wait <= 0) return;
    entrant.asked = true;
    entrant.rate = { wait, left: 1 - (wait / 1000) * policy.rate, policy };
    throw tooFast(wait);
  }

  /**
   * Takes an operation's points and waits for its turn. Gives what is to be called when it is over: at once, where there is
   * nothing to wait for.
   * @throws RateLimitedError, OverloadedError; nothing has run
   */
  enter(entrant: Entrant, { points, fields }: Cost): (() => void) | Promise<() => void> {
    const { viewer, bytes = 0, signal } = entrant;
    entrant.asked = true;
    const key = viewer ? tokenKey(viewer) : '';
    const limit = viewer && viewer.address === null ? this.#limits.appConcurrency : this.#limits.userConcurrency;
    if (fields > SMALL && this.#pressure.high) {
      this.#pressure.refused();
      throw new OverloadedError('The gateway does not keep up; for now only small operations run');
    }
    const waiting = { key, limit, fields, bytes, signal };
    this.#turns.check(waiting); // before anything is taken
    const policy = viewer && this.#policyOf(viewer);
    if (!policy) return this.#turns.enter(waiting);
    this.check(entrant);
    const taken = this.#buckets.take(key, policy, points);
    const go = ({ wait, left }: Taken) => {
      this.#note(key, policy, left);
      entrant.rate = { wait, left, policy };
      if (wait > 0) throw tooFast(wait);
      return this.#turns.enter(waiting);
    };
    return taken instanceof Promise ? taken.then(go) : go(taken);
  }

  /** Charges the token of a request that did not come so far as to enter. */
  read({ viewer, asked }: Entrant): void {
    if (viewer && !asked) void this.charge(viewer, READ);
  }

  /** Takes points that were used already. Gives in how many milliseconds the token is out of debt; 0: it is in none. */
  async charge(viewer: Viewer, points: number): Promise<number> {
    const policy = this.#policyOf(viewer);
    if (!policy || points === 0) return 0;
    const key = tokenKey(viewer);
    const { wait, left } = await this.#buckets.charge(key, policy, points);
    this.#note(key, policy, left);
    return wait;
  }

  #note(key: string, { rate }: Policy, left: number): void {
    if (left < 1) this.#empty.set(key, performance.now() + ((1 - left) / rate) * 1000);
  }

  close(): void {
    this.#pressure.close();
    this.#buckets.close();
  }

  #policyOf({ address }: Viewer): Policy | undefined {
    return address === null ? this.#app : this.#user;
  }
}

function policyOf(name: Policy['name'], rate: number): Policy | undefined {
  return Number.isFinite(rate) ? { name, rate, burst: rate * BURST_SECONDS } : undefined;
}

function tooFast(wait: number): RateLimitedError {
  return new RateLimitedError('The token has used up its points', wait / 1000);
}

/** The fields of the IETF's draft-ietf-httpapi-ratelimit-headers that tell a client how it stands; none where no limit applies. */
export function rateFields(standing: Standing | undefined): [name: string, value: string][] {
  if (!standing) return [];
  const { policy, left } = standing;
  const until = left < 1 ? Math.max(1, Math.ceil((1 - left) / policy.rate)) : 1;
  return [
    ['RateLimit-Policy', `"${policy.name}";q=${policy.burst};w=${BURST_SECONDS}`],
    ['RateLimit', `"${policy.name}";r=${Math.max(0, Math.floor(left))};t=${until}`],
  ];
}
