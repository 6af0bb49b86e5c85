import type { ChangeRecord } from '../changes/log/read.ts';
import type { GroupTail } from '../changes/streams/group-tail.ts';
import type { WatchHub } from '../changes/streams/hub.ts';
import type { Waiting } from '../changes/streams/subscriber.ts';
import type { Database } from '../db/client.ts';
import { statement } from '../db/sql.ts';
import { bool, int4, int8 } from '../db/types.ts';
import type { Group } from '../model/group.ts';
import {
  addressesIn,
  addressesOf,
  answerOf,
  keyOf,
  type PermissionAnswer,
  type PermissionWatcher,
  type Question,
} from './permission-answers.ts';
import { findGroupToAsk } from './read/permission-checks.ts';
import { findStandings } from './read/standings.ts';
import { ROWS_A_STATEMENT } from './write/group-write.ts';

/** A group's start or expiry is checked this much later, in milliseconds, so that a difference of clocks does not matter. */
const AFTER_DUE = 20;
const LONGEST_TIMER = 2 ** 31 - 1;
/** Those who have to ask again wait so long for others, in milliseconds. */
const GATHER = 50;
/** A poll is taken for an answer if it was sent no longer ago than this many of its intervals. */
const POLLS = 3;

const DELETED = statement({
  name: 'permissions_deleted',
  parameters: [int4, int8],
  columns: { deleted: bool },
  text: 'select not exists (select from groups where app_id = $1 and gid = $2 and deleted_at is null) as deleted',
});

const readers = new WeakMap<GroupTail, PermissionReader>();

/** Reads, for all who watch permissions in one group on this gateway, what a change of it may have changed for them. */
export class PermissionReader implements Waiting {
  readonly #hub: WatchHub;
  readonly #db: Database;
  readonly #tail: GroupTail;
  readonly #watchers = new Set<PermissionWatcher>();
  /** By the addresses whose membership matters: the one asked about, and the one that asks. */
  readonly #byAddress = new Map<string, Set<PermissionWatcher>>();
  #pending = new Set<PermissionWatcher>();
  #answered = Promise.withResolvers<void>();
  #asking: ReadonlySet<PermissionWatcher> = new Set();
  #moved = false;
  #working = false;
  /** The answers of all who are not pending hold at this version; undefined: not known, so all have to be asked for. */
  #version: number | undefined;
  #history = 0;
  /** When the group starts or expires next, by performance.now(). */
  #due = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;

  /** The reader of a tail, which it is for all its watchers. */
  static of(hub: WatchHub, tail: GroupTail): PermissionReader {
    const reader = readers.get(tail) ?? new PermissionReader(hub, tail);
    readers.set(tail, reader);
    return reader;
  }

  private constructor(hub: WatchHub, tail: GroupTail) {
    this.#hub = hub;
    this.#db = hub.db.as({ app: tail.appId, token: 'watchers', user: null });
    this.#tail = tail;
  }

  /** To be called before the first `ask`: from then on nothing that concerns the watcher is missed. */
  join(watcher: PermissionWatcher): void {
    this.#watchers.add(watcher);
    this.#tail.subscribers.add(this);
    for (const address of addressesOf(watcher)) {
      const those = this.#byAddress.get(address) ?? new Set();
      this.#byAddress.set(address, those.add(watcher));
    }
  }

  leave(watcher: PermissionWatcher): void {
    this.#watchers.delete(watcher);
    this.#pending.delete(watcher);
    for (const address of addressesOf(watcher)) {
      const those = this.#byAddress.get(address);
      those?.delete(watcher);
      if (those?.size === 0) this.#byAddress.delete(address);
    }
    if (this.#watchers.size > 0) return;
    this.#tail.subscribers.delete(this);
    readers.delete(this.#tail);
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
  }

  /** Reads the present state for a watcher, together with all others that wait for one. */
  ask(watcher: PermissionWatcher): Promise<void> {
    this.#pending.add(watcher);
    const { promise } = this.#answered;
    this.#begin();
    return promise;
  }

  /** The same for who has an answer, whose turn to repeat it comes at about the same time as that of others. */
  askAgain(watcher: PermissionWatcher): Promise<void> {
    this.#pending.add(watcher);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#begin();
    }, GATHER);
    return this.#answered.promise;
  }

