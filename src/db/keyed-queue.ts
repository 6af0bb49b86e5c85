import { ClientGoneError, OverloadedError } from '../model/errors.ts';
import { Operation } from './operation.ts';

/** What a user may take of the places of a queue. */
const USER_PART = 1 / 10;

interface Line {
  /** Each goes on when it is called. */
  waiting: Set<(error?: Error) => void>;
  /** How many of them are of each user. */
  users: Map<string, number>;
}

/** Admits one caller at a time for each key, in the order of arrival, before it takes a connection. */
export class KeyedQueue {
  readonly #lines = new Map<string, Line>();
  readonly #most: number;
  readonly #userMost: number;

  /** @param most how many may wait for one key, of one user a tenth of them; one more is an OverloadedError */
  constructor(most: number) {
    this.#most = most;
    this.#userMost = Math.max(1, Math.floor(most * USER_PART));
  }

  /** How many wait for a key. */
  waiting(key: string): number {
    return this.#lines.get(key)?.waiting.size ?? 0;
  }

  /** @throws OverloadedError, ClientGoneError */
  async run<T>(key: string, task: () => Promise<T>, operation = new Operation()): Promise<T> {
    operation.check();
    const line = this.#lines.get(key);
    if (line) await this.#turn(line, operation);
    else this.#lines.set(key, { waiting: new Set(), users: new Map() });
    try {
      return await task();
    } finally {
      this.#pass(key);
    }
  }

  #pass(key: string): void {
    const [next] = this.#lines.get(key)?.waiting ?? [];
    if (next) next();
    else this.#lines.delete(key);
  }

  #turn(line: Line, operation: Operation): Promise<void> {
    const { waiting, users } = line;
    const user = operation.caller?.user;
    const own = user == null ? 0 : (users.get(user) ?? 0);
    if (waiting.size >= this.#most) throw new OverloadedError('Too many writes wait for this group');
    if (own >= this.#userMost) throw new OverloadedError('Too many writes of this user wait for this group');
    return new Promise((resolve, reject) => {
      const admit = (error?: Error) => {
        waiting.delete(admit);
        unwatch();
        if (user != null) leave(users, user);
        if (error) reject(error);
        else resolve();
      };
      const unwatch = operation.onceGone(() => admit(new ClientGoneError()));
      waiting.add(admit);
      if (user != null) users.set(user, own + 1);
    });
  }
}

function leave(users: Map<string, number>, user: string): void {
  const left = (users.get(user) ?? 0) - 1;
  if (left > 0) users.set(user, left);
  else users.delete(user);
}
