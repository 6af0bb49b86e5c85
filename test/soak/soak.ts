/**
 * `npm run soak -- --minutes 20` proves that change streams lose nothing: gateways on one PostgreSQL, writers, and watchers by
 * WebSocket and server-sent events, while watchers are cut and stalled, gateways killed, PostgreSQL and the hint bus
 * restarted. At the end every watcher's record has to equal the log, and the log replayed the tables. Ends with 1 when not.
 *
 *     --minutes N     how long it disturbs, 1 unless given
 *     --seed S        the seed of a run to repeat
 *     --gateways N    3 unless given
 *     --hints redis   hints by Redis, whose redis-server has to be there; else by NOTIFY; `off`: none
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { checkAll, type Fault, type LoggedChange } from './checker.ts';
import { GatewayProcess, type Service, startService } from './processes.ts';
import { Random } from './random.ts';
import { readTruth } from './truth.ts';
import { Watcher } from './watcher.ts';
import { type Made, makeGroup, write } from './writer.ts';

const GROUPS = 6;
const WRITERS = 4;
const CATCH_UP = 90_000;
const TOKEN = 'soak-token-soak-token-soak-token-soak';
const TRANSPORTS = ['websocket', 'sse'] as const;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    gateways: { type: 'string', default: '3' },
    hints: { type: 'string', default: 'notify' },
  },
});
const length = Number(values.minutes) * 60_000;
const seed = Number(values.seed);
const random = new Random(seed);
const failures: string[] = [];
const done = { gatewayKills: 0, databaseRestarts: 0, redisRestarts: 0, cuts: 0 };

function environment(database: Service, redis: Service | undefined): Record<string, string> {
  return {
    DATABASE_URL: database.url,
    DATABASE_POOL_SIZE: '8',
    APP_TOKEN: TOKEN,
    LOG_LEVEL: 'error',
    CHECKPOINT_INTERVAL: '2',
    ...(redis ? { HINTS_URL: redis.url } : values.hints === 'off' ? { HINTS_URL: 'off' } : {}),
  };
}

async function begin(gateways: readonly GatewayProcess[]): Promise<{ groups: Made[]; watchers: Watcher[] }> {
  const urls = gateways.map(({ url }) => url);
  const watcher = (transport: 'websocket' | 'sse', group: Made | undefined, number: number) =>
    new Watcher({
      name: `${transport} ${number} of ${group ? `group ${group.gid}` : 'the app'}`,
      transport,
      token: TOKEN,
      random: random.fork(),
      urls,
      gid: group?.gid ?? null,
      after: group?.cursor,
      from: new Map(group ? [[group.gid, 1]] : []),
    });
  const watchers = TRANSPORTS.flatMap((transport) => [1, 2].map((number) => watcher(transport, undefined, number)));
  while (!watchers.every(({ started }) => started)) await sleep(50);
  const groups: Made[] = [];
  for (let n = 0; n < GROUPS; n++) groups.push(await makeGroup(urls[0] as string, TOKEN, `group ${n}`));
  for (const group of groups) for (const transport of TRANSPORTS) watchers.push(watcher(transport, group, 1));
  return { groups, watchers };
}

/** Cuts, stalls, kills and restarts, one thing after the other. */
async function disturb(gateways: readonly GatewayProcess[], watchers: readonly Watcher[], database: Service, redis?: Service) {
  const until = Date.now() + length;
  const stalls: Promise<void>[] = [];
  for (let round = 0; Date.now() < until; round++) {
    await sleep(random.between(50, 400));
    for (const watcher of watchers) {
      if (random.next() < 0.08) {
        watcher.cut();
        done.cuts++;
      } else if (random.next() < 0.02) stalls.push(watcher.stall(random.between(500, 5_000)));
    }
    if (round % 12 === 5) {
      const gateway = random.pick(gateways);
      await gateway.end('SIGKILL');
      done.gatewayKills++;
      await sleep(random.between(0, 500));
      await gateway.start();
    }
    if (round % 30 === 15) {
      await database.restart();
      done.databaseRestarts++;
    }
    if (redis && round % 20 === 10) {
      await redis.restart();
      done.redisRestarts++;
    }
  }
  await Promise.all(stalls);
}

