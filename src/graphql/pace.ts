/** How long the event loop is kept at a stretch, in milliseconds. */
const STRETCH = 10;
/** A list that is shorter is completed at once. */
const LONG = 100;

let turnBegan = performance.now();
const waiting: (() => void)[] = [];

function nextTurn(): void {
  turnBegan = performance.now();
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(nextTurn);
}

/** Whether others should have their turn. */
export const isLong = (): boolean => performance.now() - turnBegan > STRETCH;

/** Gives the event loop back. Those who do so go on one after the other, and what comes from outside is heard between them. */
export function giveBack(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(nextTurn);
  });
}

/** Lets an operation complete long lists without keeping the event loop, and without cutting its batches of reads in pieces. */
export class Pace {
  #paused = 0;
  #held: (() => void)[] = [];

  /** For DataLoader: when all that can be asked for was, as it does it itself, and no list is in its middle. */
  readonly schedule = (dispatch: () => void): void => {
    void Promise.resolve().then(() =>
      process.nextTick(() => {
        if (this.#paused > 0) this.#held.push(dispatch);
        else dispatch();
      }),
    );
  };

  /** The items of a list, for a resolver. Yoga's executor takes what is asynchronous as a list; graphql-js 16 does not. */
  of<T>(items: readonly T[]): T[] {
    if (items.length <= LONG) return items as T[];
    return { [Symbol.asyncIterator]: () => this.#itemsOf(items) } as unknown as T[];
  }

  async *#itemsOf<T>(items: readonly T[]): AsyncGenerator<T> {
    for (const item of items) {
      if (isLong()) await this.#pause();
      yield item;
    }
  }

  async #pause(): Promise<void> {
    this.#paused++;
    await giveBack();
    this.#paused--;
    if (this.#paused > 0) return;
    const held = this.#held;
    this.#held = [];
    for (const dispatch of held) this.schedule(dispatch);
  }
}
