/**
 * `npm run bench -- stalled [--seconds 60] [--groups 330]`: two readers of a busy group, one by WebSocket and one by
 * server-sent events, read nothing while 1,000 others watch and writers write as fast as one gateway allows; then they read
 * again. It prints one line of JSON with the number of changes, the gateway's memory, and whether every reader got every
 * version once; if not, it exits with 1.
 *
 * The stalled WebSocket is expected to be cut off, since it answers no ping (one every 12 s), and to reconnect with its cursor:
 * that is by design, and `connections` counts it. `usedMiB` is the live memory of the gateway after a garbage collection, with
 * its buffers; `longestSendQueueMiB` is what it wrote for a reader and the kernel has not sent yet. The latest records that it
 * keeps of each group, up to its limits, grow with every group that is written to, with stalled readers or without: with few
 * quiet groups (`--groups 8`, three readers each) the limit is reached soon. PostgreSQL does not sync here.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Database } from '../src/db/client.ts';
import { GatewayProcess } from '../test/soak/processes.ts';
import { openBenchDatabase } from './database.ts';
import { memoryOf } from './inspected.ts';
import type { Finished, Told, Watched } from './stalled-readers.ts';

const TOKEN = 'bench-token-bench-token-bench-token-bench';
const BUSY_READERS = 10;
const READERS_A_QUIET_GROUP = 3;
const BUSY_WRITERS = 4;
const QUIET_WRITERS = 8;
const MIB = 1024 * 1024;

interface Inspected {
  gateway: GatewayProcess;
  /** The URL of its inspector. */
  inspector: string;
}

const ADD = `mutation { groupAdd(input: {}) { ... on GroupAddPayload { group { gid } cursor } } }`;
const EDIT = `mutation ($input: GroupEditMembersInput!) { groupEditMembers(input: $input) { __typename } }`;

