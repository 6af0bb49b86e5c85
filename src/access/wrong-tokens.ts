import { LRUCache } from 'lru-cache';
import { RateLimitedError } from '../model/errors.ts';

export interface WrongTokenLimits {
  /** How many wrong tokens of an address are looked up each by itself, in a minute. */
  wrongTokens: number;
  /** How many look-ups a second there are from then on. */
  wrongTokenLookups: number;
}

const MINUTE = 60_000;
/** How many tokens of an address may wait for its next look-up, which is for all of them. */
const MAX_WAITING = 256;
/** Who was not heard of for longest is forgotten. */
const MAX_ADDRESSES = 10_000;

interface Asked<Row> {
  hash: Uint8Array;
  answer: PromiseWithResolvers<Row | undefined>;
}

interface Sender<Row> {
  wrong: number;
  since: number;
  /** By hash: one that is sent again waits for the same answer. */
  waiting: Map<string, Asked<Row>>;
  lookedUpAt: number;
}

/**
 * Bounds what the unknown tokens of an address cost. After many wrong ones they wait for the address's next look-up, a few
 * times a second, which is one statement for all that wait: so a token that is valid, though nobody knows it yet, gets in
 * with the next one, whoever else sends wrong ones from there.
 */
export class WrongTokens<Row> {
  readonly #limits: WrongTokenLimits;
  readonly #findAll: (hashes: Uint8Array[]) => Promise<ReadonlyMap<string, Row>>;
  readonly #senders = new LRUCache<string, Sender<Row>>({ max: MAX_ADDRESSES });

  /** @param findAll the rows of those that are valid, by hash in base64 */
  constructor(limits: WrongTokenLimits, findAll: (hashes: Uint8Array[]) => Promise<ReadonlyMap<string, Row>>) {
    this.#limits = limits;
    this.#findAll = findAll;
  }

  /**
   * The row of a token that nobody knows, if it is valid: looked up by itself, or where the address has sent many wrong ones
   * together with the others that wait.
   * @throws RateLimitedError: too many wait already
   */
  async find(address: string, key: string, hash: Uint8Array, alone: () => Promise<Row | undefined>): Promise<Row | undefined> {
    const sender = this.#senderOf(address);
    const isCrowd = sender.wrong >= this.#limits.wrongTokens;
    sender.wrong++; // until it is known to be right: many may be asked for at once
    const row = await (isCrowd ? this.#withOthers(sender, key, hash) : alone());
    if (row) sender.wrong = Math.max(0, sender.wrong - 1);
    return row;
  }

  #withOthers(sender: Sender<Row>, key: string, hash: Uint8Array): Promise<Row | undefined> {
    const asked = sender.waiting.get(key);
    if (asked) return asked.answer.promise;
    if (sender.waiting.size >= MAX_WAITING) throw new RateLimitedError('Too many unknown tokens come from this address', 1);
    const answer = Promise.withResolvers<Row | undefined>();
    sender.waiting.set(key, { hash, answer });
    if (sender.waiting.size === 1) {
      const due = sender.lookedUpAt + 1_000 / this.#limits.wrongTokenLookups - performance.now();
      setTimeout(() => void this.#lookUp(sender), Math.max(0, due));
    }
    return answer.promise;
  }

  async #lookUp(sender: Sender<Row>): Promise<void> {
    sender.lookedUpAt = performance.now();
    const asked = sender.waiting;
    sender.waiting = new Map();
    try {
      const rows = await this.#findAll([...asked.values()].map(({ hash }) => hash));
      for (const [key, { answer }] of asked) answer.resolve(rows.get(key));
    } catch (error) {
      for (const { answer } of asked.values()) answer.reject(error);
    }
  }

  #senderOf(address: string): Sender<Row> {
    const now = performance.now();
    let sender = this.#senders.get(address);
    if (!sender) {
      sender = { wrong: 0, since: now, waiting: new Map(), lookedUpAt: Number.NEGATIVE_INFINITY };
      this.#senders.set(address, sender);
    }
    if (now - sender.since >= MINUTE) Object.assign(sender, { wrong: 0, since: now });
    return sender;
  }
}
