/**
 * `npm run soak -- --minutes 20` proves that change streams lose nothing: gateways on one PostgreSQL, writers, and watchers by
 * WebSocket and server-sent events, while watchers are cut and stalled, watched groups deleted, gateways killed and stopped,
 * PostgreSQL and the hint bus restarted. At the end every watcher's record has to equal the log, the log replayed the tables,
 * and so does what watchers made of snapshots; and no gateway may have ended by itself. Ends with 1 when not.
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
import { SnapshotWatcher, Watcher, type WatcherOptions } from './watcher.ts';
import { deleteGroup, type Made, makeGroup, write } from './writer.ts';

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
const onFailure = (what: string) => failures.push(what);
const done = { gatewayKills: 0, gatewayStops: 0, databaseRestarts: 0, redisRestarts: 0, cuts: 0 };

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

interface Soak {
  gateways: readonly GatewayProcess[];
  database: Service;
  redis?: Service;
  /** The groups that writers know of. */
  groups: Made[];
  /** Of the groups: the one that is to be deleted next. */
  mortal?: Made;
  watchers: Watcher[];
  snapshots: SnapshotWatcher[];
}

function optionsOf({ gateways }: Soak, transport: 'websocket' | 'sse', what: string, group?: Made): WatcherOptions {
  return {
    name: `${transport} of ${what}`,
    transport,
    token: TOKEN,
    random: random.fork(),
    urls: gateways.map(({ url }) => url),
    gid: group?.gid ?? null,
    after: group?.cursor,
    from: new Map(group ? [[group.gid, 1]] : []),
  };
}

/** A group that writers write to, with a watcher by each transport. */
async function addWatchedGroup(soak: Soak, name: string): Promise<Made> {
  const group = await makeGroup(soak.gateways[0]?.url as string, TOKEN, name);
  soak.groups.push(group);
  for (const transport of TRANSPORTS) soak.watchers.push(new Watcher(optionsOf(soak, transport, `group ${group.gid}`, group)));
  return group;
}

async function begin(soak: Soak): Promise<void> {
  const { watchers, snapshots, groups } = soak;
  for (const number of [1, 2])
    for (const transport of TRANSPORTS) watchers.push(new Watcher(optionsOf(soak, transport, `the app, ${number}`)));
  while (!watchers.every(({ started }) => started)) await sleep(50);
  for (let n = 0; n < GROUPS; n++) await addWatchedGroup(soak, `group ${n}`);
  for (const group of groups.slice(0, 2)) {
    for (const transport of TRANSPORTS)
      snapshots.push(new SnapshotWatcher(optionsOf(soak, transport, `snapshots of group ${group.gid}`, group)));
  }
  soak.mortal = await addWatchedGroup(soak, 'mortal');
}

/** Deletes a group that is watched, and has another in its place. */
async function replaceMortal(soak: Soak): Promise<void> {
  const { gateways, groups, mortal } = soak;
  if (mortal) {
    if (groups.includes(mortal)) groups.splice(groups.indexOf(mortal), 1);
    await deleteGroup(random.pick(gateways).url, TOKEN, mortal.gid);
  }
  soak.mortal = await addWatchedGroup(soak, 'mortal').catch(() => undefined);
}

/** By turns without a word, and so that it ends its streams. */
async function restartGateway(gateway: GatewayProcess): Promise<void> {
  const kills = done.gatewayKills <= done.gatewayStops;
  await gateway.end(kills ? 'SIGKILL' : 'SIGTERM');
  done[kills ? 'gatewayKills' : 'gatewayStops']++;
  await sleep(random.between(0, 500));
  await gateway.start();
}

/** So that everything happens once at least, however slow the machine. */
const LEAST_ROUNDS = 20;

