import type { Logger } from 'pino';
import { TokenPlaces } from '../../access/token-places.ts';
import { createStandings, type TokenStanding } from '../../access/token-standing.ts';
import type { Viewer } from '../../access/viewer.ts';
import type { Database } from '../../db/client.ts';
import { statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { catalogName, date, int4, int4Array, int8Array, nullable, text } from '../../db/types.ts';
import { groups } from '../../generated/tables.ts';
import { StreamEndError } from '../../model/errors.ts';
import { AppTail, type AppWaiting } from './app-tail.ts';
import { GroupTail } from './group-tail.ts';
import { RingBudget } from './ring.ts';
import { type ChargeSnapshot, type SnapshotLimits, SnapshotTurns } from './snapshot-turns.ts';
import { endable, Subscriber, type Waiting } from './subscriber.ts';

export interface HubLimits extends SnapshotLimits {
  /** How many streams a token may have open. */
  userStreams: number;
  appStreams: number;
}

export interface HubOptions {
  db: Database;
  log: Logger;
  /** How often the versions of watched groups are read, in milliseconds: what a lost hint costs. */
  pollInterval?: number;
  /** How often an idle stream sends a checkpoint, in milliseconds. */
  checkpointInterval?: number;
  /** Whether hints are used; off with HINTS_URL=off, and in tests of the poll. */
  hints?: boolean;
  /** Without it, there are none. */
  limits?: HubLimits;
  /** Charges tokens for the members of snapshots. */
  chargeSnapshot?: ChargeSnapshot;
}

export const POLL = 500;
export const CHECKPOINT = 30_000;
const CHUNK = 5_000;
const ANY = Number.POSITIVE_INFINITY;
const UNLIMITED: HubLimits = { userStreams: ANY, appStreams: ANY, snapshots: ANY, tokenSnapshots: ANY };
export const LOG_BLOCKED_AFTER = 5_000;
const LOG_BLOCKED_EVERY = 10_000;

const HEAD = pick(groups, 'g', ['appId', 'gid', 'version', 'mark']);
const VERSIONS = statement({
  name: 'tails_versions',
  parameters: [int4Array, int8Array],
  columns: HEAD.columns,
  text: `select ${HEAD.list} from unnest($1::int[], $2::bigint[]) w(app_id, gid)
    join groups g on g.app_id = w.app_id and g.gid = w.gid`,
});
const CLOCK = statement({
  name: 'hub_clock',
  parameters: [],
  columns: { now: date },
  text: 'select clock_timestamp() as now',
});
// The embedded database has one connection, so no other transaction can be open when this runs.
const BLOCKER = statement({
  name: 'hub_blocker',
  parameters: [],
  columns: {
    pid: int4,
    datname: nullable(catalogName),
    usename: nullable(catalogName),
    application_name: nullable(text),
    state: nullable(text),
    xact_start: nullable(date),
  },
  text: `select pid, datname, usename, application_name, state, xact_start from pg_stat_activity
    where backend_xid is not null and pid <> pg_backend_pid() order by age(backend_xid) desc limit 1`,
  only: 'postgres',
});

/** Keeps the tails of what is watched on this gateway, and ends streams whose token is no longer valid. */
export class WatchHub {
  readonly db: Database;
  readonly checkpointInterval: number;
  readonly pollInterval: number;
  /** The turns of those that read a snapshot. */
  readonly snapshots: SnapshotTurns;
  readonly #streams: TokenPlaces;
  readonly #log: Logger;
  readonly #standing: (viewer: Viewer) => Promise<TokenStanding>;
  readonly #budget = new RingBudget();
  readonly #groups = new Map<string, GroupTail>();
  readonly #apps = new Map<number, AppTail>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #polling = false;
  /** How far the database's clock is ahead of ours, in milliseconds; undefined: not known, or too old. */
  #clock: Promise<number> | undefined;
  #stopping = false;
  #blockedLogged = 0;

  constructor({
    db,
    log,
    pollInterval = POLL,
    checkpointInterval = CHECKPOINT,
    hints = true,
    limits = UNLIMITED,
    chargeSnapshot,
  }: HubOptions) {
    this.snapshots = new SnapshotTurns(limits, chargeSnapshot);
    this.#streams = new TokenPlaces({
      what: 'streams',
      user: ['USER_STREAMS', limits.userStreams],
      app: ['APP_STREAMS', limits.appStreams],
    });
    this.db = db;
    this.#log = log;
    this.#standing = createStandings(db);
    this.checkpointInterval = checkpointInterval;
    this.pollInterval = pollInterval;
    this.#timer = setInterval(() => void this.#poll(), pollInterval);
    this.#timer.unref();
    this.#unsubscribe = hints ? db.hints.subscribe((hint) => this.#hear(hint)) : () => {};
  }

  /** The time by the database's clock, which is read when first needed, then by each poll. */
  async now(): Promise<Date> {
    this.#clock ??= this.#readClock().catch((error: unknown) => {
      this.#clock = undefined;
      throw error;
    });
    const ahead = await this.#clock;
    return new Date(Date.now() + ahead);
  }

  async #readClock(): Promise<number> {
    const asked = Date.now();
    const [clock] = await this.db.query(CLOCK);
    return clock ? clock.now.getTime() - (asked + Date.now()) / 2 : 0;
  }

  /** How many streams are open. */
  get size(): number {
    return this.#subscribers.size;
  }

  /**
   * Opens a stream: `run` is its generator, which gets the subscriber to wait with.
   * @throws LimitExceededError
   */
  open<T>(viewer: Viewer, run: (subscriber: Subscriber) => AsyncGenerator<T, void>): AsyncGenerator<T, void> {
    if (this.#stopping) throw new StreamEndError('SERVER_STOPPING');
    const leave = this.#streams.enter(viewer);
    const subscriber = new Subscriber(viewer);
    const release = () => {
      leave();
      this.#subscribers.delete(subscriber);
    };
    this.#subscribers.add(subscriber);
    async function* stream() {
      try {
        yield* run(subscriber);
      } finally {
        release();
      }
    }
    return endable(subscriber, stream(), release);
  }

  /** Calls `onEnd` when a viewer's token is no longer valid, or the gateway stops. Returns a function that ends the watch. */
  guard(viewer: Viewer, onEnd: (reason: Error) => void): () => void {
    const guarded = new Subscriber(viewer);
    this.#subscribers.add(guarded);
    void guarded.ending().then((reason) => {
      this.#subscribers.delete(guarded);
      if (reason) onEnd(reason);
    });
    return () => guarded.end();
  }

  /** The tail of a group while `use` runs with it, which wakes `subscriber`. */
  async *withGroup<T>(appId: number, gid: number, subscriber: Waiting, use: (tail: GroupTail) => AsyncGenerator<T, void>) {
    const key = `${appId}:${gid}`;
    const tail = this.#groups.get(key) ?? new GroupTail(this.db, appId, gid, this.#budget);
    this.#groups.set(key, tail);
    tail.subscribers.add(subscriber);
    try {
      yield* use(tail);
    } finally {
      tail.subscribers.delete(subscriber);
      if (tail.subscribers.size === 0) {
        tail.close();
        if (this.#groups.get(key) === tail) this.#groups.delete(key);
      }
    }
  }

  /** The tail of an app while `use` runs with it, which wakes `subscriber`. */
  async *withApp<T>(appId: number, subscriber: AppWaiting, use: (tail: AppTail) => AsyncGenerator<T, void>) {
    const tail = this.#apps.get(appId) ?? new AppTail(this.db, appId, this.#budget, (since) => this.#blocked(since));
    this.#apps.set(appId, tail);
    tail.subscribers.add(subscriber);
    try {
      yield* use(tail);
    } finally {
      tail.subscribers.delete(subscriber);
      if (tail.subscribers.size === 0) {
        tail.close();
        if (this.#apps.get(appId) === tail) this.#apps.delete(appId);
      }
    }
  }

  #hear({ appId, gid, version }: { appId: number; gid: number; version: number }): void {
    this.#groups.get(`${appId}:${gid}`)?.move(version);
    this.#apps.get(appId)?.move();
  }

  /** The safety net: finds changes whose hints were lost, and tokens that are no longer valid. */
  async #poll(): Promise<void> {
    if (this.#subscribers.size === 0) this.#clock = undefined;
    if (this.#polling || this.#subscribers.size === 0) return;
    this.#polling = true;
    try {
      this.#clock = Promise.resolve(await this.#readClock());
      await this.#pollTokens();
      await this.#pollGroups();
      for (const tail of this.#apps.values()) tail.move();
    } catch (error) {
      this.#log.warn({ err: error }, 'could not poll for changes');
    } finally {
      this.#polling = false;
    }
  }

  async #pollGroups(): Promise<void> {
    const tails = [...this.#groups];
    for (let from = 0; from < tails.length; from += CHUNK) {
      const chunk = tails.slice(from, from + CHUNK).map(([key, tail]) => ({ key, tail, known: tail.known }));
      const watched = [chunk.map(({ tail }) => tail.appId), chunk.map(({ tail }) => tail.gid)] as const;
      const asked = performance.now();
      const rows = await this.db.query(VERSIONS, watched);
      const heads = new Map(rows.map((row) => [`${row.app_id}:${row.gid}`, row]));
      for (const { key, tail, known } of chunk) {
        tail.meet(known, heads.get(key));
        tail.polled(heads.get(key), asked);
      }
    }
  }

  async #pollTokens(): Promise<void> {
    const byToken = Map.groupBy(this.#subscribers, ({ viewer }) => viewer.token.id);
    await Promise.all(
      [...byToken.values()].map(async (subscribers) => {
        const standing = await this.#standing((subscribers[0] as Subscriber).viewer);
        if (standing === 'valid') return;
        const reason = new StreamEndError(standing === 'expired' ? 'TOKEN_EXPIRED' : 'TOKEN_REVOKED');
        for (const subscriber of subscribers) subscriber.end(reason);
      }),
    );
  }

  #blocked(since: number): void {
    const now = performance.now();
    if (now - since < LOG_BLOCKED_AFTER || now - this.#blockedLogged < LOG_BLOCKED_EVERY) return;
    this.#blockedLogged = now;
    this.db.query(BLOCKER).then(
      ([backend]) => this.#log.warn({ backend }, 'change streams across groups wait for an open write on the database server'),
      (error: unknown) => this.#log.warn({ err: error }, 'could not find out what change streams wait for'),
    );
  }

  /** Ends every stream with SERVER_STOPPING, and accepts no new ones. */
  stop(): void {
    this.#stopping = true;
    clearInterval(this.#timer);
    this.#unsubscribe();
    for (const subscriber of this.#subscribers) subscriber.end(new StreamEndError('SERVER_STOPPING'));
  }
}
