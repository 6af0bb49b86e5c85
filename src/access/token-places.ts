import { LimitExceededError } from '../model/errors.ts';
import { tokenKey, type Viewer } from './viewer.ts';

export interface TokenPlacesOptions {
  /** What they are, in the plural. */
  what: string;
  /** The limits of a user token and of an application token: name and number. */
  user: readonly [limit: string, max: number];
  app: readonly [limit: string, max: number];
}

/** Counts what each token has open in this gateway, within a limit. */
export class TokenPlaces {
  readonly #options: TokenPlacesOptions;
  readonly #taken = new Map<string, Set<symbol>>();

  constructor(options: TokenPlacesOptions) {
    this.#options = options;
  }

  /**
   * Takes a place, and gives what leaves it.
   * @throws LimitExceededError
   */
  enter(viewer: Viewer): () => void {
    const key = tokenKey(viewer);
    const places = this.#taken.get(key) ?? new Set();
    const [limit, max] = viewer.address === null ? this.#options.app : this.#options.user;
    if (places.size >= max) throw new LimitExceededError(limit, max, `A token may have at most ${max} ${this.#options.what}`);
    const place = Symbol();
    this.#taken.set(key, places.add(place));
    return () => {
      places.delete(place);
      if (places.size === 0 && this.#taken.get(key) === places) this.#taken.delete(key);
    };
  }
}
