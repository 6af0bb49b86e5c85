/**
 * `npm run bench -- hot-group`: two gateways, as two pools of this process, whose writers all write to one group. Compares how many
 * of a pool's connections may wait for the group's lock: none, so that who finds it held pauses and tries again; a quarter, which
 * is what gateways do; and all, as if each waited. Rounds alternate, so only the ratios say something.
 */
import { addApp } from '../src/access/apps.ts';
import { Authenticator } from '../src/access/tokens.ts';
import { databaseOf, type Viewer } from '../src/access/viewer.ts';
import type { Database } from '../src/db/client.ts';
import { openPostgres } from '../src/db/postgres.ts';
import { addGroup, setGroup } from '../src/groups/operations.ts';
import { openBenchDatabase } from './database.ts';

const POOL = 10;
const WRITERS = 16;
const ROUNDS = 7;
const ROUND = 1_500; // milliseconds
const WAITS = { none: 0, 'a quarter': undefined, all: POOL };
/** The least that is good: writes, of those when all wait; the slower gateway's, of the faster one's. */
const GOAL = { writes: 0.8, behind: 0.7 };

interface Round {
  writes: number;
  /** The slower gateway's writes by the faster one's. */
  behind: number;
  slowest: number;
}

async function round(gateways: readonly Database[], viewer: Viewer, gid: string): Promise<Round> {
  const counts = gateways.map(() => 0);
  let slowest = 0;
  const until = performance.now() + ROUND;
  const writer = async (db: Database, index: number, name: string) => {
    for (let n = 0; ; n++) {
      const begun = performance.now();
      if (begun > until) return;
      await setGroup(databaseOf(db, viewer), viewer, { gid, name: `${name} ${n}` });
      slowest = Math.max(slowest, performance.now() - begun);
      counts[index] = (counts[index] ?? 0) + 1;
    }
  };
  const writers = gateways.flatMap((db, index) =>
    Array.from({ length: WRITERS }, (_, number) => writer(db, index, `${index} ${number} ${begunAt()}`)),
  );
  await Promise.all(writers);
  return { writes: counts.reduce((a, b) => a + b, 0), behind: Math.min(...counts) / Math.max(...counts), slowest };
}

const begunAt = () => Math.round(performance.now());
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Whether the quarter reaches its goals. */
export async function run(): Promise<boolean> {
  await using bench = await openBenchDatabase();
  const viewer = await new Authenticator(bench.db).authenticate(`Bearer ${await addApp(bench.db, 'hot')}`);
  if (!viewer) throw new Error('The token that was just made is not valid');
  const gid = String((await addGroup(bench.db, viewer, {})).group.gid);
  const open = (lockWaits?: number) =>
    openPostgres({ url: bench.url, poolSize: POOL, lockWaits, statementTimeout: 60_000, transactionTimeout: 60_000 });
  const ways = Object.entries(WAITS).map(([name, waits]) => ({
    name,
    gateways: [open(waits), open(waits)],
    rounds: [] as Round[],
  }));
  for (let number = 0; number <= ROUNDS; number++) {
    for (const way of ways) {
      const result = await round(way.gateways, viewer, gid);
      if (number > 0) way.rounds.push(result); // the first warms up
    }
  }
  const all = ways.find(({ name }) => name === 'all')?.rounds ?? [];
  const rows = ways.map(({ name, rounds }) => ({
    'may wait': name,
    'writes, of all': median(rounds.map(({ writes }, index) => writes / (all[index]?.writes ?? Number.NaN))),
    'slower gateway, of the faster': Math.min(...rounds.map(({ behind }) => behind)),
    'slowest write, ms': Math.round(Math.max(...rounds.map(({ slowest }) => slowest))),
  }));
  console.table(rows);
  for (const { gateways } of ways) for (const db of gateways) await db.close();
  const quarter = rows.find((row) => row['may wait'] === 'a quarter');
  return (
    quarter !== undefined && quarter['writes, of all'] >= GOAL.writes && quarter['slower gateway, of the faster'] >= GOAL.behind
  );
}
