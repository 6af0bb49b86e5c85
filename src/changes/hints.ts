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
  /** Sends payloads; failures are swallowed: a lost hint costs the poll's half second. */
  send(payloads: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Hears a payload that a process sent, this one included. */
export type HintListener = (payload: string) => void;

/** A database has one set of channels for all of its schemas, and the gateways on one schema are not those on another. */
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

// A payload is words with a blank behind each. Who does not know a word passes over it, so that versions of ours mix.
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
 * Carries hints between this process and others: those of commits here go out, after commit and gathered for a few
 * milliseconds; those of others come in as if they were ours. Gives what ends it.
 */
export async function connectHints(
  db: Database,
  open: (hear: HintListener) => Promise<HintTransport>,
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
 * LISTEN on a connection of its own, which is made again when it is lost, and NOTIFY outside of every writing transaction
 * (it takes a lock over all commits).
 * @param url past a pooler, which would lose LISTEN
 */
export async function listenNotify(db: Database, url: string, hear: HintListener, log: Logger): Promise<HintTransport> {
  const channel = channelOf(db.schema);
  let closed = false;
  let client: pg.Client | undefined;
  let echo: (() => void) | undefined;

  async function connect(): Promise<void> {
    const opened = new pg.Client({
      connectionString: url,
      application_name: 'rollcall-hints',
      keepAlive: true,
      connectionTimeoutMillis: CONNECTED_WITHIN,
      query_timeout: CONNECTED_WITHIN,
    });
    opened.on('error', () => {}); // 'end' follows
    opened.on('notification', ({ payload = '' }) => {
      if (payload.startsWith('echo')) echo?.();
      else hear(payload);
    });
    try {
      await opened.connect();
      await opened.query(`listen ${channel}`);
      if (closed) throw new Error('closed meanwhile');
    } catch (error) {
      void opened.end();
      throw error;
    }
    client = opened;
    // Only now: the end of one that never got here is for the loop that tried, or each would start another.
    opened.once('end', () => {
      if (!closed) void reconnect();
    });
  }

  async function reconnect(): Promise<void> {
    log.warn('the connection for hints was lost; the poll carries them until it is back');
    while (!closed) {
      await sleep(RECONNECT, undefined, { ref: false });
      const back = await connect().then(
        () => true,
        () => false,
      );
      if (back) return;
    }
  }

  /** Behind a pooler in transaction mode LISTEN succeeds and hears nothing. */
  async function checkEcho(): Promise<void> {
    const heard = new Promise<boolean>((resolve) => {
      echo = () => resolve(true);
    });
    await db.query(NOTIFY, [channel, 'echo']);
    if (await Promise.race([heard, sleep(ECHO_WITHIN, false, { ref: false })])) return;
    if (!closed)
      log.warn('LISTEN hears nothing, as behind a pooler: set DIRECT_DATABASE_URL. Until then the poll carries the hints.');
  }

  await connect().catch((error: unknown) => {
    log.warn({ err: error }, 'could not LISTEN for hints');
    void reconnect();
  });
  void checkEcho().catch(() => {});
  return {
    async send(payloads) {
      for (const payload of payloads) await db.query(NOTIFY, [channel, payload]);
    },
    async close() {
      closed = true;
      await client?.end().catch(() => {});
    },
  };
}

/**
 * Redis, through Yoga's event target for it.
 * @param schema that of the gateway's tables
 */
export async function redisHints(url: string, hear: HintListener, log: Logger, schema = 'public'): Promise<HintTransport> {
  const channel = channelOf(schema);
  const [{ Redis }, { createRedisEventTarget }] = await Promise.all([
    import('ioredis'),
    import('@graphql-yoga/redis-event-target'),
  ]);
  // Commands fail at once while Redis is away: the poll carries the hints. Subscriptions are made again when it is back.
  const options = { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect: true, commandTimeout: PUBLISHED_WITHIN };
  const publishClient = new Redis(url, options);
  const subscribeClient = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null });
  for (const client of [publishClient, subscribeClient]) {
    client.on('error', (error: Error) => log.debug({ err: error }, 'Redis is away; the poll carries the hints'));
    client.connect().catch(() => log.warn('Redis does not answer; the poll carries the hints until it does'));
  }
  // The target leaves its promises alone, and one that fails with nobody to hear it ends the process.
  const clients = {
    publishClient: { publish: (channel: string, text: string) => publishClient.publish(channel, text).catch(lost) },
    subscribeClient: {
      on: subscribeClient.on.bind(subscribeClient),
      subscribe: (channel: string) => subscribeClient.subscribe(channel).catch(lost),
    },
  };
  function lost(error: Error): void {
    log.debug({ err: error }, 'hints were lost');
    // A Redis that hangs: on this connection everything to come would wait behind it.
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
