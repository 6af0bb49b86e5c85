import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupState, LoggedChange, SnapshotRecord, WatcherRecord } from './checker.ts';
import { type Connection, connectEvents, connectSocket, type Event } from './connections.ts';
import type { Random } from './random.ts';

const MEMBERS = 'members { address permissions { send } } memberCount';
const EVENT = `__typename cursor gid version
  ... on GroupAdded { settings { name } } ... on GroupUpdated { settings { name } }
  ... on MembersAdded { ${MEMBERS} } ... on MembersUpdated { ${MEMBERS} } ... on MembersRemoved { addresses memberCount }`;
const SNAPSHOT = `subscription ($gid: ID!) { groupChanges(gid: $gid, snapshot: true) { ${EVENT}
  ... on GroupSnapshot { page settings { name } members { address permissions { send } } } } }`;
const GROUP = `subscription ($gid: ID!, $after: Cursor) { groupChanges(gid: $gid, after: $after) { ${EVENT} } }`;
const APP = `subscription ($after: Cursor) { appChanges(after: $after) { ${EVENT} } }`;

/** Ends that mean: come again with the last cursor. */
const COME_AGAIN = ['lost', 'cut', 'SERVER_STOPPING', 'INTERNAL_SERVER_ERROR', 'TIMEOUT', 'OVERLOADED'];

/** What came with an event, for the checker. */
export function changeOf({ __typename: kind, gid, version, memberCount, members, addresses, settings }: Event): LoggedChange {
  const change: LoggedChange = { gid, version, kind };
  if (memberCount !== undefined) change.memberCount = memberCount;
  if (kind === 'MembersAdded') change.added = members.map(({ address }: Event) => address);
  if (members) change.states = members.map(({ address, permissions }: Event) => `${address} ${permissions.send}`);
  if (addresses) change.removed = addresses;
  if (settings) change.name = settings.name;
  return change;
}

export interface WatcherOptions {
  name: string;
  transport: 'websocket' | 'sse';
  token: string;
  random: Random;
  urls: readonly string[];
  /** null: the whole app. */
  gid: string | null;
  /** Where it begins; undefined: at the present, which it has to reach before anything is written. */
  after?: string;
  from: ReadonlyMap<string, number>;
}

/** Watches, comes again with its last cursor whenever its connection is gone, and writes down what it got. */
export class Watcher {
  readonly got: LoggedChange[] = [];
  /** An end that no watcher should see. */
  failure: string | undefined;
  /** A GroupDeleted completed it. */
  completed = false;
  resumed = 0;
  stalls = 0;
  /** How often a gateway said that it stops. */
  stoppings = 0;
  readonly running: Promise<void>;
  protected readonly options: WatcherOptions;
  #cursor: string | undefined;
  #connection: Connection | undefined;
  #stopped = false;

  constructor(options: WatcherOptions) {
    this.options = options;
    this.#cursor = options.after;
    this.running = this.#run();
  }

  get record(): WatcherRecord {
    const { name, from, gid } = this.options;
    return { name, from, all: gid === null, got: this.got, completed: this.completed };
  }

  get started(): boolean {
    return this.#cursor !== undefined;
  }

  /** Whether it has as much as the log has for it. */
  has(log: readonly LoggedChange[]): boolean {
    const { gid, from } = this.options;
    if (gid === null) return this.got.length >= log.length;
    const changes = log.filter((change) => change.gid === gid);
    const over = changes.at(-1)?.kind !== 'GroupDeleted' || this.completed;
    return over && this.got.length >= changes.length - (from.get(gid) ?? 0);
  }

