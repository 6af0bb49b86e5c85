import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { beginInTurn } from './few-a-turn.ts';

/**
 * Has the requests of a connection handled one after the other, and of all connections a few in a turn of the event loop. Node
 * hands over all that it has read, and the answers can only go out in order.
 * @param most how many may wait; the connection is cut when there are more
 */
export function inTurn(listener: RequestListener, most: number): RequestListener {
  /** Those that wait on a connection where one is being handled. */
  const waiting = new WeakMap<Socket, (() => void)[]>();
  return (req, res) => {
    const { socket } = req;
    const handle = () => {
      res.once('close', next);
      beginInTurn(socket.remoteAddress ?? '', () => {
        if (!res.closed) listener(req, res);
      });
    };
    const next = () => {
      const first = socket.writable ? waiting.get(socket)?.shift() : undefined;
      if (first) first();
      else {
        waiting.delete(socket);
        socket.resume();
      }
    };
    const before = waiting.get(socket);
    if (!before) {
      waiting.set(socket, []);
      handle();
    } else if (before.length < most) {
      before.push(handle);
      socket.pause();
    } else socket.destroy();
  };
}
