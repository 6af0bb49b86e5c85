import type { Database } from '../../src/db/client.ts';
import { playCase } from './cases.ts';
import { createWorld, type World } from './world.ts';

/** Gateways on one database. */
export interface Target {
  db: Database;
  /** The first answers when the worlds are made, and the probes. */
  ports: readonly number[];
  /** What went wrong in the gateways since this was asked last: lines at level error and above, exits. */
  trouble(): string[];
}

export interface Fault {
  /** Of the case; of several that were played at once, those from … to. */
  cases: string;
  what: string[];
  shown: string;
}

export interface Report {
  played: number;
  faults: Fault[];
  /** What was sent last. */
  last: string;
  /** How often each thing was said. */
  outcomes: Map<string, number>;
}

/** How many cases have a world of their own: they take its groups and tokens away. */
export const BATCH = 400;
const AT_ONCE = 8;

/** Plays the cases of a seed, from one to before another, or as long as `goesOn` says. Gives up after 50 faults. */
export async function fuzz(
  target: Target,
  { seed, from, to, goesOn = () => true }: { seed: number; from: number; to: number; goesOn?: () => boolean },
): Promise<Report> {
  const report: Report = { played: 0, faults: [], last: '', outcomes: new Map() };
  for (let first = from; first < to && goesOn() && report.faults.length < 50; first = nextBatch(first)) {
    await playBatch(target, seed, first, Math.min(to, nextBatch(first)), report);
  }
  return report;
}

const nextBatch = (number: number) => (Math.floor(number / BATCH) + 1) * BATCH;

async function playBatch(target: Target, seed: number, first: number, end: number, report: Report): Promise<void> {
  const [port = 0] = target.ports;
  const world = await createWorld(target.db, port, `${seed}x${first}x${report.played}`);
  const before = await world.probe();
  let next = first;
  const worker = async () => {
    while (next < end) await playOne(target, seed, next++, world, report);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const what = target.trouble();
  const after = await world.probe().catch((error: unknown) => `no answer: ${error}`);
  if (after !== before) what.push(`the other app was told ${before} and is told ${after}`);
  if (what.length > 0) report.faults.push({ cases: `${first} … ${end - 1}`, what, shown: '' });
}

async function playOne(target: Target, seed: number, number: number, world: World, report: Report): Promise<void> {
  const { faults, outcomes, shown } = await playCase(seed, number, world, target.ports).catch((error: unknown) => ({
    faults: [`it could not be judged: ${error instanceof Error ? error.stack : error}`],
    outcomes: [],
    shown: '',
  }));
  report.last = shown;
  report.played++;
  for (const outcome of outcomes) report.outcomes.set(outcome, (report.outcomes.get(outcome) ?? 0) + 1);
  if (faults.length > 0) report.faults.push({ cases: String(number), what: faults, shown });
}
