import { ClientGoneError, OverloadedError } from '../model/errors.ts';
import type { Operation } from './operation.ts';
import type { Shares } from './shares.ts';

export interface PlaceOptions extends Pick<Shares, 'appShare' | 'userShare'> {
  /** How many connections there are. */
  places: number;
  /** How long one may wait for a place, in milliseconds. */
  wait: number;
}

/** What waits for a place. */
interface Waiting {
  line: TokenLine;
  /** Called with whether it got a place. */
  admit: (error?: Error) => void;
}

interface TokenLine {
  app: AppLine;
  token: string;
  taken: number;
  most: number;
  waiting: Set<Waiting>;
}

interface AppLine {
  app: number;
  taken: number;
  tokens: Map<string, TokenLine>;
  /** Of its tokens those that wait, the next one first. */
  turns: Set<TokenLine>;
}

/**
 * Gives places on the database's connections in turns: by app, within an app by token, within a token in order. While others
 * wait for their turn an app uses at most its share, otherwise all but one, so that another that comes finds it free; a user
 * token never uses more than its share. One place is kept for the gateway's own work; what does not fit there takes turns as an
 * app does. Where there is only one place in all, the gateway comes next.
 */
export class Places {
  readonly #wait: number;
  readonly #places: number;
  /** How many callers may use. */
  readonly #forCallers: number;
  readonly #appMost: number;
  readonly #userMost: number;
  #taken = 0;
  #takenByCallers = 0;
  readonly #apps = new Map<number, AppLine>();
  readonly #own: TokenLine = newLine(newApp(0), '', Number.POSITIVE_INFINITY);
  /** The apps that wait, the next one first. */
  readonly #turns = new Set<AppLine>();

  constructor({ places, appShare, userShare, wait }: PlaceOptions) {
    const share = (percent: number) => Math.max(1, Math.floor((places * percent) / 100));
    this.#wait = wait;
    this.#places = places;
    this.#forCallers = Math.max(1, places - 1);
    this.#appMost = Math.min(share(appShare), this.#forCallers);
    this.#userMost = share(userShare);
  }

  /** How many are in use, and how many wait. */
  get size(): { taken: number; waiting: number } {
    let waiting = 0;
    for (const app of this.#turns) for (const line of app.turns) waiting += line.waiting.size;
    return { taken: this.#taken, waiting };
  }

  /**
   * Runs something that uses one connection.
   * @throws OverloadedError when no place came free in time, ClientGoneError
   */
  async run<T>(operation: Operation, use: () => Promise<T>): Promise<T> {
    const line = this.#lineOf(operation);
    if (this.#turns.size === 0 && this.#admits(line)) this.#enter(line);
    else await this.#turnOf(line, operation);
    try {
      return await use();
    } finally {
      this.#leave(line);
    }
  }

  #lineOf({ caller }: Operation): TokenLine {
    if (!caller) return this.#own;
    const app = this.#apps.get(caller.app) ?? newApp(caller.app);
    const known = app.tokens.get(caller.token);
    if (known) return known;
    const line = newLine(app, caller.token, caller.user === null ? Number.POSITIVE_INFINITY : this.#userMost);
    this.#apps.set(app.app, app);
    app.tokens.set(line.token, line);
    return line;
  }

  #admits(line: TokenLine): boolean {
    return this.#admitsApp(line.app) && line.taken < line.most;
  }

  /** Whether there is a place; beyond the app's share only while one more is left for another app. */
  #admitsApp(app: AppLine): boolean {
    const free = this.#places - this.#taken;
    const left = app === this.#own.app ? free : Math.min(free, this.#forCallers - this.#takenByCallers);
    return left > (app.taken < this.#appMost || this.#forCallers < 3 ? 0 : 1);
  }

  #enter(line: TokenLine): void {
    this.#taken++;
    line.taken++;
    line.app.taken++;
    if (line !== this.#own) this.#takenByCallers++;
  }

  #leave(line: TokenLine): void {
    this.#taken--;
    line.taken--;
    line.app.taken--;
    if (line !== this.#own) this.#takenByCallers--;
    this.#forget(line);
    this.#admitAll();
  }

  #forget(line: TokenLine): void {
    if (line === this.#own) return;
    const { app } = line;
    if (line.taken === 0 && line.waiting.size === 0) app.tokens.delete(line.token);
    if (app.tokens.size === 0) this.#apps.delete(app.app);
  }

  /** Waits for a place, and takes it. */
  #turnOf(line: TokenLine, operation: Operation): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        line,
        admit: (error) => {
          clearTimeout(timer);
          unwatch();
          if (error) reject(error);
          else resolve();
        },
      };
      const giveUp = (error: Error) => {
        this.#drop(waiting);
        waiting.admit(error);
      };
      const timer = setTimeout(() => giveUp(new OverloadedError('No database connection came free in time')), this.#wait);
      const unwatch = operation.onceGone(() => giveUp(new ClientGoneError()));
      line.waiting.add(waiting);
      line.app.turns.add(line);
      this.#turns.add(line.app);
      this.#admitAll();
    });
  }

  /** Takes one out of its line, which goes to the end of its turns. */
  #drop(waiting: Waiting, served = false): void {
    const { line } = waiting;
    line.waiting.delete(waiting);
    const { app } = line;
    if (served || line.waiting.size === 0) app.turns.delete(line);
    if (served && line.waiting.size > 0) app.turns.add(line);
    if (served || app.turns.size === 0) this.#turns.delete(app);
    if (served && app.turns.size > 0) this.#turns.add(app);
    this.#forget(line);
  }

  #admitAll(): void {
    for (let next = this.#next(); next; next = this.#next()) {
      this.#enter(next.line);
      this.#drop(next, true);
      next.admit();
    }
  }

  #next(): Waiting | undefined {
    if (this.#taken >= this.#places) return undefined;
    const [own] = this.#own.waiting;
    if (own && this.#own.taken === 0) return own;
    return this.#nextOf((app) => app.taken < this.#appMost) ?? this.#nextOf(() => true);
  }

  #nextOf(may: (app: AppLine) => boolean): Waiting | undefined {
    for (const app of this.#turns) {
      if (!may(app) || !this.#admitsApp(app)) continue;
      for (const line of app.turns) {
        if (line.taken >= line.most) continue;
        const [first] = line.waiting;
        return first;
      }
    }
    return undefined;
  }
}

function newApp(app: number): AppLine {
  return { app, taken: 0, tokens: new Map(), turns: new Set() };
}

function newLine(app: AppLine, token: string, most: number): TokenLine {
  return { app, token, taken: 0, most, waiting: new Set() };
}
