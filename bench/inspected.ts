import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface Memory {
  /** The resident memory, including what the engine has not returned yet. */
  rssMiB: number;
  /** Live objects and buffers, after a garbage collection. */
  usedMiB: number;
}

const MIB = 1024 * 1024;

/**
 * The memory of a process, read through its inspector: its resident memory alone mostly shows how lazily garbage is collected.
 * @param url the inspector's URL, as a process with `--inspect` prints it
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
