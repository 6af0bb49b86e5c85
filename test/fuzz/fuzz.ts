/**
 * `npm run fuzz -- --minutes 10` sends generated and spoiled requests to gateways in processes of their own, over HTTP, as
 * WebSockets and event streams, to GraphQL and to the op endpoint: nothing may end in a 5xx that is not planned, a crash, a
 * word from within, a line at level error, or another app's data. Ends with 1 when something does.
 *
 *     --minutes N     how long, 1 unless given
 *     --seed S        the seed of a run to repeat
 *     --case N        only this case
 *     --from N        only the cases from this one on
 *
 * With DATABASE_URL in a new database on that server, else on a PostgreSQL of its own.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { openBenchDatabase } from '../../bench/database.ts';
import { GatewayProcess } from '../soak/processes.ts';
import { type Fault, fuzz } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    case: { type: 'string' },
    from: { type: 'string', default: '0' },
  },
});
const seed = Number(values.seed);
const from = Number(values.case ?? values.from);
const until = Date.now() + Number(values.minutes) * 60_000;
if (!Number.isInteger(seed) || !Number.isInteger(from) || !(until > 0)) throw new Error('--minutes, --seed, --case are numbers');
console.log(`The seed of this fuzz is ${seed}: npm run fuzz -- --minutes ${values.minutes} --seed ${seed}`);

const print = ({ cases, what, shown }: Fault) =>
  console.log(`FAULT in case ${cases} (npm run fuzz -- --seed ${seed} --case N):\n  ${what.join('\n  ')}\n  ${shown}`);

await using database = await openBenchDatabase();
const trouble: string[] = [];
const watch = {
  // Nothing else is written at that level, and to standard error only what ends a process.
  onLog: (line: string) => void trouble.push(line.slice(0, 3_000)),
  onFailure: (what: string) => void trouble.push(what),
};
const env = {
  DATABASE_URL: database.url,
  DATABASE_POOL_SIZE: '8',
  LOG_LEVEL: 'error',
  APP_TOKEN: 'fuzz-token-fuzz-token-fuzz-token-fuzz',
};
const gateways = [await GatewayProcess.start(env, watch), await GatewayProcess.start({ ...env, NODE_ENV: 'production' }, watch)];
const { played, faults, last, outcomes } = await fuzz(
  { db: database.db, ports: gateways.map(({ port }) => port), trouble: () => trouble.splice(0) },
  {
    seed,
    from,
    to: values.case === undefined ? Number.MAX_SAFE_INTEGER : from + 1,
    goesOn: () => values.case !== undefined || Date.now() < until,
  },
);
await Promise.all(gateways.map((gateway) => gateway.end('SIGTERM')));
faults.push(...trouble.map((what) => ({ cases: 'the end', what: [what], shown: '' })));
faults.forEach(print);
if (values.case !== undefined) console.log(`It sends ${last}`);
console.log(
  [...outcomes]
    .sort()
    .map(([what, times]) => `${what} ${times}`)
    .join(', '),
);
console.log(`${played} cases, ${faults.length} faults (seed ${seed})`);
process.exitCode = faults.length > 0 || played === 0 ? 1 : 0;
