import { setTimeout as sleep } from 'node:timers/promises';
import { OverloadedError, TimeoutError } from '../model/errors.ts';
import { sqlState, translateDriverError } from './driver-errors.ts';
import type { Tx } from './sql.ts';

const RETRIED = new Set(['40001', '40P01']); // serialization failure, deadlock
const ATTEMPTS = 4;

/** One attempt: begins, runs, commits, and rolls back whatever fails. */
export type Attempt<X = Tx> = <T>(run: (tx: X) => Promise<T>) => Promise<T>;

/**
 * Runs a transaction, and again from its beginning after a serialization failure or a deadlock: `run` must have no other
 * effect than its statements.
 */
export async function withRetries<X, T>(attempt: Attempt<X>, run: (tx: X) => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(run);
    } catch (error) {
      if (tried >= ATTEMPTS || !RETRIED.has(sqlState(error) ?? '')) throw translateDriverError(error);
      await sleep(tried * 5 + Math.random() * 20 * tried);
    }
  }
}

/** A transaction that refuses further statements once `timeout` milliseconds have passed. */
export function withDeadline(tx: Tx, timeout: number): Tx {
  const deadline = performance.now() + timeout;
  return {
    inTransaction: true,
    query: (statement, ...given) => {
      if (performance.now() > deadline) return Promise.reject(new TimeoutError('The transaction ran too long'));
      return tx.query(statement, ...given);
    },
  };
}

/** Lets one caller a key in at a time, in the order of arrival, before it takes a connection. */
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