// biome-ignore lint/suspicious/noExplicitAny: what the operation asks for
async function post(url: string, query: string, variables?: object): Promise<any> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${TOKEN}` };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data } = (await response.json()) as { data?: object };
  return data;
}

/** Writes to its groups in turn until it is stopped: each request makes three records with many long addresses. */
async function write(url: string, writer: number, gids: readonly string[], size: number, stopped: () => boolean) {
  const addresses = (name: string) => Array.from({ length: size }, (_, n) => `${writer} ${name} ${n}`.padEnd(200, '.'));
  for (let round = 0; ; round++) {
    for (const gid of gids) {
      if (stopped()) return;
      const add = [{ addresses: addresses(`${round}`) }, ...(round === 0 ? [{ addresses: addresses('staying') }] : [])];
      const update = [{ addresses: addresses('staying'), permissions: { send: round % 2 === 0 } }];
      const remove = addresses(`${round - 1}`);
      const input = round === 0 ? { gid, add } : { gid, add, update, remove };
      const data = await post(url, EDIT, { input });
      if (data?.groupEditMembers.__typename !== 'GroupEditMembersPayload') throw new Error(`Refused: ${JSON.stringify(data)}`);
    }
  }
}

/** Creates a busy group and the given number of quiet ones. */
async function makeGroups(url: string, quiet: number): Promise<Watched[]> {
  const watched: Watched[] = [];
  while (watched.length <= quiet) {
    const { group, cursor } = (await post(url, ADD)).groupAdd;
    const busy = watched.length === 0;
    watched.push({ gid: group.gid, cursor, readers: busy ? BUSY_READERS : READERS_A_QUIET_GROUP, stalls: busy });
  }
  return watched;
}

function startWriters(url: string, watched: readonly Watched[], stopped: () => boolean): Promise<unknown> {
  const [busy = '', ...quiet] = watched.map(({ gid }) => gid);
  const ofBusy = Array.from({ length: BUSY_WRITERS }, (_, writer) => write(url, writer, [busy], 20, stopped));
  const ofQuiet = Array.from({ length: QUIET_WRITERS }, (_, writer) =>
    write(
      url,
      writer,
      quiet.filter((__, n) => n % QUIET_WRITERS === writer),
      1,
      stopped,
    ),
  );
  return Promise.all([...ofBusy, ...ofQuiet]);
}

/** The largest send queue of the gateway's connections in the kernel, in MiB; null if there is no /proc. */
async function longestSendQueue(port: number): Promise<number | null> {
  const rows = await readFile('/proc/net/tcp', 'utf8').catch(() => '');
  const local = port.toString(16).toUpperCase().padStart(4, '0');
  const queues = [...rows.matchAll(/^\s*\d+: \w{8}:(\w{4}) \w{8}:\w{4} \w\w (\w{8}):/gm)].filter(([, own]) => own === local);
  return queues.length > 0
    ? Math.round((Math.max(...queues.map(([, , bytes = '']) => Number.parseInt(bytes, 16))) / MIB) * 10) / 10
    : null;
}

async function versionsOf(db: Database): Promise<Record<string, number>> {
  const rows = await db.prisma.group.findMany({ select: { gid: true, version: true } });
  return Object.fromEntries(rows.map(({ gid, version }) => [String(gid), version]));
}

/** Lets writers write for the given time while two readers stall, and measures the gateway. */
async function stall({ gateway, inspector }: Inspected, watched: readonly Watched[], milliseconds: number) {
  const begin = await memoryOf(inspector);
  let stopped = false;
  const begun = performance.now();
  const writing = startWriters(gateway.url, watched, () => stopped);
  await Promise.race([sleep(milliseconds / 2), writing]);
  const middle = await memoryOf(inspector);
  await Promise.race([sleep(milliseconds / 2), writing]);
  const end = await memoryOf(inspector);
  const longestQueue = await longestSendQueue(gateway.port);
  stopped = true;
  await writing;
  return { memory: { begin, middle, end }, longestQueue, seconds: (performance.now() - begun) / 1000 };
}

interface Options {
  milliseconds: number;
  quiet: number;
}

async function measure(db: Database, inspected: Inspected, readers: ChildProcess, { milliseconds, quiet }: Options) {
  const { gateway, inspector } = inspected;
  const tell = (told: Told) => readers.send(told);
  const ended = once(readers, 'exit').then(() => {
    throw new Error('The process of the readers ended');
  });
  const heard = async () => ((await Promise.race([once(readers, 'message'), ended])) as [unknown])[0];
  const watched = await makeGroups(gateway.url, quiet);
  tell({ kind: 'begin', url: gateway.url, token: TOKEN, watched });
  await heard();
  const { memory, longestQueue, seconds } = await stall(inspected, watched, milliseconds);
  tell({ kind: 'resume' });
  const versions = await versionsOf(db);
  tell({ kind: 'finish', versions });
  const { faults, deliveries, stalled, othersDone, othersResumed } = (await heard()) as Finished;
  const changes = Object.values(versions).reduce((sum, version) => sum + version - 1, 0);
  const line = {
    seconds: Math.round(seconds * 10) / 10,
    watchers: watched.reduce((sum, { readers: count }) => sum + count, 0),
    groups: watched.length,
    changes,
    changesPerSecond: Math.round(changes / seconds),
    deliveries,
    memory: { ...memory, afterwards: await memoryOf(inspector) },
    longestSendQueueMiB: longestQueue,
    stalled,
    others: { everyVersionOnce: othersDone, resumed: othersResumed },
    faults: faults.length,
  };
  console.log(JSON.stringify(line));
  for (const fault of faults.slice(0, 20)) console.log(`FAULT ${fault}`);
  return faults.length === 0;
}

export async function run(): Promise<boolean> {
  const options = { seconds: { type: 'string', default: '60' }, groups: { type: 'string', default: '330' } } as const;
  const { values } = parseArgs({ args: process.argv.slice(3), options });
  const [milliseconds, quiet] = [Number(values.seconds) * 1000, Number(values.groups)];
  if (!(milliseconds > 0 && quiet >= QUIET_WRITERS))
    throw new Error(`--groups is a number, at least ${QUIET_WRITERS}; --seconds too`);
  await using opened = await openBenchDatabase();
  const env = { DATABASE_URL: opened.url, APP_TOKEN: TOKEN, LOG_LEVEL: 'error', NODE_OPTIONS: '--inspect=127.0.0.1:0' };
  const failed = Promise.withResolvers<never>();
  const onFailure = (what: string) => failed.reject(new Error(what));
  let inspector = '';
  const onLog = (line: string) => {
    inspector = /(?<=^Debugger listening on )ws:\S+/.exec(line)?.[0] ?? inspector;
    if (line.startsWith('{')) console.error(line);
  };
  const gateway = await Promise.race([GatewayProcess.start(env, { onLog, onFailure }), failed.promise]);
  const readers = fork(fileURLToPath(new URL('stalled-readers.ts', import.meta.url)));
  try {
    return await Promise.race([measure(opened.db, { gateway, inspector }, readers, { milliseconds, quiet }), failed.promise]);
  } finally {
    readers.kill();
    await gateway.end('SIGKILL');
  }
}
