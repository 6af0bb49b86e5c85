import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Sql, statement } from '../db/sql.ts';
import { bool, bytea, byteaArray, type RowOf } from '../db/types.ts';
import { apps, tokens } from '../generated/tables.ts';
import { Revocations } from './revocations.ts';
import { NOT_EXPIRED, TOKEN, tokenOf } from './token-rows.ts';
import { TokenUse } from './token-use.ts';
import type { Viewer } from './viewer.ts';
import { type WrongTokenLimits, WrongTokens } from './wrong-tokens.ts';

/** 256 random bits, URL-safe, with a prefix that secret scanners can know. */
export function newSecret(): string {
  return `rollcall_${randomBytes(32).toString('base64url')}`;
}

/** What is stored of a secret: SHA-256. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** `idle`: whether its last known use is more than a minute ago. */
const FOUND = { app_id: tokens.appId[1], app_name: apps.name[1], hash: tokens.hash[1], ...TOKEN.columns, idle: bool };
const find = (which: string) => `select t.app_id, a.name as app_name, t.hash, ${TOKEN.list},
      coalesce(t.last_used_at < clock_timestamp() - interval '1 minute', true) as idle
    from tokens t join apps a on a.id = t.app_id
    where ${which} and t.revoked_at is null and a.deleted_at is null and ${NOT_EXPIRED}`;
const FIND = statement({ name: 'token_find', parameters: [bytea], columns: FOUND, text: find('t.hash = $1') });
const FIND_ALL = statement({
  name: 'tokens_find',
  parameters: [byteaArray],
  columns: FOUND,
  text: find('t.hash = any($1::bytea[])'),
});
type Found = RowOf<typeof FOUND>;

const TRUSTED_FOR = 1_000; // milliseconds since a token was looked up, or since the counter was last seen unmoved
const NOTED_EVERY = 60_000; // milliseconds
const MAX_CACHED = 10_000;
const MAX_SECRET = 200;
const MAX_TRIES = 3;
const UNLIMITED: WrongTokenLimits = { wrongTokens: Number.POSITIVE_INFINITY, wrongTokenLookups: Number.POSITIVE_INFINITY };

export interface AuthenticatorOptions {
  /** Told when the counter cannot be read, once until it can be again. */
  onError?: (error: unknown) => void;
  /** For the look-ups of tokens, which anybody can cause. */
  lookUps?: Sql;
  /** What wrong tokens may cost; without, there are no limits. */
  wrong?: WrongTokenLimits;
}

interface Entry {
  viewer: Viewer;
  /** When the look-up began, by performance.now(). */
  at: number;
  /** When a use was last noted, by performance.now(). */
  notedAt: number;
}

/**
 * Finds out who is asking. What it found is kept while the counter of revocations, read twice a second, stands still; one
 * second after the last reading it is looked up again, so that without the database nobody gets in. A token that is not
 * valid is never kept.
 */
export class Authenticator {
  readonly #lookUps: Sql;
  readonly #revocations: Revocations;
  readonly #use: TokenUse;
  readonly #cache = new LRUCache<string, Entry>({ max: MAX_CACHED });
  /** Those that were valid when they were last looked up, by hash. */
  readonly #known = new LRUCache<string, true>({ max: MAX_CACHED });
  readonly #wrong: WrongTokens<Found>;

  constructor(sql: Sql, { onError = () => {}, lookUps = sql, wrong = UNLIMITED }: AuthenticatorOptions = {}) {
    this.#lookUps = lookUps;
    this.#wrong = new WrongTokens(wrong, async (hashes) => {
      const rows = await lookUps.query(FIND_ALL, [hashes]);
      return new Map(rows.map((row) => [Buffer.from(row.hash).toString('base64'), row]));
    });
    this.#use = new TokenUse(sql);
    this.#revocations = new Revocations(sql, {
      onRevoked: () => this.#cache.clear(),
      onTick: () => this.#use.writeWhenDue(),
      onError,
    });
  }

  /** Begins to read the counter of revocations. Before that, what is found is kept for a second. */
  start(): void {
    this.#revocations.start();
  }

  /** Stops reading and writes the last uses down. */
  async close(): Promise<void> {
    await this.#revocations.close();
    await this.#use.write().catch(() => {});
  }

  /** Reads the counter now: after a revocation of this gateway's own, or a hint of another's. */
  refresh(): Promise<void> {
    return this.#revocations.read();
  }

  /**
   * The viewer of an Authorization header (`Bearer …`), or null. The work does not depend on what a secret resembles.
   * @param address whose it is: after many wrong ones, those that nobody knows wait. One that is known never does
   * @throws RateLimitedError: too many of that address wait already
   */
  async authenticate(authorization: string | null | undefined, address?: string): Promise<Viewer | null> {
    const secret = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (!secret || secret.length > MAX_SECRET) return null;
    const hash = hashSecret(secret);
    const key = hash.toString('base64');
    const cached = this.#cache.get(key);
    if (cached && this.#isTrusted(cached)) {
      this.#noteUse(cached);
      return cached.viewer;
    }
    this.#cache.delete(key);
    return this.#lookUp(hash, key, this.#known.has(key) ? undefined : address);
  }

  #isTrusted({ viewer, at }: Entry): boolean {
    if (performance.now() - Math.max(at, this.#revocations.readAt) >= TRUSTED_FOR) return false;
    const { expiresAt } = viewer.token;
    // Near its expiry the database is asked, whose clock counts.
    return expiresAt === null || (this.#revocations.now ?? Number.POSITIVE_INFINITY) < expiresAt.getTime();
  }

  #find(hash: Buffer, key: string, address: string | undefined): Promise<Found | undefined> {
    const alone = async () => (await this.#lookUps.query(FIND, [hash]))[0];
    return address === undefined ? alone() : this.#wrong.find(address, key, hash, alone);
  }

  async #lookUp(hash: Buffer, key: string, address: string | undefined): Promise<Viewer | null> {
    for (let tries = 1; ; tries++) {
      const { epoch } = this.#revocations;
      const at = performance.now();
      const row = await this.#find(hash, key, address);
      if (!row || !timingSafeEqual(hash, Buffer.from(row.hash))) {
        this.#known.delete(key);
        return null;
      }
      // What was revoked meanwhile may be this token.
      const moved = epoch !== this.#revocations.epoch;
      if (moved && tries < MAX_TRIES) continue;
      this.#known.set(key, true);
      const entry: Entry = { viewer: viewerOf(row), at, notedAt: row.idle ? Number.NEGATIVE_INFINITY : at };
      this.#noteUse(entry);
      if (!moved) this.#cache.set(key, entry);
      return entry.viewer;
    }
  }

  #noteUse(entry: Entry): void {
    const now = performance.now();
    if (now - entry.notedAt < NOTED_EVERY) return;
    entry.notedAt = now;
    this.#use.note(entry.viewer.appId, entry.viewer.token.id);
  }
}

function viewerOf(row: RowOf<typeof FOUND>): Viewer {
  const token = tokenOf(TOKEN.decode(row));
  return { appId: row.app_id, appName: row.app_name, address: token.address, scopes: token.scopes, token };
}