/** Cuts, stalls, kills and restarts, one thing after the other. */
async function disturb(soak: Soak): Promise<void> {
  const { gateways, watchers, snapshots, database, redis } = soak;
  const until = Date.now() + length;
  const stalls: Promise<void>[] = [];
  for (let round = 0; Date.now() < until || round < LEAST_ROUNDS; round++) {
    await sleep(random.between(50, 400));
    for (const watcher of [...watchers, ...snapshots]) {
      if (random.next() < 0.08) {
        watcher.cut();
        done.cuts++;
      } else if (random.next() < 0.02) stalls.push(watcher.stall(random.between(500, 5_000)));
    }
    if (round % 12 === 5) await restartGateway(random.pick(gateways));
    if (round % 16 === 8) await replaceMortal(soak);
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
  const until = Date.now() + CATCH_UP;
  while (Date.now() < until && !watchers.every((watcher) => watcher.failure || watcher.has(log))) await sleep(100);
  await sleep(1_500); // for what should not come
}

function report({ watchers, snapshots }: Soak, log: readonly LoggedChange[], faults: readonly Fault[]): void {
  const all = [...watchers, ...snapshots];
  const count = (kind: string) => faults.filter((fault) => fault.kind === kind).length;
  const sum = (of: (watcher: Watcher) => number) => all.reduce((total, watcher) => total + of(watcher), 0);
  console.log(
    JSON.stringify({
      seed,
      minutes: Number(values.minutes),
      gateways: Number(values.gateways),
      hints: values.hints,
      watchers: all.length,
      changesWritten: log.length,
      deliveries: sum(({ got }) => got.length),
      watcherCuts: done.cuts,
      watcherResumes: sum(({ resumed }) => resumed),
      stalls: sum(({ stalls }) => stalls),
      snapshots: snapshots.reduce((total, { snapshotRecord }) => total + snapshotRecord.sessions.length, 0),
      completions: watchers.filter(({ completed }) => completed).length,
      gatewayKills: done.gatewayKills,
      gatewayStops: done.gatewayStops,
      serverStoppings: sum(({ stoppings }) => stoppings),
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

async function run(): Promise<number> {
  const services = [startService('postgres'), ...(values.hints === 'redis' ? [startService('redis')] : [])];
  const [database, redis] = (await Promise.all(services)) as [Service, Service | undefined];
  const onLog = (line: string) => {
    if (/unhandled|uncaught|heap/i.test(line)) onFailure(`a gateway wrote ${line.slice(0, 500)}`);
  };
  const env = environment(database, redis);
  const gateways = [await GatewayProcess.start(env, { onLog, onFailure })]; // it migrates
  while (gateways.length < Number(values.gateways)) gateways.push(await GatewayProcess.start(env, { onLog, onFailure }));
  const soak: Soak = { gateways, database, redis, groups: [], watchers: [], snapshots: [] };
  await begin(soak);

  let stopped = false;
  const urls = gateways.map(({ url }) => url);
  const writers = Array.from({ length: WRITERS }, () =>
    write({ urls, token: TOKEN, random: random.fork(), groups: soak.groups, onFailure }, () => stopped),
  );
  await disturb(soak);
  stopped = true;
  await Promise.all(writers);

  const { log, tables } = await readTruth(database.url);
  const all = [...soak.watchers, ...soak.snapshots];
  await catchUp(all, log);
  await Promise.all(all.map((watcher) => watcher.stop()));
  await Promise.all(gateways.map((gateway) => gateway.end('SIGTERM')));
  await Promise.all([database.stop(), redis?.stop()]);
  for (const { failure, record } of all) if (failure) onFailure(`${record.name} ended with ${failure}`);
  const faults = checkAll({
    watchers: soak.watchers.map(({ record }) => record),
    snapshots: soak.snapshots.map(({ snapshotRecord }) => snapshotRecord),
    log,
    tables,
  });
  report(soak, log, faults);
  return faults.length + failures.length > 0 || log.length === 0 ? 1 : 0;
}

if (!(length > 0) || !Number.isInteger(seed)) throw new Error('--minutes and --seed are numbers');
console.log(`The seed of this soak is ${seed}: npm run soak -- --minutes ${values.minutes} --seed ${seed}`);
process.exit(await run());
