import type { IncomingMessage } from 'node:http';
import type { Limits } from '../config.ts';
import { OverloadedError } from '../model/errors.ts';

/** In bytes. A body is kept in blocks: a buffer for each chunk would cost 400 bytes where a chunk has one. */
const BLOCK = 16 * 1024;
/** What a chunk has to bring on average, in bytes, after as many as BODY_CHUNKS. */
const CRUMB = 64;
/** How many bodies may have their first block, of those with a token and of those without: small ones wait for no large ones. */
const FIRST_BLOCKS = 512;
/** What has not come whole by then is refused where another needs its first block, in milliseconds. */
const SLOW = 250;
const NONE = Buffer.alloc(0);

export type BodyLimits = Pick<Limits, 'bodyChunks' | 'bodyTimeout' | 'bodyWait' | 'unknownBodies' | 'tokenBodies' | 'allBodies'>;

/** A body that is not taken, whatever room there is. */
export class BodyRefusedError extends Error {
  override name = 'BodyRefusedError';
  readonly limit: 'BODY_LIMIT' | 'BODY_TIMEOUT';
  readonly max: number;
  readonly status: number;
  constructor(limit: 'BODY_LIMIT' | 'BODY_TIMEOUT', max: number) {
    const [message, status] =
      limit === 'BODY_LIMIT'
        ? [`The body of a request may have at most ${max} bytes`, 413]
        : [`The body of a request may take at most ${max} seconds`, 408];
    super(message);
    this.limit = limit;
    this.max = max;
    this.status = status;
  }
}

/** The client went away before its body was whole. Nobody is there to be answered. */
export class BodyBrokenError extends Error {
  override name = 'BodyBrokenError';
}

export interface BodyOptions {
  /** In bytes. */
  limit: number;
  contentLength: string | null | undefined;
  /** Whose body it is; undefined while nobody knows. */
  token: string | undefined;
  /** Told once of what is to be called when nothing of the body is kept any more; without it that is at once. */
  kept?: (over: () => void) => void;
}

/** A body that is being read. */
interface Reading {
  readonly token: string | undefined;
  readonly begun: number;
  /** Bytes beside the first block. */
  held: number;
  /** How long it may still wait for room, in milliseconds. */
  patience: number;
  /** Refuses it, and gives back what it holds. */
  refuse: (error: Error) => void;
}

/** Takes what it waits for, if there is room now. */
type GoesOn = () => boolean;

/**
 * Reads the bodies of requests, and bounds what all of them take in memory, until they are whole or nothing of them is kept any
 * more: what was read of a body waits with its operation.
 */
export class Bodies {
  readonly #limits: BodyLimits;
  /** Bytes beside first blocks, by whose they are. */
  readonly #held = new Map<string | undefined, number>();
  #total = 0;
  /** Those that have their first block, the oldest first, of requests with a token and without. */
  readonly #first = { known: new Set<Reading>(), unknown: new Set<Reading>() };
  readonly #waiting = new Set<GoesOn>();

