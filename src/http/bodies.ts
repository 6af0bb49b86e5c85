import type { IncomingMessage } from 'node:http';
import type { Limits } from '../config.ts';
import { OverloadedError } from '../model/errors.ts';

/** In bytes. A body is kept in blocks: a buffer for each chunk would cost 400 bytes where a chunk has one. */
const BLOCK = 16 * 1024;
/** What a chunk has to bring on average, in bytes, after as many as BODY_CHUNKS. */
const CRUMB = 64;
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
}

interface Waiting {
  /** Takes what it waits for, if there is room now. */
  goesOn: () => boolean;
}

/** Reads the bodies of requests, and bounds what all of them take in memory until they are whole. */
export class Bodies {
  readonly #limits: BodyLimits;
  /** Bytes, by whose they are. */
  readonly #held = new Map<string | undefined, number>();
  #total = 0;
  readonly #waiting = new Set<Waiting>();

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
    return this.#total;
  }

  /**
   * The whole body. More than `limit` bytes are refused before anything is read when so many are announced, else as soon as
   * they came. What comes of a refused body is still to be dropped.
   * @throws BodyRefusedError, OverloadedError, BodyBrokenError
   */
  async read(source: AsyncIterable<Uint8Array>, { limit, contentLength, token }: BodyOptions): Promise<Buffer> {
    if (Number(contentLength) > limit) throw new BodyRefusedError('BODY_LIMIT', limit);
    let held = 0;
    let over = false;
    const release = () => {
      this.#release(held, token);
      held = 0;
    };
    const collect = async () => {
      const blocks: Buffer[] = [];
      let block = NONE;
      let used = 0;
      let size = 0;
      // All in all: one who gets a block now and then would else wait as often, and hold what it has.
      let patience = this.#limits.bodyWait;
      for await (const chunk of source) {
        if (over) continue; // dropped
        size += chunk.length;
        if (size > limit) throw new BodyRefusedError('BODY_LIMIT', limit);
        for (let rest = chunk; rest.length > 0 && !over; ) {
          if (used === block.length) {
            patience -= await this.#take(BLOCK, token, patience);
            held += BLOCK;
            if (over) release();
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
      return over ? NONE : Buffer.concat(blocks, size);
    };
    let timer: NodeJS.Timeout | undefined;
    const { bodyTimeout } = this.#limits;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new BodyRefusedError('BODY_TIMEOUT', bodyTimeout / 1000)), bodyTimeout);
    });
    try {
      return await Promise.race([collect(), late]);
    } catch (error) {
      if (error instanceof BodyRefusedError || error instanceof OverloadedError) throw error;
      throw new BodyBrokenError(error instanceof Error ? error.message : 'broken off');
    } finally {
      over = true;
      clearTimeout(timer);
      release();
    }
  }

  /** Waits, unread, until there is room, for so many milliseconds at most. Returns how many it took. */
  async #take(bytes: number, token: string | undefined, patience: number): Promise<number> {
    const take = () => {
      const { unknownBodies, tokenBodies, allBodies } = this.#limits;
      const own = (this.#held.get(token) ?? 0) + bytes;
      if (own > (token === undefined ? unknownBodies : tokenBodies) || this.#total + bytes > allBodies) return false;
      this.#held.set(token, own);
      this.#total += bytes;
      return true;
    };
    if (take()) return 0;
    const begun = performance.now();
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        goesOn: () => {
          if (!take()) return false;
          clearTimeout(timer);
          resolve();
          return true;
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(new OverloadedError('Too many bodies of requests are being read; try again'));
      }, patience);
      this.#waiting.add(waiting);
    });
    return performance.now() - begun;
  }

  #release(bytes: number, token: string | undefined): void {
    if (bytes === 0) return;
    const left = (this.#held.get(token) ?? 0) - bytes;
    if (left > 0) this.#held.set(token, left);
    else this.#held.delete(token);
    this.#total -= bytes;
    for (const waiting of this.#waiting) if (waiting.goesOn()) this.#waiting.delete(waiting);
  }
}

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
