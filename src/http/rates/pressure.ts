import type { Logger } from 'pino';

/** How often the event loop's lag is measured, in milliseconds. */
const EVERY = 50;
/** So many measurements in a row have to be late: a collection of garbage, or one long operation, is no pressure. */
const IN_A_ROW = 3;
/** A lag within this time of the last one is of the same episode, in milliseconds. */
const QUIET = 1_000;

/** Measures how late the event loop is. It is under pressure until one measurement is in time, 50 ms after it keeps up again. */
export class Pressure {
  readonly #limit: number;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #due = performance.now() + EVERY;
  /** How many measurements in a row were late. */
  #late = 0;
  #refused = 0;
  #worst = 0;
  #begun = 0;
  #last = 0;

  /** @param limit the lag above which large operations are refused, in milliseconds */
  constructor(limit: number, log: Logger) {
    this.#limit = limit;
    this.#log = log;
    this.#timer = setInterval(() => this.#measure(), EVERY).unref();
  }

  /** Whether the event loop lags by more than the limit. */
  get high(): boolean {
    return this.#late + Number(this.#isLate(performance.now())) >= IN_A_ROW;
  }

  /** An operation was refused. */
  refused(): void {
    this.#refused++;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  #isLate(now: number): boolean {
    return now - this.#due > this.#limit;
  }

  #measure(): void {
    const now = performance.now();
    const lag = now - this.#due;
    this.#late = this.#isLate(now) ? this.#late + 1 : 0;
    this.#due = now + EVERY;
    if (this.#late > 0) {
      if (this.#begun === 0) this.#begun = now - lag;
      this.#last = now;
      this.#worst = Math.max(this.#worst, lag);
    } else if (this.#begun > 0 && now - this.#last > QUIET) this.#tell();
  }

  /** A line for an episode in which something was refused: a collection of garbage alone is none. */
  #tell(): void {
    if (this.#refused > 0) {
      const about = { ms: Math.round(this.#last - this.#begun), worst: Math.round(this.#worst), refused: this.#refused };
      this.#log.warn(about, 'the event loop lagged; large operations were refused');
    }
    this.#refused = this.#worst = this.#begun = this.#last = 0;
  }
}
