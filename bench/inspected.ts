import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface Memory {
  /** What the process has, with what its engine has not given back yet. */
  rssMiB: number;
  /** What is alive: objects and buffers, after a collection. */
  usedMiB: number;
}

const MIB = 1024 * 1024;

/**
 * What a process needs, asked through its inspector: its resident memory alone says mostly how lazily garbage is collected.
 * @param url as a process with `--inspect` writes it
 */
export async function memoryOf(url: string): Promise<Memory> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const ask = async (method: string, params: object = {}) => {
    socket.send(JSON.stringify({ id: 1, method, params }));
    const [answer] = await once(socket, 'message');
    return JSON.parse(String(answer)).result;
  };
  try {
    await ask('HeapProfiler.collectGarbage');
    const { result } = await ask('Runtime.evaluate', { expression: 'process.memoryUsage()', returnByValue: true });
    const { rss, heapUsed, external } = result.value as NodeJS.MemoryUsage;
    return { rssMiB: Math.round(rss / MIB), usedMiB: Math.round((heapUsed + external) / MIB) };
  } finally {
    socket.terminate();
  }
}