  /** @param largest the largest body that any endpoint takes, in bytes: alone, it always has room */
  constructor(limits: BodyLimits, largest: number) {
    const room = (bytes: number) => Math.max(bytes, Math.ceil(largest / BLOCK) * BLOCK);
    const { unknownBodies, tokenBodies, allBodies } = limits;
    this.#limits = {
      ...limits,
      unknownBodies: room(unknownBodies),
      tokenBodies: room(tokenBodies),
      allBodies: room(allBodies),
    };
  }

  /** Bytes of the bodies that are being read. */
  get size(): number {
    return this.#total + (this.#first.known.size + this.#first.unknown.size) * BLOCK;
  }

  /**
   * The whole body. More than `limit` bytes are refused before anything is read when so many are announced, else as soon as
   * they came. What comes of a refused body is still to be dropped.
   * @throws BodyRefusedError, OverloadedError, BodyBrokenError
   */
  async read(source: AsyncIterable<Uint8Array>, { limit, contentLength, token, kept }: BodyOptions): Promise<Buffer> {
    if (Number(contentLength) > limit) throw new BodyRefusedError('BODY_LIMIT', limit);
    const { bodyTimeout, bodyWait } = this.#limits;
    const { promise: refused, reject } = Promise.withResolvers<never>();
    let over = false;
    const reading: Reading = {
      token,
      begun: performance.now(),
      held: 0,
      patience: bodyWait,
      refuse: (error) => {
        over = true;
        reject(error);
        this.#release(reading);
      },
    };
    const timer = setTimeout(() => reading.refuse(new BodyRefusedError('BODY_TIMEOUT', bodyTimeout / 1000)), bodyTimeout);
    let whole = false;
    try {
      const body = await Promise.race([this.#collect(source, limit, reading, () => over), refused]);
      whole = true;
      return body;
    } catch (error) {
      if (error instanceof BodyRefusedError || error instanceof OverloadedError) throw error;
      throw new BodyBrokenError(error instanceof Error ? error.message : 'broken off');
    } finally {
      over = true;
      clearTimeout(timer);
      if (whole && kept && reading.held > 0) {
        this.#releaseFirst(reading);
        kept(() => this.#release(reading));
      } else this.#release(reading);
    }
  }

  async #collect(source: AsyncIterable<Uint8Array>, limit: number, reading: Reading, isOver: () => boolean): Promise<Buffer> {
    const blocks: Buffer[] = [];
    let block = NONE;
    let used = 0;
    let size = 0;
    for await (const chunk of source) {
      if (isOver()) continue; // dropped
      size += chunk.length;
      if (size > limit) throw new BodyRefusedError('BODY_LIMIT', limit);
      for (let rest = chunk; rest.length > 0 && !isOver(); ) {
        if (used === block.length) {
          await this.#waitFor(reading, blocks.length === 0 ? () => this.#takeFirst(reading) : () => this.#take(reading), isOver);
          block = Buffer.allocUnsafeSlow(BLOCK);
          blocks.push(block);
          used = 0;
        }
        const part = rest.subarray(0, block.length - used);
        block.set(part, used);
        used += part.length;
        rest = rest.subarray(part.length);
      }
    }
    return isOver() ? NONE : Buffer.concat(blocks, size);
  }

  /** Waits, unread, until there is room; not at all for what is over. */
  async #waitFor(reading: Reading, take: GoesOn, isOver: () => boolean): Promise<void> {
    if (take()) return;
    const begun = performance.now();
    await new Promise<void>((resolve, reject) => {
      const goesOn = () => {
        if (!isOver() && !take()) return false;
        clearTimeout(timer);
        resolve();
        return true;
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(goesOn);
        reject(overloaded());
      }, reading.patience);
      this.#waiting.add(goesOn);
    });
    reading.patience = Math.max(0, reading.patience - (performance.now() - begun));
  }

  #take(reading: Reading): boolean {
    const { token } = reading;
    const { unknownBodies, tokenBodies, allBodies } = this.#limits;
    const own = (this.#held.get(token) ?? 0) + BLOCK;
    if (own > (token === undefined ? unknownBodies : tokenBodies) || this.#total + BLOCK > allBodies) return false;
    this.#held.set(token, own);
    this.#total += BLOCK;
    reading.held += BLOCK;
    return true;
  }

  #takeFirst(reading: Reading): boolean {
    const first = this.#firstOf(reading);
    if (first.size >= FIRST_BLOCKS) {
      const [oldest] = first;
      if (oldest && performance.now() - oldest.begun > SLOW) oldest.refuse(overloaded());
    }
    if (first.size >= FIRST_BLOCKS) return false;
    first.add(reading);
    return true;
  }

  #firstOf({ token }: Reading): Set<Reading> {
    return this.#first[token === undefined ? 'unknown' : 'known'];
  }

  #releaseFirst(reading: Reading): void {
    if (this.#firstOf(reading).delete(reading)) this.#goOn();
  }

  #release(reading: Reading): void {
    const { token, held } = reading;
    reading.held = 0;
    const left = (this.#held.get(token) ?? 0) - held;
    if (left > 0) this.#held.set(token, left);
    else this.#held.delete(token);
    this.#total -= held;
    if (this.#firstOf(reading).delete(reading) || held > 0) this.#goOn();
  }

  #goOn(): void {
    for (const goesOn of this.#waiting) if (goesOn()) this.#waiting.delete(goesOn);
  }
}

const overloaded = () => new OverloadedError('Too many bodies of requests are being read; try again');

/**
 * Cuts a connection whose body comes in crumbs: each costs as much work as a large chunk, and until it is read as much
 * memory as 400 bytes. To be called before any of the body is read.
 */
export function cutCrumbs(req: IncomingMessage, allowed: number): void {
  if (req.headers['transfer-encoding'] === undefined && !(Number(req.headers['content-length']) > allowed)) return;
  const push = req.push.bind(req);
  let chunks = 0;
  let bytes = 0;
  req.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null) {
      chunks++;
      bytes += chunk.length;
      if (chunks > allowed + bytes / CRUMB) {
        req.socket.destroy();
        return false;
      }
    }
    return push(chunk, encoding);
  };
}
