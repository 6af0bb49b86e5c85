import { setImmediate as nextTurn } from 'node:timers/promises';
import { appendChanges, type LogHead } from '../../changes/log/append.ts';
import { MEMBERS_A_RECORD, type NewChange } from '../../changes/log/records.ts';
import type { Tx } from '../../db/sql.ts';
import { NotAllowedError } from '../../model/errors.ts';
import type { Group } from '../../model/group.ts';
import { type Actor, missingRight, type Needs } from '../../model/may.ts';

/** A trial came to where the change would be written: it is not refused. */
export class TrialPassedError extends Error {
  override name = 'TrialPassedError';
}

/** The most rows in one statement, so that none blocks the event loop, or the embedded database, for long. */
export const ROWS_A_STATEMENT = 5_000;

/** The list in slices of at most `size`; the event loop runs in between. */
export async function* slices<T>(list: readonly T[], size = ROWS_A_STATEMENT): AsyncGenerator<T[]> {
  for (let from = 0; from < list.length; from += size) {
    if (from > 0) await nextTurn();
    yield list.slice(from, from + size);
  }
}

/**
 * A transaction that holds a group's lock: the group as it is under the lock, and the records to be written. Records are
 * gathered until they may have 5,000 members, so that a small change writes them all in one statement.
 */
export class GroupWrite {
  readonly tx: Tx;
  readonly head: LogHead;
  /** The user who writes, with its rights when the lock was taken; null: an application, which needs no rights. */
  readonly actor: Actor | null;
  /** The group under the lock; the writer keeps it up to date. */
  group: Group;
  readonly #trial: boolean;
  #pending: NewChange[] = [];

  /** @param trial without the lock: to find out whether it would be refused */
  constructor(tx: Tx, group: Group, head: LogHead, actor: Actor | null = null, trial = false) {
    this.tx = tx;
    this.group = group;
    this.head = head;
    this.actor = actor;
    this.#trial = trial;
  }

  get appId(): number {
    return this.head.appId;
  }

  get gid(): number {
    return this.head.gid;
  }

  /** The time of this change. */
  get at(): Date {
    return this.head.at;
  }

  /** The version that the next record gets. */
  get nextVersion(): number {
    return this.head.version + this.#pending.length + 1;
  }

  /** @throws NotAllowedError that names a right which the actor lacks */
  demand(needs: Needs): void {
    const missing = this.actor && missingRight(this.actor, needs);
    if (missing) throw new NotAllowedError(missing);
  }

  /** To be called when all is checked, before anything is written: here a trial ends. */
  begin(): void {
    if (this.#trial) throw new TrialPassedError();
  }

  async record(change: NewChange): Promise<void> {
    this.head.memberCount = change.memberCount;
    this.#pending.push(change);
    if (this.#pending.length >= ROWS_A_STATEMENT / MEMBERS_A_RECORD) await this.flush();
  }

  /** Writes what is pending and brings `group` up to date. */
  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    await appendChanges(this.tx, this.head, pending);
    const { version, mark, memberCount, at } = this.head;
    this.group = { ...this.group, version, mark, memberCount, updatedAt: at };
  }
}
