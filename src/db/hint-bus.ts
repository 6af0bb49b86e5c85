/** "Group G of app A is at version V": sent after commit, never relied on. */
export interface Hint {
  appId: number;
  gid: number;
  version: number;
}

type HintListener = (hint: Hint, own: boolean) => void;
type RevocationListener = (own: boolean) => unknown;

/** Passes hints on within the process. What connects processes listens here too. */
export class HintBus {
  readonly #listeners = new Set<HintListener>();
  readonly #revocationListeners = new Set<RevocationListener>();

  /** @param listener `own`: the hint is about a commit of this process */
  subscribe(listener: HintListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(hint: Hint, own = true): void {
    for (const listener of this.#listeners) listener(hint, own);
  }

  /**
   * @param listener called when tokens were revoked; `own`: by this process, which may also hear of it from outside. A request
   * that revokes waits for the promise that it returns.
   */
  onRevocation(listener: RevocationListener): () => void {
    this.#revocationListeners.add(listener);
    return () => this.#revocationListeners.delete(listener);
  }

  /** To be called after the commit of a revocation. Resolves when all listeners are done. */
  async publishRevocation(own = true): Promise<void> {
    await Promise.all([...this.#revocationListeners].map((listener) => listener(own)));
  }
}
