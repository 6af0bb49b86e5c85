import type { Viewer } from '../../access/viewer.ts';

/** What a tail wakes when it has moved. */
export interface Waiting {
  wake(): void;
}

/** What one stream waits with: its tail wakes it, its hub ends it. It has no queue. */
export class Subscriber implements Waiting {
  readonly viewer: Viewer;
  #wake: (() => void) | undefined;
  /** Woken while it was not waiting: what it read before may be out of date. */
  #woken = false;
  #ended: { error?: Error } | undefined;

  constructor(viewer: Viewer) {
    this.viewer = viewer;
  }

  wake(): void {
    if (this.#wake) this.#wake();
    else this.#woken = true;
  }

  /** Waits for its end, and returns the error that it was ended with. */
  async ending(): Promise<Error | undefined> {
    while (!this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#ended.error;
  }

  /** Ends the stream, with an error or without. The stream may still deliver what it has before it checks `checkEnd`. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.wake();
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Throws the error that it was ended with; returns true if it was ended without one. */
  checkEnd(): boolean {
    if (this.#ended?.error) throw this.#ended.error;
    return this.#ended !== undefined;
  }

  /** Waits until it is woken or ended, at most `ms`. Returns false when the time ran out. */
  wait(ms: number): Promise<boolean> {
    if (this.#ended || this.#woken) {
      this.#woken = false;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms, false);
      const settle = () => done(true);
      const self = this;
      function done(woken: boolean) {
        clearTimeout(timer);
        self.#wake = undefined;
        resolve(woken);
      }
      this.#wake = settle;
    });
  }
}

/**
 * Makes a stream of a generator that may be waiting: `return()` ends the wait first, whereas a plain generator would keep its
 * caller until the wait is over.
 * @param release called then too: if the generator was never started, its `finally` does not run
 */
export function endable<T>(
  subscriber: Subscriber,
  generator: AsyncGenerator<T, void>,
  release: () => void,
): AsyncGenerator<T, void> {
  const end = () => {
    subscriber.end();
    release();
  };
  return {
    next: () => generator.next(),
    return: (value) => {
      end();
      return generator.return(value as undefined);
    },
    throw: (error) => {
      end();
      return generator.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await generator.return();
    },
  };
}