  async #run(): Promise<void> {
    await sleep(0); // what extends this is not made yet
    while (!this.#stopped && !this.completed && !this.failure) {
      const end = await this.#watch();
      if (end === 'SERVER_STOPPING') this.stoppings++;
      if (end === 'complete' && this.got.at(-1)?.kind === 'GroupDeleted') this.completed = true;
      else if (!COME_AGAIN.includes(end)) this.failure = end;
      this.resumed++;
      await sleep(this.options.random.between(20, 150));
    }
  }

  /** What it asks for each time. */
  protected operation(): { query: string; variables: object } {
    const { gid } = this.options;
    const after = this.#cursor;
    return gid === null ? { query: APP, variables: { after } } : { query: GROUP, variables: { gid, after } };
  }

  #watch(): Promise<string> {
    const { transport, token, urls, random } = this.options;
    const operation = { ...this.operation(), token };
    return new Promise((resolve) => {
      const connect = transport === 'sse' ? connectEvents : connectSocket;
      this.#connection = connect(random.pick(urls), operation, { event: (event) => this.take(event), end: resolve });
      if (this.#stopped) this.#connection.cut();
    });
  }

  protected take(event: Event): void {
    this.#cursor = event['cursor'];
    if (event['__typename'] !== 'Ready' && event['__typename'] !== 'Checkpoint') this.got.push(changeOf(event));
  }

  cut(): void {
    this.#connection?.cut();
  }

  /** Reads nothing for a while. */
  async stall(ms: number): Promise<void> {
    const connection = this.#connection;
    this.stalls++;
    connection?.pause();
    await sleep(ms);
    connection?.resume();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.cut();
    await this.running;
  }
}

interface Session {
  version: number;
  got: LoggedChange[];
  states: GroupState[];
}

/** Begins anew with a snapshot whenever its connection is gone, and keeps the group up to date by what comes. */
export class SnapshotWatcher extends Watcher {
  readonly #sessions: Session[] = [];
  #page = 0;
  #name: string | null = null;
  readonly #members = new Map<string, string>();

  get snapshotRecord(): SnapshotRecord {
    const { name, gid } = this.options;
    return { name, gid: gid ?? '', sessions: this.#sessions };
  }

  override has(log: readonly LoggedChange[]): boolean {
    const last = this.#sessions.at(-1);
    const length = log.filter(({ gid }) => gid === this.options.gid).length;
    return last !== undefined && last.states.length > 0 && last.version + last.got.length >= length;
  }

  protected override operation(): { query: string; variables: object } {
    this.#page = 0;
    return { query: SNAPSHOT, variables: { gid: this.options.gid } };
  }

  protected override take(event: Event): void {
    const session = this.#sessions.at(-1);
    if (event['__typename'] === 'GroupSnapshot') this.#takePage(event);
    else if (!session || this.#page === 0) this.failure = 'a snapshot that does not begin with its first page';
    else if (event['__typename'] === 'Ready') this.#note(session);
    else if (event['__typename'] !== 'Checkpoint') this.#apply(session, changeOf(event));
  }

  #takePage({ page, version, settings, members }: Event): void {
    if (page !== ++this.#page) this.failure = `page ${page} of a snapshot in the place of ${this.#page}`;
    if (page === 1) {
      this.#members.clear();
      this.#sessions.push({ version, got: [], states: [] });
    }
    this.#name = settings.name;
    for (const { address, permissions } of members) this.#members.set(address, `${address} ${permissions.send}`);
  }

  #apply(session: Session, change: LoggedChange): void {
    this.got.push(change);
    session.got.push(change);
    const { name, states = [], removed = [] } = change;
    if (name !== undefined) this.#name = name;
    for (const text of states) this.#members.set(text.slice(0, text.lastIndexOf(' ')), text);
    for (const address of removed) this.#members.delete(address);
  }

  #note(session: Session): void {
    const version = session.got.at(-1)?.version ?? session.version;
    session.states.push({ version, name: this.#name, members: [...this.#members.values()] });
  }

  /** Its last connection is over: what it knows is what it ends with. */
  override async stop(): Promise<void> {
    await super.stop();
    const last = this.#sessions.at(-1);
    if (last && last.states.length > 0) this.#note(last);
  }
}
