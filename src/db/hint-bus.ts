/** "Group G of app A is at version V": sent after commit, never relied on. */
export interface Hint {
  appId: number;
  gid: number;
  version: number;
}

/** Hands hints around within the process; other processes are reached by what listens here. */
export class HintBus {
  readonly #listeners = new Set<(hint: Hint, own: boolean) => void>();

  /** @param listener `own`: the hint is about a commit of this process */
  subscribe(listener: (hint: Hint, own: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(hint: Hint, own = true): void {
    for (const listener of this.#listeners) listener(hint, own);
  }
}
