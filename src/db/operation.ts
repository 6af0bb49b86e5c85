import { ClientGoneError } from '../model/errors.ts';

/** Who has statements run. */
export interface Caller {
  /** The app's id. */
  app: number;
  /** What tells the token from others of the app. */
  token: string;
  /** The address of a user; null: an application. */
  user: string | null;
  /** Aborted when nobody waits for the answer any longer: the client has left, or completed the operation. */
  signal?: AbortSignal;
}

/**
 * One operation: who has it run, how many of its statements are under way, and whether its client is still there. Without a
 * caller it is the gateway's own work, which has no bounds.
 */
export class Operation {
  readonly caller: Caller | undefined;
  readonly #atOnce: number;
  #sent = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #watching = new Set<() => void>();
  #listens = false;

  /** @param atOnce how many of its statements may be under way */
  constructor(caller?: Caller, atOnce = Number.POSITIVE_INFINITY) {
    this.caller = caller;
    this.#atOnce = atOnce;
  }

  /** @throws ClientGoneError */
  check(): void {
    if (this.caller?.signal?.aborted) throw new ClientGoneError();
  }

  /** Calls back once when the client leaves. Returns a function that ends the watch. The client must be there. */
  onceGone(act: () => void): () => void {
    const signal = this.caller?.signal;
    if (!signal) return () => {};
    // One listener for all: Node warns of more than ten on a signal.
    if (!this.#listens) signal.addEventListener('abort', () => this.#leave(), { once: true });
    this.#listens = true;
    this.#watching.add(act);
    return () => this.#watching.delete(act);
  }

  #leave(): void {
    for (const act of this.#watching) act();
    this.#watching.clear();
    for (const next of this.#waiting.splice(0)) next();
  }

  /** Runs what sends a statement, or a transaction's; when enough are under way, after one of them. @throws ClientGoneError */
  async send<T>(run: () => Promise<T>): Promise<T> {
    this.check();
    if (this.#sent >= this.#atOnce) {
      if (!this.#listens) this.onceGone(() => {});
      // Whoever ends hands its turn over.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.check();
    } else this.#sent++;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#sent--;
    }
  }

  /** Sleeps; rejects as soon as the client leaves. @throws ClientGoneError */
  async pause(milliseconds: number): Promise<void> {
    this.check();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    const unwatch = this.onceGone(resolve);
    await promise;
    clearTimeout(timer);
    unwatch();
    this.check();
  }
}
