import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';

const CHECK_EVERY = 100; // milliseconds

/** Bounds what waits for all clients of a server together: who takes least is cut, and comes back with its cursor. */
export function boundBacklog(server: Server, most: number, log: Logger): void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
  const timer = setInterval(() => {
    const cut = cutLongest(sockets, most);
    if (cut.length > 0) log.warn({ bytes: cut }, 'clients that did not read were cut');
  }, CHECK_EVERY);
  server.once('close', () => clearInterval(timer.unref()));
  timer.unref();
}

/** Gives how many bytes waited for each that was cut. */
function cutLongest(sockets: Iterable<Socket>, most: number): number[] {
  let total = 0;
  for (const { writableLength } of sockets) total += writableLength;
  if (total <= most) return [];
  const cut: number[] = [];
  const longest = [...sockets].sort((a, b) => b.writableLength - a.writableLength);
  for (const socket of longest) {
    if (total <= most) break;
    total -= socket.writableLength;
    cut.push(socket.writableLength);
    socket.destroy();
  }
  return cut;
}
