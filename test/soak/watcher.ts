import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggedChange, WatcherRecord } from './checker.ts';
import { type Connection, connectEvents, connectSocket, type Event } from './connections.ts';
import type { Random } from './random.ts';

const MEMBERS = 'members { address permissions { send } } memberCount';
const EVENT = `__typename cursor gid version
  ... on GroupAdded { settings { name } } ... on GroupUpdated { settings { name } }
  ... on MembersAdded { ${MEMBERS} } ... on MembersUpdated { ${MEMBERS} } ... on MembersRemoved { addresses memberCount }`;
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
  readonly record: WatcherRecord;
  readonly got: LoggedChange[] = [];
  /** An end that no watcher should see. */
  failure: string | undefined;
  /** A GroupDeleted completed it. */
  complete = false;
  resumed = 0;
  stalls = 0;
  readonly running: Promise<void>;
  readonly #options: WatcherOptions;
  #cursor: string | undefined;
  #connection: Connection | undefined;
  #stopped = false;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#cursor = options.after;
    this.record = { name: options.name, from: options.from, all: options.gid === null, got: this.got };
    this.running = this.#run();
  }

  get started(): boolean {
    return this.#cursor !== undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.complete && !this.failure) {
      const end = await this.#watch();
      if (end === 'complete' && this.got.at(-1)?.kind === 'GroupDeleted') this.complete = true;
      else if (!COME_AGAIN.includes(end)) this.failure = end;
      this.resumed++;
      await sleep(this.#options.random.between(20, 150));
    }
  }

  #watch(): Promise<string> {
    const { transport, token, urls, gid, random } = this.#options;
    const operation = {
      query: gid === null ? APP : GROUP,
      variables: { after: this.#cursor, ...(gid === null ? {} : { gid }) },
      token,
    };
    return new Promise((resolve) => {
      const connect = transport === 'sse' ? connectEvents : connectSocket;
      this.#connection = connect(random.pick(urls), operation, { event: (event) => this.#take(event), end: resolve });
      if (this.#stopped) this.#connection.cut();
    });
  }

  #take(event: Event): void {
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
