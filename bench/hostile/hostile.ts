/**
 * `npm run bench -- hostile`: one attack after the other on a gateway with 1 GiB of heap and PostgreSQL, while another app's
 * client reads 20 times a second and edits once a second. It prints what became of each attack, how long the other client
 * waited and what memory the gateway took, and which goals are missed; then it looks for the dearest operation that is allowed
 * and attacks with that. It exits with 1 when a gateway ended. `options.ts` has what it can be told.
 *
 * Everything runs on one machine: attackers give way to the gateway, but PostgreSQL does not, and waits are those of a machine
 * that is attacked and attacks at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cost, climb, type Found } from './climb.ts';
import { type Options, readOptions } from './options.ts';
import { type Result, Scene } from './scene.ts';
import { longest, p99, type Row, summary, tableOf } from './table.ts';

const LONGEST_WAIT = 250;
/** How much of the memory from before may be left besides. */
const BACK_WITHIN = 1.2;

interface Judged {
  row: Row;
  missed: string[];
  ended: boolean;
}

interface Measures extends Result {
  name: string;
  by: string;
  quietP99: number;
  /** Resident memory when the rest was over; live memory after a garbage collection then. */
  after: number;
  used: number;
}

function judge({ name, by, quietP99, outcomes, waits, memory, longestTurn, ended, faults, after, used }: Measures): Judged {
  const all = [...waits.reads, ...waits.writes];
  const wait = longest(all);
  const missed = [
    ...(wait > LONGEST_WAIT ? [`the other client waited ${Math.round(wait)} ms`] : []),
    ...(after > memory.before * BACK_WITHIN ? [`${after} MiB afterwards, ${memory.before} before`] : []),
    ...Object.entries(waits.failures).map(([what, count]) => `the other client got ${what} ${count} times`),
    ...ended,
    ...(faults.length > 0 ? [`${faults.length} faults in the log, such as ${faults[0]?.slice(0, 300)}`] : []),
  ];
  const row = {
    attack: name,
    by,
    'what came of it': summary(outcomes),
    'longest wait, ms': Math.round(wait),
    'p99 × quiet': (p99(all) / quietP99).toFixed(1),
    'CPU at a stretch, ms': longestTurn === undefined ? 'ended' : Math.round(longestTurn),
    'MiB before': memory.before,
    'at the peak': memory.peak,
    afterwards: after,
    'of that live': used,
  };
  return { row, missed: missed.map((what) => `${name}: ${what}`), ended: ended.length > 0 };
}

async function attackAll(scene: Scene, { attacks, attack, rest, asApplication }: Options, quietP99: number): Promise<Judged[]> {
  const targets = asApplication ? { ...scene.targets, user: scene.targets.application } : scene.targets;
  const judged: Judged[] = [];
  for (const { name, by } of attacks) {
    const result = await scene.attack(name, targets, attack);
    const rested = await restOf(scene, rest);
    const one = judge({ ...result, ...rested, name, by: by === 'user' && asApplication ? 'application' : by, quietP99 });
    console.error(JSON.stringify(one.row));
    judged.push(one);
  }
  return judged;
}

async function restOf({ gateway }: Scene, rest: number): Promise<{ after: number; used: number }> {
  await sleep(rest);
  const after = await gateway.resident();
  return { after, used: await gateway.used().catch(() => Number.NaN) };
}

/** Looks for the operations that cost most CPU, and keep the event loop for longest; then sends them as an attack. */
async function attackWithDearest(scene: Scene, { attack, rest, search, seed }: Options, quietP99: number): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (const what of ['cpu', 'stretch'] as const) {
    const found = await climb(scene.gateway, scene.targets, { what, milliseconds: search / 2, seed });
    console.log(`\n${described(found)}`);
    if (!found.operation) continue;
    const result = await scene.attack({ query: found.operation, atOnce: 16 }, { ...scene.targets }, attack);
    const name = `the operation with the ${NAMES[what]}, 16 at once`;
    judged.push(judge({ ...result, ...(await restOf(scene, rest)), name, by: 'user', quietP99 }));
  }
  return judged;
}

const NAMES: Record<keyof Cost, string> = { cpu: 'most CPU', stretch: 'longest stretch', bytes: 'largest answer' };

const described = ({ what, operation, shown, fields, tried, cpu, stretch, bytes }: Found): string =>
  `Of ${tried} allowed operations the one with the ${NAMES[what]} (${fields} fields, ${operation.length} characters):
${shown}
It costs ${Math.round(cpu)} ms of CPU, ${Math.round(stretch)} ms at a stretch, and has ${bytes} bytes.`;

export async function run(): Promise<boolean> {
  const options = readOptions(process.argv.slice(3));
  const env: Record<string, string> = options.production ? { NODE_ENV: 'production', GRAPHIQL: 'on', INTROSPECTION: 'on' } : {};
  await using scene = await Scene.open({ writesASecond: 1, env });
  await scene.quiet(options.quiet); // what runs for the first time is slow
  const quiet = await scene.quiet(options.quiet);
  const all = [...quiet.reads, ...quiet.writes];
  console.error(`Quiet: longest wait ${Math.round(longest(all))} ms, p99 ${p99(all).toFixed(1)} ms`);
  const judged = await attackAll(scene, options, p99(all));
  if (options.search > 0) judged.push(...(await attackWithDearest(scene, options, p99(all))));
  console.log(tableOf(judged.map(({ row }) => row)));
  const missed = judged.flatMap(({ missed: goals }) => goals);
  console.log(missed.length === 0 ? '\nAll goals are met.' : `\nMissed:\n${missed.map((what) => `- ${what}`).join('\n')}`);
  return judged.every(({ ended }) => !ended);
}
