import { type Sql, statement } from '../db/sql.ts';
import { date } from '../db/types.ts';
import { gatewayState } from '../generated/tables.ts';

const READ = statement({
  name: 'token_revocations',
  parameters: [],
  columns: { revocations: gatewayState.revocations[1], now: date },
  text: 'select revocations, clock_timestamp() as now from gateway_state',
});
/** How often each gateway reads the counter, in milliseconds. */
const EVERY = 500;

export interface RevocationEvents {
  /** Tokens were revoked, on whichever gateway; at the first reading, too. */
  onRevoked(): void;
  /** Behind each reading of the loop. */
  onTick(): Promise<void>;
  /** The first failure in a row. */
  onError(error: unknown): void;
}

/**
 * Follows the counter that every revocation raises in its transaction. What was looked up while the counter stood still is
 * good as of the last reading; when the counter moves, nothing that was known before is.
 */
export class Revocations {
  readonly #sql: Sql;
  readonly #on: RevocationEvents;
  #counter: number | undefined;
  #epoch = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  #clockAhead: number | undefined;
  #failing = false;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #closed = false;

  constructor(sql: Sql, on: RevocationEvents) {
    this.#sql = sql;
    this.#on = on;
  }

  /** Raised when the counter moved: what was found out in an earlier epoch has to be found out again. */
  get epoch(): number {
    return this.#epoch;
  }

  /** When the last successful reading began, by performance.now(). */
  get readAt(): number {
    return this.#readAt;
  }

  /** The database's time now in milliseconds since 1970, never too early; undefined before the first reading. */
  get now(): number | undefined {
    return this.#clockAhead === undefined ? undefined : performance.now() + this.#clockAhead;
  }

  start(): void {
    if (!this.#timer && !this.#closed) this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#reading?.catch(() => {});
  }

  #schedule(delay: number): void {
    this.#timer = setTimeout(() => {
      const begun = performance.now();
      this.#reading = this.#tick().finally(() => {
        if (!this.#closed) this.#schedule(Math.max(0, begun + EVERY - performance.now()));
      });
    }, delay);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    try {
      await this.read();
      await this.#on.onTick();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#closed) this.#on.onError(error);
      this.#failing = true;
    }
  }

  /** Reads the counter now, as when a hint came or this gateway itself revoked something. */
  async read(): Promise<void> {
    const begun = performance.now();
    const [row] = await this.#sql.query(READ);
    if (!row) throw new Error('The database has no gateway_state row');
    // Two readings may overtake each other; the one that began later knows better.
    if (begun < this.#readAt) return;
    const moved = row.revocations !== this.#counter;
    this.#counter = row.revocations;
    this.#readAt = begun;
    // The time comes in whole milliseconds, cut off.
    this.#clockAhead = row.now.getTime() + 1 - begun;
    if (!moved) return;
    this.#epoch++;
    this.#on.onRevoked();
  }
}
