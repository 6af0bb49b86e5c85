import type { Given, Statement, Tx } from './sql.ts';

/** Another gateway holds what a transaction needs: it is rolled back, which frees its connection, and begins again later. */
export class HeldElsewhereError extends Error {
  override name = 'HeldElsewhereError';
}

/** The same of what a request needs in turn with others: it leaves their queues, and begins again later. */
export class RequestHeldError extends Error {
  override name = 'RequestHeldError';
}

/** How many connections may be in a wait for a lock. */
export class Waits {
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  /** Waits, if one more may. Returns whether it did. */
  async run(wait: () => Promise<unknown>): Promise<boolean> {
    if (this.#left === 0) return false;
    this.#left--;
    try {
      await wait();
    } finally {
      this.#left++;
    }
    return true;
  }
}

/**
 * Takes a transaction's advisory lock without a wait, or where `wait` is given after a wait on one of the few connections that
 * may. Otherwise the transaction begins again a little later, so that nobody waits on a connection.
 * @param attempt tries it, with a row for each lock; without rows there is nothing to be locked
 * @returns whether there was something to be locked
 */
export async function takeLock<Values extends readonly unknown[]>(
  tx: Tx,
  attempt: Statement<Values, { locked: boolean }>,
  values: Values,
  wait: () => Promise<boolean> = async () => false,
): Promise<boolean> {
  const rows = await tx.query(attempt, ...([values] as unknown as Given<Values>));
  if (rows.length === 0) return false;
  if (rows.every(({ locked }) => locked) || (await wait())) return true;
  throw new HeldElsewhereError();
}
