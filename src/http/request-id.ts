import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

const requests = new AsyncLocalStorage<{ id: string; begun: number }>();

/** Handles a request under an id: the caller's if it is well-formed, else a new one. */
export function withRequestId<T>(given: string | null | undefined, handle: () => T): T {
  const id = given && /^[\w.:-]{1,100}$/.test(given) ? given : randomUUID();
  return requests.run({ id, begun: performance.now() }, handle);
}

/** The id of the request that is being handled; '' outside of one. */
export function currentRequestId(): string {
  return requests.getStore()?.id ?? '';
}

/** Milliseconds since the handling of the request began, rounded to a tenth. */
export function currentRequestMs(): number {
  const begun = requests.getStore()?.begun ?? performance.now();
  return Math.round((performance.now() - begun) * 10) / 10;
}
