/** What attacks are made of: requests, WebSockets and bare connections, all counted by what came of them, and all ended. */
import { Agent as HttpAgent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Targets } from './targets.ts';

/** How often each outcome came: `200`, `400 LIMIT_EXCEEDED`, `cut`, `left` … */
export type Outcomes = Record<string, number>;

export interface Asked {
  token?: string | undefined;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: object | string | Buffer;
  /** Milliseconds after which the connection is closed, whatever came. */
  leaveAfter?: number;
}

interface Closable {
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** How much of an answer is looked at for its code. */
const LOOKED_AT = 64 * 1024;

export class Attacker {
  readonly targets: Targets;
  readonly outcomes: Outcomes = {};
  readonly port: number;
  readonly #until: number;
  readonly #end = new AbortController();
  readonly #open = new Set<Closable>();
  readonly #agent = new HttpAgent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  #addresses = 0;

  constructor(targets: Targets, milliseconds: number) {
    this.targets = targets;
    this.port = Number(new URL(targets.url).port);
    this.#until = performance.now() + milliseconds;
  }

  get over(): boolean {
    return this.#end.signal.aborted || performance.now() >= this.#until;
  }

  count(outcome: string, times = 1): void {
    if (!this.#end.signal.aborted) this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + times;
  }

  /** Waits, until the attack is over at the latest. */
  async wait(milliseconds = Number.POSITIVE_INFINITY): Promise<void> {
    const left = Math.max(0, this.#until - performance.now());
    await sleep(Math.min(milliseconds, left), undefined, { signal: this.#end.signal }).catch(() => {});
  }

  /** Does something again and again, so many at once, until the attack is over. */
  async flood(atOnce: number, attempt: (n: number) => Promise<unknown>): Promise<void> {
    let n = 0;
    const one = async () => {
      while (!this.over) {
        const begun = performance.now();
        await attempt(n++);
        if (performance.now() - begun < 1) await sleep(1); // what fails at once must not keep this process alone
      }
    };
    await Promise.race([Promise.all(Array.from({ length: atOnce }, one)), this.wait()]);
  }

  /** Another address for each call: what a botnet has. */
  nextAddress(): string {
    const n = ++this.#addresses;
    return `127.1.${(n >> 8) & 255}.${n & 255 || 1}`;
  }

  post(query: string, token: string | undefined, variables?: object, more: Asked = {}): Promise<void> {
    return this.ask({ token, body: { query, variables }, ...more });
  }

  /** One request, whose answer is read. */
  ask({ token, path = '/graphql', method = 'POST', headers = {}, body, leaveAfter }: Asked): Promise<void> {
    const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return new Promise((resolve) => {
      const over = (outcome: string) => {
        this.count(outcome);
        resolve();
      };
      const all = {
        ...(bytes === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(bytes) }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...headers,
      };
      const { port, hostname } = new URL(this.targets.url);
      const sent = request({ hostname, port, path, method, headers: all, agent: this.#agent });
      this.#keep(sent);
      let left = false;
      if (leaveAfter !== undefined) {
        setTimeout(() => {
          left = true;
          sent.destroy();
        }, leaveAfter);
      }
      sent.on('response', (response) => {
        let text = '';
        response.on('data', (part: Buffer) => {
          if (text.length < LOOKED_AT) text += part.toString('latin1', 0, LOOKED_AT);
        });
        response.on('error', () => {});
        response.on('close', () => over(response.complete ? outcomeOf(response.statusCode, text) : left ? 'left' : 'cut'));
      });
      sent.on('error', () => over(left ? 'left' : 'cut'));
      sent.end(bytes);
    });
  }

  /** A connection by hand; it is told what the gateway sent, unless it reads nothing. */
  async connect({ localAddress }: { localAddress?: string } = {}): Promise<Socket> {
    const socket = connect({ port: this.port, host: '127.0.0.1', localAddress: localAddress ?? '127.0.0.1' });
    this.#keep(socket);
    socket.on('error', () => {});
    await new Promise<void>((resolve) => {
      socket.once('connect', resolve);
      socket.once('close', () => resolve());
    });
    return socket;
  }

  /** A WebSocket whose `connection_init` was taken; undefined: it was not. */
  async socket(token: string): Promise<WebSocket | undefined> {
    const socket = await this.bareSocket();
    const acknowledged = new Promise<boolean>((resolve) => {
      socket.once('message', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    if (socket.readyState !== WebSocket.OPEN) return undefined;
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    return (await acknowledged) ? socket : undefined;
  }

  /** A WebSocket that has said nothing yet. */
  async bareSocket(): Promise<WebSocket> {
    const socket = new WebSocket(this.targets.url.replace('http', 'ws'), 'graphql-transport-ws', { perMessageDeflate: false });
    this.#keep({ destroy: () => socket.terminate(), once: (event, listener) => socket.once(event, listener) });
    socket.on('error', () => {});
    socket.on('close', (code) => this.count(code === 1006 ? 'cut' : `closed ${code}`));
    await new Promise<void>((resolve) => {
      socket.once('open', resolve);
      socket.once('close', () => resolve());
    });
    return socket;
  }

  #keep(open: Closable): void {
    this.#open.add(open);
    open.once('close', () => this.#open.delete(open));
  }

  /** Ends all that is open. */
  end(): void {
    this.#end.abort();
    for (const open of this.#open) open.destroy();
    this.#agent.destroy();
  }
}

/** The status and the first code of an answer. */
export function outcomeOf(status: number | undefined, text: string): string {
  const code = /"(?:code|error)":\s?"(\w+)"/.exec(text)?.[1];
  return code ? `${status} ${code}` : String(status);
}
