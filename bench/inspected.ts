import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface Memory {
  /** The resident memory, including what the engine has not returned yet. */
  rssMiB: number;
  /** Live objects and buffers, after a garbage collection. */
  usedMiB: number;
}

const MIB = 1024 * 1024;

// biome-ignore lint/suspicious/noExplicitAny: an answer of the inspector
type Ask = (method: string, params?: object) => Promise<any>;

/** Talks with the inspector of a process, whose URL it prints when it has `--inspect`. */
async function inspect<T>(url: string, run: (ask: Ask) => Promise<T>): Promise<T> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const ask: Ask = async (method, params = {}) => {
    socket.send(JSON.stringify({ id: 1, method, params }));
    const [answer] = await once(socket, 'message');
    return JSON.parse(String(answer)).result;
  };
  try {
    return await run(ask);
  } finally {
    socket.terminate();
  }
}

async function evaluateBy(ask: Ask, expression: string): Promise<unknown> {
  const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(`${exceptionDetails.text} ${result?.description ?? ''}`);
  return result.value;
}

/** The value of an expression in a process, or what its promise comes to. */
export function evaluate(url: string, expression: string): Promise<unknown> {
  return inspect(url, (ask) => evaluateBy(ask, expression));
}

/** The memory of a process: its resident memory alone mostly shows how lazily garbage is collected. */
export function memoryOf(url: string): Promise<Memory> {
  return inspect(url, async (ask) => {
    await ask('HeapProfiler.collectGarbage');
    const { rss, heapUsed, external } = (await evaluateBy(ask, 'process.memoryUsage()')) as NodeJS.MemoryUsage;
    return { rssMiB: Math.round(rss / MIB), usedMiB: Math.round((heapUsed + external) / MIB) };
  });
}
