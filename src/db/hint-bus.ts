/** "Group G of app A is at version V": sent after commit, never relied on. */
export interface Hint {
  appId: number;
  gid: number;
  version: number;
}

type HintListener = (hint: Hint, own: boolean) => void;
type RevocationListener = (own: boolean) => unknown;

/** Hands hints around within the process; other processes are reached by what listens here. */
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
   * @param listener told that tokens were revoked; `own`: by this process, which may hear of it from outside once more.
   * Whoever revoked waits for what it returns.
   */
  onRevocation(listener: RevocationListener): () => void {
    this.#revocationListeners.add(listener);
    return () => this.#revocationListeners.delete(listener);
  }

  /** After the commit that revoked them. Resolves when this process knows of it. */
  async publishRevocation(own = true): Promise<void> {
    await Promise.all([...this.#revocationListeners].map((listener) => listener(own)));
  }
}
