import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CustomEvent } from '@whatwg-node/events';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Database } from '../db/client.ts';
import type { Hint, HintBus } from '../db/hint-bus.ts';
import { statement } from '../db/sql.ts';
import { text } from '../db/types.ts';

/** How payloads reach the other gateways. */
export interface HintTransport {
  /** Sends payloads. A lost hint costs the poll's half second. */
  send(payloads: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Called with each payload that any process sent, this one included. */
export type PayloadListener = (payload: string) => void;

/** Channels belong to the whole database, but gateways on different schemas must not hear each other. */
function channelOf(schema: string): string {
  return schema === 'public'
    ? 'rollcall_hints'
    : `rollcall_hints_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}`;
}

const COALESCE = 5; // milliseconds in which hints are gathered
const MAX_PAYLOAD = 7_500; // bytes; NOTIFY takes 8,000
const RECONNECT = 1_000;
const ECHO_WITHIN = 2_000;
const CONNECTED_WITHIN = 5_000;
const PUBLISHED_WITHIN = 2_000;

// A payload is words, each followed by a space. Unknown words are ignored, so that versions of the gateway can be mixed.
const REVOKED = 'revoked';
const wordOf = ({ appId, gid, version }: Hint) => `${appId}:${gid}:${version}`;

function payloadsOf(words: readonly string[]): string[] {
  const payloads = [''];
  for (const word of words) {
    if ((payloads.at(-1) as string).length + word.length >= MAX_PAYLOAD) payloads.push('');
    payloads[payloads.length - 1] += `${word} `;
  }
  return payloads.filter((payload) => payload !== '');
}

function publishAll(payload: string, bus: HintBus): void {
  for (const word of payload.split(' ')) {
    const [, appId, gid, version] = /^(\d+):(\d+):(\d+)$/.exec(word) ?? [];
    if (version) bus.publish({ appId: Number(appId), gid: Number(gid), version: Number(version) }, false);
    else if (word === REVOKED) void bus.publishRevocation(false);
  }
}

/**
 * Carries hints between this process and others: hints of commits here are gathered for a few milliseconds and sent; hints of
 * other processes are published here. Returns a function that ends it.
 */
export async function connectHints(
  db: Database,
  open: (hear: PayloadListener) => Promise<HintTransport>,
  log: Logger,
): Promise<() => Promise<void>> {
  const waiting = new Map<string, Hint>();
  let revoked = false;
  const transport = await open((payload) => publishAll(payload, db.hints));
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    timer = undefined;
    const words = [...(revoked ? [REVOKED] : []), ...[...waiting.values()].map(wordOf)];
    waiting.clear();
    revoked = false;
    transport.send(payloadsOf(words)).catch((error: unknown) => log.debug({ err: error }, 'hints were lost'));
  };
  const flushSoon = () => {
    timer ??= setTimeout(flush, COALESCE);
  };
  const unsubscribe = db.hints.subscribe((hint, own) => {
    if (!own) return;
    const key = `${hint.appId}:${hint.gid}`;
    if ((waiting.get(key)?.version ?? 0) >= hint.version) return;
    waiting.set(key, hint);
    flushSoon();
  });
  const unsubscribeRevocations = db.hints.onRevocation((own) => {
    if (!own) return;
    revoked = true;
    flushSoon();
  });
  return async () => {
    unsubscribe();
    unsubscribeRevocations();
    clearTimeout(timer);
    await transport.close();
  };
}

const NOTIFY = statement({
  name: 'hints_notify',
  parameters: [text, text],
  columns: { pg_notify: text },
  text: 'select pg_notify($1, $2)::text',
  only: 'postgres',
});

/**
 * LISTEN on a connection of its own, which is opened again when it is lost, and NOTIFY outside of writing transactions, where
 * it would take a lock over all commits.
 * @param url of the server itself: LISTEN does not work through a pooler
 */
export async function listenNotify(db: Database, url: string, hear: PayloadListener, log: Logger): Promise<HintTransport> {
  const listener = new NotifyListener(db, url, hear, log);
  await listener.start();
  return listener;
}

class NotifyListener implements HintTransport {
  readonly #db: Database;
  readonly #url: string;
  readonly #hear: PayloadListener;
  readonly #log: Logger;
  readonly #channel: string;
  #closed = false;
  #client: pg.Client | undefined;
  #onEcho: (() => void) | undefined;

  constructor(db: Database, url: string, hear: PayloadListener, log: Logger) {
    this.#db = db;
    this.#url = url;
    this.#hear = hear;
    this.#log = log;
    this.#channel = channelOf(db.schema);
  }

