import type { WebSocket } from 'ws';
import type { Attacker } from './attacker.ts';

export const subscribe = (id: string, query: string, variables: object) =>
  JSON.stringify({ id, type: 'subscribe', payload: { query, variables } });
export const complete = (id: string) => JSON.stringify({ id, type: 'complete' });

/** Counts what comes for the operations of a socket: results, and refusals by their code. */
function counted(attacker: Attacker, socket: WebSocket): WebSocket {
  return socket.on('message', (data: Buffer) => {
    const text = data.toString('latin1', 0, 1_000);
    const type = /"type":"(\w+)"/.exec(text)?.[1] ?? '?';
    if (type === 'next' || type === 'error') attacker.count(/"code":"(\w+)"/.exec(text)?.[1] ?? type);
  });
}

/** So many WebSockets of a token as are taken. */
export async function openSockets(attacker: Attacker, count: number, token = attacker.targets.user): Promise<WebSocket[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => attacker.socket(token)));
  return opened.filter((socket) => socket !== undefined).map((socket) => counted(attacker, socket));
}