  /**
   * When a watcher's answer was last known to hold, without a statement of its own: by the polls, which read the group's
   * version. By performance.now(); undefined: it has to be asked for.
   */
  heldAt(watcher: PermissionWatcher): number | undefined {
    const now = performance.now();
    if (this.#version === undefined || this.#tail.history !== this.#history || now >= this.#due) return undefined;
    if (this.#pending.has(watcher) || this.#asking.has(watcher)) return undefined;
    const polled = this.#tail.pollOf(this.#version);
    return polled !== undefined && now - polled <= POLLS * this.#hub.pollInterval ? polled : undefined;
  }

  wake(): void {
    this.#moved = true;
    this.#begin();
  }

  #begin(): void {
    if (this.#working) return;
    this.#working = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    while (this.#moved || this.#pending.size > 0) {
      this.#moved = false;
      this.#collect();
      const [asked, { resolve }] = [this.#pending, this.#answered];
      if (asked.size === 0) continue;
      this.#pending = new Set();
      this.#answered = Promise.withResolvers();
      this.#asking = asked;
      const list = [...asked];
      for (let from = 0; from < list.length; from += ROWS_A_STATEMENT) {
        await this.#answer(list.slice(from, from + ROWS_A_STATEMENT));
      }
      this.#asking = new Set();
      resolve();
    }
    this.#working = false;
  }

  /** Finds who is concerned by what is new. */
  #collect(): void {
    if (this.#version === undefined) return;
    let records: readonly ChangeRecord[] | undefined;
    do {
      records = this.#tail.history === this.#history ? this.#tail.after(this.#version) : undefined;
      for (const record of records ?? []) this.#concern(record);
      this.#version = records?.at(-1)?.version ?? this.#version;
    } while (records && records.length > 0);
    if (!records) this.#lose();
  }

  #lose(): void {
    this.#version = undefined;
    this.#pending = new Set(this.#watchers);
  }

  #concern(record: ChangeRecord): void {
    const addresses = addressesIn(record);
    if (!addresses) this.#pending = new Set(this.#watchers);
    else for (const address of addresses) for (const watcher of this.#byAddress.get(address) ?? []) this.#pending.add(watcher);
  }

  async #answer(asked: readonly PermissionWatcher[]): Promise<void> {
    const answers = await this.#read(asked).catch((error: unknown) => asked.map((): PermissionAnswer => ({ error })));
    for (const [index, watcher] of asked.entries()) {
      const before = watcher.answer;
      const answer = answers[index] as PermissionAnswer;
      watcher.answer = answer;
      if (!(before && 'text' in before && 'text' in answer && before.text === answer.text)) watcher.subscriber.wake();
    }
  }

  async #read(asked: readonly PermissionWatcher[]): Promise<PermissionAnswer[]> {
    const db = this.#db;
    const { appId, gid, known } = this.#tail;
    const found = await findGroupToAsk(
      db,
      asked.map(({ viewer }) => viewer),
      gid,
    );
    if (!found) return asked.map(await this.#refusal(asked));
    const { group, mayAsk } = found;
    // A change that is committed while the members are read moves the tail again.
    const history = this.#tail.meet(known, group);
    if (this.#version === undefined) {
      this.#version = group.version;
      this.#history = history;
    }
    this.#schedule(group);
    const keys = new Map<string, Question>();
    for (const watcher of asked) {
      const { address, messageType, viewer } = watcher;
      if (mayAsk(viewer, address)) keys.set(keyOf(watcher), { gid, address, messageType });
    }
    const standings = await findStandings(db, appId, [...keys.values()]);
    const answers = new Map([...keys].map(([key, question], index) => [key, answerOf(question, standings[index], group.readAt)]));
    return asked.map((watcher) =>
      mayAsk(watcher.viewer, watcher.address)
        ? (answers.get(keyOf(watcher)) as PermissionAnswer)
        : { refused: true, deleted: false },
    );
  }

  /** Of a group that is not found: whether it was deleted matters only to who was answered before. */
  async #refusal(asked: readonly PermissionWatcher[]): Promise<() => PermissionAnswer> {
    const { appId, gid } = this.#tail;
    const watched = asked.some(({ answer }) => answer && 'state' in answer);
    const [row] = watched ? await this.#db.query(DELETED, [appId, gid]) : [];
    const deleted = watched && (row?.deleted ?? true);
    return () => ({ refused: true, deleted });
  }

  /** Has everyone asked for when the group starts or expires. */
  #schedule({ startsAt, expiresAt, readAt }: Group): void {
    clearTimeout(this.#timer);
    if (this.#watchers.size === 0) return;
    const left = Math.min(
      ...[startsAt, expiresAt].map((time) => time.getTime() - readAt.getTime()).filter((ms) => ms > 0),
      Number.POSITIVE_INFINITY,
    );
    this.#due = performance.now() + left;
    const ask = () => {
      this.#pending = new Set(this.#watchers);
      this.#begin();
    };
    this.#timer = setTimeout(ask, Math.min(left + AFTER_DUE, LONGEST_TIMER));
    this.#timer.unref();
  }
}
