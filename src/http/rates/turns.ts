import { ClientGoneError, OverloadedError, RateLimitedError } from '../../model/errors.ts';

export interface TurnsOptions {
  /** How many may wait, of all tokens together. */
  most: number;
  /** How long one may wait, in milliseconds. */
  within: number;
  /** The bytes of the bodies of those that wait, of one token and of all. */
  tokenBytes: number;
  allBytes: number;
}

/** An operation that wants to begin. */
export interface Turn {
  /** Of its token. */
  key: string;
  /** How many of the token may run at once. */
  limit: number;
  fields: number;
  /** Of its body. */
  bytes: number;
  /** Aborted when nobody waits any more. */
  signal?: AbortSignal;
}

/** What begins at a stretch, before the event loop is given back and others are heard: operations, and their fields. */
const STRETCH = { operations: 8, fields: 2_000 };
/** A token may have so many times as many waiting as may run. */
const QUEUED = 16;

interface Waiting {
  admit: () => void;
}

interface Token {
  key: string;
  limit: number;
  running: number;
  waiting: Waiting[];
  /** Bytes of those that wait. */
  bytes: number;
}

/**
 * Has operations run a few at a time of each token, and begin in turns: token by token, not first come first served. However
 * many one token sends, another's next operation begins after at most one of each.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #tokens = new Map<string, Token>();
  /** Those that have an operation which may begin, whose turn it is first. */
  readonly #ready = new Set<Token>();
  #waiting = 0;
  #bytes = 0;
  /** What has begun since the event loop was last given back. */
  #begun = { operations: 0, fields: 0 };
  #scheduled = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** How many operations wait. */
  get size(): number {
    return this.#waiting;
  }

  /**
   * Throws where one more would not be let in.
   * @throws RateLimitedError: the token has too many waiting; OverloadedError: all together have
   */
  check({ key, limit, bytes }: Turn): void {
    const { most, tokenBytes, allBytes } = this.#options;
    const token = this.#tokens.get(key);
    if (token && token.waiting.length > 0) {
      if (token.waiting.length >= limit * QUEUED || token.bytes + bytes > tokenBytes) throw ownQueueFull();
    }
    if (this.#waiting > 0 && (this.#waiting >= most || this.#bytes + bytes > allBytes)) {
      throw new OverloadedError('Too many operations are waiting; try again');
    }
  }

  /**
   * Waits for the turn of an operation, and gives what is to be called when it is over.
   * @throws RateLimitedError, OverloadedError
   */
  enter(turn: Turn): (() => void) | Promise<() => void> {
    const { key, limit, fields } = turn;
    const token = this.#tokens.get(key) ?? { key, limit, running: 0, waiting: [], bytes: 0 };
    const now = this.#ready.size === 0 && token.running < limit && token.waiting.length === 0 && this.#hasRoom();
    if (!now) this.check(turn);
    this.#tokens.set(key, token);
    return now ? this.#begin(token, fields) : this.#wait(token, turn);
  }

  #wait(token: Token, { fields, bytes, signal }: Turn): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', leave);
        this.#count(token, -1, -bytes);
      };
      const waiting: Waiting = {
        admit: () => {
          settle();
          resolve(this.#begin(token, fields));
        },
      };
      const remove = (error: Error) => {
        settle();
        token.waiting.splice(token.waiting.indexOf(waiting), 1);
        if (token.waiting.length === 0) this.#ready.delete(token);
        this.#forget(token);
        reject(error);
      };
      const late = () =>
        remove(token.running < token.limit ? new OverloadedError('It waited too long; try again') : ownQueueFull());
      const leave = () => remove(new ClientGoneError());
      const timer = setTimeout(late, this.#options.within);
      token.waiting.push(waiting);
      this.#count(token, 1, bytes);
      if (token.running < token.limit) this.#ready.add(token);
      this.#schedule();
      if (signal?.aborted) leave();
      else signal?.addEventListener('abort', leave);
    });
  }

  #count(token: Token, operations: number, bytes: number): void {
    this.#waiting += operations;
    this.#bytes += bytes;
    token.bytes += bytes;
  }

  #begin(token: Token, fields: number): () => void {
    token.running++;
    this.#begun.operations++;
    this.#begun.fields += fields;
    // Not for each: where little is to be done it would cost more than all the rest here.
    if (this.#begun.operations >= STRETCH.operations / 2 || this.#begun.fields >= STRETCH.fields / 2) this.#schedule();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      token.running--;
      if (token.waiting.length > 0) this.#ready.add(token);
      this.#admit();
      this.#forget(token);
    };
  }

  #hasRoom(): boolean {
    return this.#begun.operations < STRETCH.operations && this.#begun.fields < STRETCH.fields;
  }

  #admit(): void {
    for (const token of this.#ready) {
      if (!this.#hasRoom()) break;
      this.#ready.delete(token);
      token.waiting.shift()?.admit();
      // Behind the others: this loop comes to it again.
      if (token.waiting.length > 0 && token.running < token.limit) this.#ready.add(token);
    }
    if (this.#ready.size > 0) this.#schedule();
  }

  /** Goes on when the event loop has been given back. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#begun = { operations: 0, fields: 0 };
      this.#admit();
    });
  }

  #forget(token: Token): void {
    if (token.running === 0 && token.waiting.length === 0 && this.#tokens.get(token.key) === token)
      this.#tokens.delete(token.key);
  }
}

function ownQueueFull(): RateLimitedError {
  return new RateLimitedError('Too many operations of this token are waiting', 1);
}
