/**
 * A gateway that listens, and watchers of it by WebSocket and server-sent events:
 *
 *     const server = await listen(await openTestGateway());
 *     const watch = watchOver('sse', server, token, GROUP_CHANGES, { gid, snapshot: true });
 *     await watch.until(() => watch.events.some(isReady));
 *     expect(await watch.end).toBe('LEFT_GROUP');              // a code, or "complete"
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphQLFormattedError } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { Sql } from '../../src/db/sql.ts';
import type { Gateway } from '../../src/gateway.ts';
import { atEnd } from './at-end.ts';
import { sql } from './database.ts';

export const TRANSPORTS = ['websocket', 'sse'] as const;
export type Transport = (typeof TRANSPORTS)[number];

const MEMBERS = `{ address messageType present permissions { send recv pub sub list } admin { owner admin modify } }`;
const SETTINGS = `{ name active flags validity { startsAt expiresAt extension } messageTypes callSettings { maxDuration }
  permissions { send } typed: permissions(messageType: 7) { send recv } }`;
const CHANGE = `__typename cursor gid version at actor
  ... on GroupAdded { settings ${SETTINGS} group { gid version } }
  ... on GroupUpdated { settings ${SETTINGS} changed group { gid version } }
  ... on GroupStarted { due }
  ... on GroupExpired { due }
  ... on MembersAdded { members ${MEMBERS} memberCount }
  ... on MembersUpdated { members ${MEMBERS} memberCount }
  ... on MembersRemoved { addresses memberCount }
  ... on GroupSnapshot { page settings ${SETTINGS} members ${MEMBERS} }`;

export const GROUP_CHANGES = `subscription ($gid: ID!, $after: Cursor, $snapshot: Boolean) {
  groupChanges(gid: $gid, after: $after, snapshot: $snapshot) { ${CHANGE} }
}`;
export const APP_CHANGES = `subscription ($after: Cursor) { appChanges(after: $after) { ${CHANGE} } }`;
export const MEMBERSHIP_CHANGES = `subscription ($address: String, $after: Cursor, $snapshot: Boolean) {
  membershipChanges(address: $address, after: $after, snapshot: $snapshot) {
    cursor kind gid at actor member ${MEMBERS} group { gid memberCount }
  }
}`;

export interface ListeningGateway {
  /** http://127.0.0.1:PORT/graphql */
  readonly url: string;
  /** Its connections. */
  readonly sockets: ReadonlySet<Socket>;
  stop(): Promise<void>;
}

