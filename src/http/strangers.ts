import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Addresses, addressOf } from './addresses.ts';

/** Counts, by address, the connections that have shown no valid token. Through a trusted proxy it is requests that count. */
export class Strangers {
  readonly #addresses: Addresses;
  readonly #most: number;
  readonly #counts = new Map<string, number>();
  readonly #leave = new WeakMap<Socket | IncomingMessage, () => void>();

  constructor(addresses: Addresses, most: number) {
    this.#addresses = addresses;
    this.#most = most;
  }

  /** A connection was made. Gives false when its address has too many. */
  connected(socket: Socket): boolean {
    const leave = this.#enter(this.#addresses.ofConnection(socket.remoteAddress));
    if (!leave) return false;
    this.#leave.set(socket, leave);
    socket.once('close', leave);
    return true;
  }

  /** A request came. Gives false when the address that it was forwarded for has too many; else `over` is to hear of its end. */
  requested(req: IncomingMessage, over: (leave: () => void) => void): boolean {
    const forwarded = req.headers['x-forwarded-for'];
    if (forwarded === undefined) return true;
    const leave = this.#enter(this.#addresses.ofForwarded(req.socket.remoteAddress, String(forwarded)));
    if (!leave) return false;
    this.#leave.set(req, leave);
    over(leave);
    return true;
  }

  /** Whose a request is; undefined where nothing is counted by it. */
  addressOf(req: IncomingMessage): string | undefined {
    return addressOf(req, this.#addresses);
  }

  /** It has shown a valid token. */
  known(req: IncomingMessage): void {
    this.#leave.get(req)?.();
    this.#leave.get(req.socket)?.();
  }

  #enter(address: string | undefined): (() => void) | undefined {
    if (address === undefined) return () => {};
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#most) return undefined;
    this.#counts.set(address, count + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const others = (this.#counts.get(address) ?? 1) - 1;
      if (others > 0) this.#counts.set(address, others);
      else this.#counts.delete(address);
    };
  }
}
