import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often it is looked at, in milliseconds. */
const EVERY = 10_000;
/** So many times as much as was left the last time is worth a pause: about 40 ms for 300 MiB. */
const WORTH = 1.35;
/** The part of a core that its own work takes, up to which a pause holds up hardly anybody. */
const CALM = 0.25;
/** In bytes: of what lives the pause is longer, a second for a GiB. */
const SMALL = 200 * 1024 * 1024;

interface Collect {
  (options: { type: 'major'; execution: 'async' }): Promise<void>;
  (options: { type: 'major'; flavor: 'last-resort' }): void;
}

/** Memory and work of a process. */
export interface Standing {
  /** Resident memory, and what was resident after the last collection, in bytes. */
  resident: number;
  left: number;
  /** The part of a core that its own work takes, 0 to 1. */
  busy: number;
}

export const isWorthIt = ({ resident, left, busy }: Standing): boolean => busy < CALM && resident > left * WORTH;

/**
 * Gives the system its memory back when it is calm after a burst. V8 collects what a burst left, but keeps the pages: a process
 * that once needed 500 MiB would have them for ever. Only a collection of last resort returns them. It goes on until the process
 * ends, and does not keep it.
 */
export function startGivingBack(every = EVERY): void {
  const collect = collector();
  let left = process.memoryUsage.rss();
  let last = work();
  const look = async () => {
    const now = work();
    const busy = (now.cpu - last.cpu) / (now.at - last.at);
    last = now;
    if (!isWorthIt({ resident: process.memoryUsage.rss(), left, busy })) return;
    // First what takes no pause, so that the other has less to do.
    await collect({ type: 'major', execution: 'async' });
    if (process.memoryUsage().heapUsed < SMALL) collect({ type: 'major', flavor: 'last-resort' });
    left = process.memoryUsage.rss();
  };
  // Memory that is not given back is no reason to end.
  setInterval(() => void look().catch(() => {}), every).unref();
}

/** Milliseconds: of this thread's CPU so far, and of the clock. */
function work(): { cpu: number; at: number } {
  const { user, system } = process.threadCpuUsage();
  return { cpu: (user + system) / 1000, at: performance.now() };
}

/** V8's own, which Node hides unless it is asked for. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
