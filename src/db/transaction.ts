import { setTimeout as sleep } from 'node:timers/promises';
import { OverloadedError, TimeoutError } from '../model/errors.ts';
import { sqlState, translateDriverError } from './driver-errors.ts';
import type { HintBus } from './hint-bus.ts';
import type { Sql, Tx } from './sql.ts';

const RETRIED = new Set(['40001', '40P01']); // serialization failure, deadlock
const ATTEMPTS = 4;

/** What an attempt passes to its body. */
interface Committable {
  /** Called after the commit; never rejects. */
  committed(): Promise<void>;
}

/** One attempt: begins, runs, commits; rolls back if anything fails. */
export type Attempt<X> = <T>(run: (tx: X) => Promise<T>) => Promise<T>;

/**
 * Runs a transaction, and repeats it after a serialization failure or a deadlock: `run` must have no effects but its
 * statements.
 */
export async function withRetries<X extends Committable, T>(attempt: Attempt<X>, run: (tx: X) => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      const [result, tx] = await attempt(async (tx) => [await run(tx), tx] as const);
      // The connection is free again: these tasks may use the database.
      await tx.committed();
      return result;
    } catch (error) {
      if (tried >= ATTEMPTS || !RETRIED.has(sqlState(error) ?? '')) throw translateDriverError(error);
      await sleep(tried * 5 + Math.random() * 20 * tried);
    }
  }
}

/** A transaction on one connection. Its tasks for after the commit belong to this attempt: a retry begins with none. */
export class OpenTx implements Tx {
  readonly inTransaction = true;
  readonly hints: HintBus;
  readonly query: Sql['query'];
  readonly #tasks: (() => unknown)[] = [];

  /** @param timeout milliseconds after which it refuses further statements; not given: the database ends it by itself */
  constructor(hints: HintBus, query: Sql['query'], timeout = Number.POSITIVE_INFINITY) {
    const deadline = performance.now() + timeout;
    this.hints = hints;
    this.query = (statement, ...given) => {
      if (performance.now() > deadline) return Promise.reject(new TimeoutError('The transaction ran too long'));
      return query(statement, ...given);
    };
  }

  afterCommit(task: () => unknown): void {
    this.#tasks.push(task);
  }

  /** Runs the tasks for after the commit. Their failures are ignored: the commit stands. */
  async committed(): Promise<void> {
    await Promise.allSettled(this.#tasks.map(async (task) => task()));
  }
}

/** How many may wait for one key of a KeyedQueue. */
export const MAX_WAITING_WRITERS = 1_000;

/** Admits one caller at a time for each key, in the order of arrival, before it takes a connection. */
export class KeyedQueue {
  readonly #tails = new Map<string, { last: Promise<unknown>; waiting: number }>();
  readonly #maxWaiting: number;

  /** @param maxWaiting how many may wait for one key; one more is an OverloadedError */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const tail = this.#tails.get(key) ?? { last: Promise.resolve(), waiting: 0 };
    if (tail.waiting > this.#maxWaiting) throw new OverloadedError('Too many writes wait for this group');
    this.#tails.set(key, tail);
    tail.waiting++;
    const turn = tail.last.then(task, task);
    tail.last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      if (--tail.waiting === 0) this.#tails.delete(key);
    }
  }
}