/** Lets a gateway listen, with WebSockets, until it is stopped or the file's tests end. */
export async function listen(gateway: Gateway): Promise<ListeningGateway> {
  const server = gateway.createServer();
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = atEnd(async () => {
    await gateway.stop();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}/graphql`, sockets, stop };
}

// Streams across groups wait for every open write on the server, including those of tests that run at the same time.
const PATIENCE = 90_000;

/** Waits until a condition is true, and returns its value. The limit only ends a test that would hang. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: () => unknown = () => condition.toString(),
): Promise<NonNullable<T>> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`It never came to be: ${JSON.stringify(what())}`);
    await sleep(10);
  }
}

/** Waits until streams across groups have read every existing record: no write is open that began before them. */
export async function settled(db: Sql): Promise<void> {
  const waiting = `select from changes where generation = (select generation from gateway_state)
    and xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint limit 1`;
  await until(async () => (await sql(db, waiting)).length === 0);
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
export type WatchedEvent = Record<string, any>;

/** What a watcher has received so far. */
export class Watch {
  readonly events: WatchedEvent[] = [];
  /** The ids of server-sent events, one for each event. */
  readonly ids: (string | undefined)[] = [];
  /** The errors with which it ended. */
  errors: readonly GraphQLFormattedError[] = [];
  /** The code of its error, "complete", or how the connection was lost. */
  readonly end: Promise<string>;
  ended: string | undefined;
  #end: (how: string) => void = () => {};
  #stop: () => void = () => {};

  constructor() {
    this.end = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Called by the transport. */
  readonly sink = {
    next: (result: { data?: WatchedEvent | null; errors?: readonly GraphQLFormattedError[] }, id?: string) => {
      if (result.errors) this.sink.error(result.errors);
      else {
        this.events.push(Object.values(result.data ?? {})[0]);
        this.ids.push(id);
      }
    },
    error: (errors: readonly GraphQLFormattedError[]) => {
      this.errors = errors;
    },
    over: (how: string) => {
      this.ended ??= String(this.errors[0]?.extensions?.['code'] ?? this.errors[0]?.message ?? how);
      this.#end(this.ended);
    },
    onStop: (stop: () => void) => {
      this.#stop = stop;
    },
  };

  until(condition: (events: WatchedEvent[]) => unknown): Promise<unknown> {
    const seen = () => ({ ended: this.ended, errors: this.errors, last: this.events.slice(-5), condition: condition.toString() });
    return until(() => condition(this.events), seen);
  }

  /** Waits until it is caught up. */
  ready(): Promise<unknown> {
    return this.until((events) => events.some(isReady));
  }

  get last(): WatchedEvent | undefined {
    return this.events.at(-1);
  }

  /** The change records, without Ready, Checkpoint and snapshots. */
  get records(): WatchedEvent[] {
    return this.events.filter(isRecord);
  }

  /** Drops the connection. */
  async stop(): Promise<void> {
    this.#stop();
    await this.end;
  }
}

export const isReady = ({ __typename, kind }: WatchedEvent) => __typename === 'Ready' || kind === 'READY';
export const isCheckpoint = ({ __typename, kind }: WatchedEvent) => __typename === 'Checkpoint' || kind === 'CHECKPOINT';
export const isRecord = ({ __typename = '' }: WatchedEvent) => !['Ready', 'Checkpoint', 'GroupSnapshot'].includes(__typename);

export interface WatchOptions {
  lastEventId?: string;
}

/** Begins to watch. */
export function watchOver(
  transport: Transport,
  server: { url: string },
  token: string,
  query: string,
  variables: object = {},
  options: WatchOptions = {},
): Watch {
  return transport === 'sse'
    ? watchEvents(server, token, query, variables, options)
    : watchSocket(server, token, query, variables);
}

function watchSocket({ url }: { url: string }, token: string, query: string, variables: object): Watch {
  const watch = new Watch();
  const client = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  client.subscribe<WatchedEvent>(
    { query, variables: variables as Record<string, unknown> },
    {
      next: (result) => watch.sink.next(result),
      error: (error) => {
        if (Array.isArray(error)) watch.sink.error(error);
        watch.sink.over(`closed ${(error as { code?: number }).code ?? String(error)}`);
      },
      complete: () => watch.sink.over('complete'),
    },
  );
  watch.sink.onStop(() => {
    client.terminate();
    watch.sink.over('stopped');
  });
  return watch;
}

function watchEvents(
  { url }: { url: string },
  token: string,
  query: string,
  variables: object,
  { lastEventId }: WatchOptions,
): Watch {
  const watch = new Watch();
  const abort = new AbortController();
  watch.sink.onStop(() => {
    abort.abort();
    watch.sink.over('stopped');
  });
  const headers: Record<string, string> = {
    'Content-Type': 'application/json',
    Accept: 'text/event-stream',
    Authorization: `Bearer ${token}`,
    ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
  };
  void (async () => {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
      signal: abort.signal,
    });
    const take = eventReader(watch);
    for await (const bytes of response.body ?? []) take(bytes);
    watch.sink.over(`closed ${response.status}`);
  })().catch((error: unknown) => watch.sink.over(`lost: ${error}`));
  return watch;
}

/** Parses the bytes of an event stream. */
export function eventReader(watch: Watch): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder();
  let rest = '';
  return (bytes) => {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
    rest = parts.pop() ?? '';
    for (const part of parts) takeEvent(part, watch);
  };
}

function takeEvent(text: string, watch: Watch): void {
  const field = (name: string) =>
    text
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  if (field('event') === 'complete') watch.sink.over('complete');
  if (field('event') === 'next') watch.sink.next(JSON.parse(field('data') ?? ''), field('id'));
}
