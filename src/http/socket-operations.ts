/** A longer message completes nothing: ids have at most 100 characters. */
const MAX_COMPLETE = 1_000;

/** The operations of a WebSocket, each with a signal that is aborted when its client completes it or is gone. */
export class SocketOperations {
  /** By id. Of several with one id the client has completed all but the last. */
  readonly #running = new Map<string, AbortController[]>();
  #closed = false;

  begin(id: string): AbortSignal {
    const controller = new AbortController();
    if (this.#closed) controller.abort();
    const same = this.#running.get(id);
    if (same) same.push(controller);
    else this.#running.set(id, [controller]);
    return controller.signal;
  }

  /** An operation is over. */
  end(id: string): void {
    const same = this.#running.get(id);
    same?.shift();
    if (same?.length === 0) this.#running.delete(id);
  }

  /** Looks whether a message of the client completes an operation. */
  heard(message: string): void {
    if (message.length > MAX_COMPLETE || !message.includes('"complete"')) return;
    try {
      const { type, id } = JSON.parse(message) as { type?: unknown; id?: unknown };
      if (type === 'complete' && typeof id === 'string') this.#abort(id);
    } catch {
      // The protocol refuses it.
    }
  }

  /** The client is gone. */
  close(): void {
    this.#closed = true;
    for (const id of this.#running.keys()) this.#abort(id);
  }

  #abort(id: string): void {
    for (const controller of this.#running.get(id) ?? []) controller.abort();
  }
}
