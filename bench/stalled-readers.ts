/** The readers of `stalled.ts`, a process that it forks: it says "begin", "resume" and "finish", and ends when that one does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, connectEvents, connectSocket, type Event } from '../test/soak/connections.ts';

export interface Watched {
  gid: string;
  cursor: string;
  readers: number;
  /** One reader of each transport reads nothing from "begin" to "resume". */
  stalls: boolean;
}

export type Told =
  | { kind: 'begin'; url: string; token: string; watched: Watched[] }
  | { kind: 'resume' }
  /** The last version of each group. */
  | { kind: 'finish'; versions: Record<string, number> };

export interface Finished {
  deliveries: number;
  faults: string[];
  othersResumed: number;
  othersDone: number;
  stalled: {
    transport: string;
    connections: number;
    behind: number;
    secondsToCatchUp: number | null;
    everyVersionOnce: boolean;
  }[];
}

const QUERY = `subscription ($gid: ID!, $after: Cursor) { groupChanges(gid: $gid, after: $after) { __typename cursor version
  ... on MembersAdded { members { address } } ... on MembersRemoved { addresses }
  ... on MembersUpdated { members { address permissions { send } } } } }`;
const GIVE_UP = 120_000;

/** Reconnects with its cursor whenever its connection is lost. */
class Reader {
  readonly gid: string;
  readonly transport: string;
  readonly stalls: boolean;
  readonly faults: string[] = [];
  version = 1;
  connections = 0;
  ready = false;
  caughtUp: number | undefined;
  #cursor: string;
  #connection: Connection | undefined;

  constructor({ gid, cursor, stalls }: Watched, transport: string) {
    this.gid = gid;
    this.transport = transport;
    this.stalls = stalls;
    this.#cursor = cursor;
  }

  connect(url: string, token: string): void {
    this.connections++;
    const open = this.transport === 'sse' ? connectEvents : connectSocket;
    const operation = { query: QUERY, variables: { gid: this.gid, after: this.#cursor }, token };
    const end = (how: string) => {
      if (how === 'lost') setTimeout(() => this.connect(url, token), 100 + Math.random() * 200);
      else this.faults.push(`a ${this.transport} reader ended with ${how}`);
    };
    this.#connection = open(url, operation, { event: (event) => this.#take(event), end });
  }

  #take({ __typename: kind, cursor, version }: Event): void {
    this.#cursor = cursor;
    if (kind === 'Ready') this.ready = true;
    if (kind === 'Ready' || kind === 'Checkpoint') return;
    if (version !== this.version + 1) this.faults.push(`group ${this.gid}: ${version} behind ${this.version}`);
    this.version = version;
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }
}

let readers: Reader[] = [];
let resumedAt = 0;
let behind = new Map<Reader, number>();

async function begin({ url, token, watched }: Told & { kind: 'begin' }): Promise<void> {
  readers = watched.flatMap((group) =>
    Array.from(
      { length: group.readers },
      (_, n) => new Reader({ ...group, stalls: group.stalls && n < 2 }, n % 2 ? 'sse' : 'websocket'),
    ),
  );
  for (const [index, reader] of readers.entries()) {
    reader.connect(url, token);
    if (index % 50 === 49) await sleep(50); // not all handshakes at once
  }
  while (!readers.every(({ ready }) => ready)) await sleep(50);
  for (const reader of readers) if (reader.stalls) reader.pause();
  process.send?.('begun');
}

function resume(): void {
  resumedAt = performance.now();
  const stalled = readers.filter(({ stalls }) => stalls);
  behind = new Map(stalled.map((reader) => [reader, reader.version]));
  for (const reader of stalled) reader.resume();
}

async function finish({ versions }: Told & { kind: 'finish' }): Promise<void> {
  const hasAll = (reader: Reader) => reader.version >= (versions[reader.gid] ?? 0);
  const until = performance.now() + GIVE_UP;
  while (performance.now() < until && !readers.every(hasAll)) {
    for (const reader of readers) if (hasAll(reader)) reader.caughtUp ??= performance.now();
    await sleep(50);
  }
  await sleep(1_000); // to catch events that should not come
  for (const reader of readers) {
    if (hasAll(reader)) reader.caughtUp ??= performance.now();
    const last = versions[reader.gid] ?? 0;
    if (reader.version !== last) reader.faults.push(`group ${reader.gid}: ended with ${reader.version} of ${last}`);
  }
  const others = readers.filter(({ stalls }) => !stalls);
  const finished: Finished = {
    deliveries: readers.reduce((sum, { version }) => sum + version - 1, 0),
    faults: readers.flatMap(({ faults }) => faults),
    othersResumed: others.reduce((sum, { connections }) => sum + connections - 1, 0),
    othersDone: others.filter(({ faults }) => faults.length === 0).length,
    stalled: [...behind].map(([reader, version]) => ({
      transport: reader.transport,
      connections: reader.connections,
      behind: (versions[reader.gid] ?? 0) - version,
      secondsToCatchUp: reader.caughtUp ? Math.round((reader.caughtUp - resumedAt) / 100) / 10 : null,
      everyVersionOnce: reader.faults.length === 0,
    })),
  };
  process.send?.(finished);
}

process.on('disconnect', () => process.exit());
process.on('message', (told: Told) => {
  if (told.kind === 'begin') void begin(told);
  if (told.kind === 'resume') resume();
  if (told.kind === 'finish') void finish(told);
});