/** Waits until every watcher has as much as the log has for it, or time is up: the checker says what is missing. */
async function catchUp(watchers: readonly Watcher[], log: readonly LoggedChange[]): Promise<void> {
  const has = ({ got, record }: Watcher) => {
    if (record.all) return got.length >= log.length;
    const [[gid, from] = ['', 0]] = record.from;
    return got.length >= log.filter((change) => change.gid === gid).length - from;
  };
  const until = Date.now() + CATCH_UP;
  while (Date.now() < until && !watchers.every((watcher) => watcher.failure || has(watcher))) await sleep(100);
  await sleep(1_500); // for what should not come
}

function report(watchers: readonly Watcher[], log: readonly LoggedChange[], faults: readonly Fault[]): void {
  const count = (kind: string) => faults.filter((fault) => fault.kind === kind).length;
  const sum = (of: (watcher: Watcher) => number) => watchers.reduce((total, watcher) => total + of(watcher), 0);
  console.log(
    JSON.stringify({
      seed,
      minutes: Number(values.minutes),
      gateways: Number(values.gateways),
      hints: values.hints,
      watchers: watchers.length,
      changesWritten: log.length,
      deliveries: sum(({ got }) => got.length),
      watcherCuts: done.cuts,
      watcherResumes: sum(({ resumed }) => resumed),
      stalls: sum(({ stalls }) => stalls),
      gatewayKills: done.gatewayKills,
      databaseRestarts: done.databaseRestarts,
      redisRestarts: done.redisRestarts,
      losses: count('loss'),
      duplicates: count('duplicate'),
      reorders: count('reorder'),
      otherFaults: count('difference') + count('log') + count('tables') + failures.length,
    }),
  );
  for (const { kind, where, what } of faults.slice(0, 50)) console.log(`FAULT ${kind}, ${where}: ${what}`);
  for (const failure of failures.slice(0, 50)) console.log(`FAILURE ${failure}`);
}

async function soak(): Promise<number> {
  const services = [startService('postgres'), ...(values.hints === 'redis' ? [startService('redis')] : [])];
  const [database, redis] = (await Promise.all(services)) as [Service, Service | undefined];
  const onLog = (line: string) => {
    if (/unhandled|uncaught|heap/i.test(line)) failures.push(`a gateway wrote ${line.slice(0, 500)}`);
  };
  const env = environment(database, redis);
  const gateways = [await GatewayProcess.start(env, onLog)]; // it migrates
  while (gateways.length < Number(values.gateways)) gateways.push(await GatewayProcess.start(env, onLog));
  const { groups, watchers } = await begin(gateways);

  let stopped = false;
  const urls = gateways.map(({ url }) => url);
  const onFailure = (what: string) => failures.push(what);
  const writers = Array.from({ length: WRITERS }, () =>
    write({ urls, token: TOKEN, random: random.fork(), groups, onFailure }, () => stopped),
  );
  await disturb(gateways, watchers, database, redis);
  stopped = true;
  await Promise.all(writers);

  const { log, tables } = await readTruth(database.url);
  await catchUp(watchers, log);
  await Promise.all(watchers.map((watcher) => watcher.stop()));
  for (const { failure, record } of watchers) if (failure) failures.push(`${record.name} ended with ${failure}`);
  const faults = checkAll(
    watchers.map(({ record }) => record),
    log,
    tables,
  );
  report(watchers, log, faults);
  await Promise.all(gateways.map((gateway) => gateway.end('SIGTERM')));
  await Promise.all([database.stop(), redis?.stop()]);
  return faults.length + failures.length > 0 || log.length === 0 ? 1 : 0;
}

if (!(length > 0) || !Number.isInteger(seed)) throw new Error('--minutes and --seed are numbers');
console.log(`The seed of this soak is ${seed}: npm run soak -- --minutes ${values.minutes} --seed ${seed}`);
process.exit(await soak());
