import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How often it is looked at, in milliseconds. */
const EVERY = 10_000;
/** So many times as much as was left the last time is worth a pause: about 40 ms for 300 MiB. */
const WORTH = 1.35;
/** The part of the time in which the event loop had something to do, up to which nobody is held up by a pause. */
const CALM = 0.25;

type Collect = (options: { type: 'major'; flavor: 'last-resort' }) => void;

/** Memory and work of a process. */
export interface Standing {
  /** Resident memory, and what was resident after the last collection, in bytes. */
  resident: number;
  left: number;
  /** The part of the time in which the event loop had something to do, 0 to 1. */
  busy: number;
}

export const isWorthIt = ({ resident, left, busy }: Standing): boolean => busy < CALM && resident > left * WORTH;

/**
 * Gives the system its memory back when it is calm after a burst. V8 collects what a burst left, but keeps the pages: a process
 * that once needed 500 MiB would have them for ever. Only a collection of last resort returns them.
 * It goes on until the process ends, and does not keep it.
 */
export function startGivingBack(every = EVERY): void {
  const collect = collector();
  let left = collectedBy(collect);
  let last: EventLoopUtilization = performance.eventLoopUtilization();
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization: busy } = performance.eventLoopUtilization(now, last);
    last = now;
    if (isWorthIt({ resident: process.memoryUsage.rss(), left, busy })) left = collectedBy(collect);
  }, every).unref();
}

function collectedBy(collect: Collect): number {
  collect({ type: 'major', flavor: 'last-resort' });
  return process.memoryUsage.rss();
}

/** V8's own, which Node hides unless it is asked for. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