  async start(): Promise<void> {
    await this.#connect().catch((error: unknown) => {
      this.#log.warn({ err: error }, 'could not LISTEN for hints');
      void this.#reconnect();
    });
    void this.#checkEcho().catch(() => {});
  }

  async send(payloads: readonly string[]): Promise<void> {
    for (const payload of payloads) await this.#db.query(NOTIFY, [this.#channel, payload]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.end().catch(() => {});
  }

  async #connect(): Promise<void> {
    const opened = new pg.Client({
      connectionString: this.#url,
      application_name: 'rollcall-hints',
      keepAlive: true,
      connectionTimeoutMillis: CONNECTED_WITHIN,
      query_timeout: CONNECTED_WITHIN,
    });
    opened.on('error', () => {}); // 'end' follows
    opened.on('notification', ({ payload = '' }) => {
      if (payload.startsWith('echo')) this.#onEcho?.();
      else this.#hear(payload);
    });
    try {
      await opened.connect();
      await opened.query(`listen ${this.#channel}`);
      if (this.#closed) throw new Error('closed meanwhile');
    } catch (error) {
      void opened.end();
      throw error;
    }
    this.#client = opened;
    // Only now: the loop that tries handles earlier failures itself; otherwise each of them would start another loop.
    opened.once('end', () => {
      if (!this.#closed) void this.#reconnect();
    });
  }

  async #reconnect(): Promise<void> {
    this.#log.warn('the connection for hints was lost; the poll carries them until it is back');
    while (!this.#closed) {
      await sleep(RECONNECT, undefined, { ref: false });
      const back = await this.#connect().then(
        () => true,
        () => false,
      );
      if (back) return;
    }
  }

  /** Through a pooler in transaction mode LISTEN succeeds but receives nothing. */
  async #checkEcho(): Promise<void> {
    const heard = new Promise<boolean>((resolve) => {
      this.#onEcho = () => resolve(true);
    });
    await this.#db.query(NOTIFY, [this.#channel, 'echo']);
    if (await Promise.race([heard, sleep(ECHO_WITHIN, false, { ref: false })])) return;
    if (!this.#closed)
      this.#log.warn('LISTEN hears nothing, as behind a pooler: set DIRECT_DATABASE_URL. Until then the poll carries the hints.');
  }
}

/**
 * Hints through Redis, with Yoga's event target for it.
 * @param schema the schema of the gateway's tables
 */
export async function redisHints(url: string, hear: PayloadListener, log: Logger, schema = 'public'): Promise<HintTransport> {
  const channel = channelOf(schema);
  const [{ Redis }, { createRedisEventTarget }] = await Promise.all([
    import('ioredis'),
    import('@graphql-yoga/redis-event-target'),
  ]);
  // Commands fail at once while Redis is down: the poll finds the changes. Subscriptions are renewed when it is back.
  const options = { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect: true, commandTimeout: PUBLISHED_WITHIN };
  const publishClient = new Redis(url, options);
  const subscribeClient = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null });
  for (const client of [publishClient, subscribeClient]) {
    client.on('error', (error: Error) => log.debug({ err: error }, 'Redis is away; the poll carries the hints'));
    client.connect().catch(() => log.warn('Redis does not answer; the poll carries the hints until it does'));
  }
  // The event target does not await its promises, and an unhandled rejection would end the process.
  const clients = {
    publishClient: { publish: (channel: string, text: string) => publishClient.publish(channel, text).catch(lost) },
    subscribeClient: {
      on: subscribeClient.on.bind(subscribeClient),
      subscribe: (channel: string) => subscribeClient.subscribe(channel).catch(lost),
    },
  };
  function lost(error: Error): void {
    log.debug({ err: error }, 'hints were lost');
    // Redis hangs: everything else on this connection would wait.
    if (error.message === 'Command timed out') publishClient.disconnect(true);
  }
  const serializer = { stringify: (detail: unknown) => String(detail), parse: (text: string) => text };
  const target = createRedisEventTarget({ ...clients, serializer } as unknown as Parameters<typeof createRedisEventTarget>[0]);
  target.addEventListener(channel, (event) => hear(String((event as CustomEvent<string>).detail)));
  return {
    async send(payloads) {
      if (publishClient.status !== 'ready') return;
      for (const detail of payloads) target.dispatchEvent(new CustomEvent(channel, { detail }));
    },
    async close() {
      publishClient.disconnect();
      subscribeClient.disconnect();
    },
  };
}
