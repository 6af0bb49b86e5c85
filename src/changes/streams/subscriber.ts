import type { Viewer } from '../../access/viewer.ts';

/** One stream's side of waiting: woken by its tail, ended by its hub. It has no queue. */
export class Subscriber {
  readonly viewer: Viewer;
  #wake: (() => void) | undefined;
  /** Woken while it did not wait: what it looked at before may be old. */
  #woken = false;
  #ended: { error?: Error } | undefined;

  constructor(viewer: Viewer) {
    this.viewer = viewer;
  }

  wake(): void {
    if (this.#wake) this.#wake();
    else this.#woken = true;
  }

  /** Waits for its end, and gives the error that it was ended with. */
  async ending(): Promise<Error | undefined> {
    while (!this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#ended.error;
  }

  /** Ends the stream, with an error or quietly. What it has not delivered yet is delivered first where it asks for it. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.wake();
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Throws the error that it was ended with; true when it was ended quietly. */
  settle(): boolean {
    if (this.#ended?.error) throw this.#ended.error;
    return this.#ended !== undefined;
  }

  /** Waits until it is woken or ended, or for `ms`. Gives false when the time ran out. */
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
 * The stream of a generator that may be waiting: `return()` ends the wait first, where a bare generator would keep its
 * caller until the wait is over.
 * @param release called then too: the body of a generator that was never asked for anything does not run at all
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
