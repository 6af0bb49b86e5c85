import { setTimeout as sleep } from 'node:timers/promises';
import { TimeoutError } from '../model/errors.ts';
import { sqlState, translateDriverError } from './driver-errors.ts';
import type { HintBus } from './hint-bus.ts';
import { HeldElsewhereError, RequestHeldError } from './locks.ts';
import { Operation } from './operation.ts';
import type { Sql, Tx } from './sql.ts';

const RETRIED = new Set(['40001', '40P01']); // serialization failure, deadlock
const ATTEMPTS = 4;
/** How long a transaction pauses that found a lock held, in milliseconds; doubled up to the second, and less by chance. */
const PAUSE_FROM = 2;
const PAUSE_TO = 50;

/** What an attempt passes to its body. */
interface Committable {
  /** Called after the commit; never rejects. */
  committed(): Promise<void>;
}

/** One attempt: begins, runs, commits; rolls back if anything fails. */
export type Attempt<X> = <T>(run: (tx: X) => Promise<T>) => Promise<T>;

export interface Retries {
  operation?: Operation;
  /** How long it may be tried again while another gateway holds a lock, in milliseconds. */
  patience?: number;
}

/**
 * Runs a transaction, and repeats it after a serialization failure or a deadlock, and while a lock is held elsewhere: `run` must
 * have no effects but its statements.
 * @throws TimeoutError when the lock did not come free in time
 */
export async function withRetries<X extends Committable, T>(
  attempt: Attempt<X>,
  run: (tx: X) => Promise<T>,
  { operation = new Operation(), patience = 0 }: Retries = {},
): Promise<T> {
  const pause = pauses(operation, patience);
  for (let failed = 0; ; ) {
    try {
      const [result, tx] = await attempt(async (tx) => [await run(tx), tx] as const);
      // The connection is free again: these tasks may use the database.
      await tx.committed();
      return result;
    } catch (error) {
      if (error instanceof HeldElsewhereError) {
        await pause();
        continue;
      }
      failed++;
      if (failed >= ATTEMPTS || !RETRIED.has(sqlState(error) ?? '')) throw translateDriverError(error);
      await sleep(failed * 5 + Math.random() * 20 * failed);
    }
  }
}

/** Runs what may find a lock held elsewhere, until it does not. @throws TimeoutError, ClientGoneError */
export async function untilFree<T>(task: () => Promise<T>, operation: Operation, patience: number): Promise<T> {
  const pause = pauses(operation, patience);
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof RequestHeldError)) throw error;
      await pause();
    }
  }
}

/** The pauses between attempts, until the patience has run out, which counts from the first. */
function pauses(operation: Operation, patience: number): () => Promise<void> {
  let deadline: number | undefined;
  let pause = PAUSE_FROM;
  return async () => {
    deadline ??= performance.now() + patience;
    if (performance.now() > deadline) throw new TimeoutError('The database took too long');
    await operation.pause(pause * (0.5 + Math.random() / 2));
    pause = Math.min(pause * 2, PAUSE_TO);
  };
}

export interface TxOptions {
  /** Milliseconds after which it refuses further statements; not given: the database ends it by itself. */
  timeout?: number;
  /** Whose it is: when its client leaves, it refuses further statements. */
  operation?: Operation;
  /** How to wait for a lock; not given: it has none to wait for. */
  waitFor?: Tx['waitFor'];
}

/** A transaction on one connection. Its tasks for after the commit belong to this attempt: a retry begins with none. */
export class OpenTx implements Tx {
  readonly inTransaction = true;
  readonly hints: HintBus;
  readonly query: Sql['query'];
  readonly waitFor: Tx['waitFor'];
  readonly #tasks: (() => unknown)[] = [];

  constructor(hints: HintBus, query: Sql['query'], { timeout = Number.POSITIVE_INFINITY, operation, waitFor }: TxOptions = {}) {
    const deadline = performance.now() + timeout;
    this.hints = hints;
    this.query = async (statement, ...given) => {
      operation?.check();
      if (performance.now() > deadline) throw new TimeoutError('The transaction ran too long');
      return query(statement, ...given);
    };
    this.waitFor = waitFor ?? (async () => false);
  }

  afterCommit(task: () => unknown): void {
    this.#tasks.push(task);
  }

  /** Runs the tasks for after the commit. Their failures are ignored: the commit stands. */
  async committed(): Promise<void> {
    await Promise.allSettled(this.#tasks.map(async (task) => task()));
  }
}
