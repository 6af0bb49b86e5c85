import { setTimeout as sleep } from 'node:timers/promises';
import { CustomEvent } from '@whatwg-node/events';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Database } from '../db/client.ts';
import type { Hint } from '../db/hint-bus.ts';

/** How hints reach the other gateways. */
export interface HintTransport {
  /** Sends hints; failures are swallowed: a lost hint costs the poll's half second. */
  send(hints: readonly Hint[]): Promise<void>;
  close(): Promise<void>;
}

/** Hears hints that another process sent. */
export type HintListener = (hints: readonly Hint[]) => void;

const CHANNEL = 'rollcall_hints';
const COALESCE = 5; // milliseconds in which hints are gathered
const MAX_PAYLOAD = 7_500; // bytes; NOTIFY takes 8,000
const RECONNECT = 1_000;
const ECHO_WITHIN = 2_000;

/** `app:gid:version` of each, with blanks between them. */
function encode(hints: readonly Hint[]): string[] {
  const payloads = [''];
  for (const { appId, gid, version } of hints) {
    const part = `${appId}:${gid}:${version} `;
    if ((payloads.at(-1) as string).length + part.length > MAX_PAYLOAD) payloads.push('');
    payloads[payloads.length - 1] += part;
  }
  return payloads.filter((payload) => payload !== '');
}

function decode(payload: string): Hint[] {
  return payload
    .split(' ')
    .map((part) => /^(\d+):(\d+):(\d+)$/.exec(part))
    .filter((found) => found !== null)
    .map(([, appId, gid, version]) => ({ appId: Number(appId), gid: Number(gid), version: Number(version) }));
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
  const transport = await open((hints) => {
    for (const hint of hints) db.hints.publish(hint, false);
  });
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    timer = undefined;
    const hints = [...waiting.values()];
    waiting.clear();
    transport.send(hints).catch((error: unknown) => log.debug({ err: error }, 'hints were lost'));
  };
  const unsubscribe = db.hints.subscribe((hint, own) => {
    if (!own) return;
    const key = `${hint.appId}:${hint.gid}`;
    if ((waiting.get(key)?.version ?? 0) >= hint.version) return;
    waiting.set(key, hint);
    timer ??= setTimeout(flush, COALESCE);
  });
  return async () => {
    unsubscribe();
    clearTimeout(timer);
    await transport.close();
  };
}

const NOTIFY = { name: 'hints_notify', text: 'select pg_notify($1, $2)::text' };

/**
 * LISTEN on a connection of its own, which is made again when it is lost, and NOTIFY outside of every writing transaction
 * (it takes a lock over all commits).
 * @param url past a pooler, which would lose LISTEN
 */
export async function listenNotify(db: Database, url: string, hear: HintListener, log: Logger): Promise<HintTransport> {
  let closed = false;
  let client: pg.Client | undefined;
  let echo: (() => void) | undefined;

  async function connect(): Promise<void> {
    const opened = new pg.Client({ connectionString: url, application_name: 'rollcall-hints', keepAlive: true });
    opened.on('error', () => {}); // 'end' follows
    opened.on('notification', ({ payload = '' }) => {
      if (payload.startsWith('echo')) echo?.();
      else hear(decode(payload));
    });
    await opened.connect();
    opened.once('end', () => {
      if (!closed) void reconnect();
    });
    await opened.query(`listen ${CHANNEL}`);
    client = opened;
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
    await db.query(NOTIFY, [CHANNEL, 'echo']);
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
    async send(hints) {
      for (const payload of encode(hints)) await db.query(NOTIFY, [CHANNEL, payload]);
    },
    async close() {
      closed = true;
      await client?.end().catch(() => {});
    },
  };
}

/** Redis, through Yoga's event target for it. */
export async function redisHints(url: string, hear: HintListener, log: Logger): Promise<HintTransport> {
  const [{ Redis }, { createRedisEventTarget }] = await Promise.all([
    import('ioredis'),
    import('@graphql-yoga/redis-event-target'),
  ]);
  // Commands fail at once while Redis is away: the poll carries the hints. Subscriptions are made again when it is back.
  const options = { maxRetriesPerRequest: 0, enableOfflineQueue: false, lazyConnect: true };
  const publishClient = new Redis(url, options);
  const subscribeClient = new Redis(url, { ...options, enableOfflineQueue: true, maxRetriesPerRequest: null });
  for (const client of [publishClient, subscribeClient]) {
    client.on('error', (error: Error) => log.debug({ err: error }, 'Redis is away; the poll carries the hints'));
    client.connect().catch(() => log.warn('Redis does not answer; the poll carries the hints until it does'));
  }
  const serializer = { stringify: (detail: unknown) => String(detail), parse: (text: string) => text };
  const target = createRedisEventTarget({ publishClient, subscribeClient, serializer } as unknown as Parameters<
    typeof createRedisEventTarget
  >[0]);
  target.addEventListener(CHANNEL, (event) => hear(decode(String((event as CustomEvent<string>).detail))));
  return {
    async send(hints) {
      if (publishClient.status !== 'ready') return;
      for (const detail of encode(hints)) target.dispatchEvent(new CustomEvent(CHANNEL, { detail }));
    },
    async close() {
      publishClient.disconnect();
      subscribeClient.disconnect();
    },
  };
}
