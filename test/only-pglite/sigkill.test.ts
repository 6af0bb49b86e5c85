import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openEmbedded } from '../../src/db/embedded.ts';
import { migratedDataDir } from '../setup/data-dir.ts';
import { sql } from '../setup/database.ts';
import type { Answer } from '../setup/gateway.ts';
import { post, type ServerProcess, startServer } from '../setup/server.ts';

const ROUNDS = 20;
const GROUPS = 5;
const WRITERS = 15;
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = randomNumbers(SEED);
const upTo = (most: number) => 1 + Math.floor(random() * most);

/** What a group must be, by all that was acknowledged. */
interface Expected {
  gid: string;
  name: string | null;
  members: Set<string>;
  version: number;
}

/** A write that makes one record. */
interface Write {
  group: Expected;
  operation: 'groupSet' | 'groupEditMembers';
  input: { gid: string; idempotencyKey: string; name?: string; add?: { addresses: string[] }[]; remove?: string[] };
}

const APP_TOKEN = 'a-token-for-the-test-of-being-killed';
const groups: Expected[] = [];
let writes = 0;

/** @param own addresses that only this writer touches; only the first writer of a group names it */
function newWrite(group: Expected, own: string[], names: boolean): Write {
  const idempotencyKey = `write-${++writes}`;
  const { gid } = group;
  const dice = random();
  if (names && dice < 0.3) return { group, operation: 'groupSet', input: { gid, idempotencyKey, name: `name ${writes}` } };
  if (own.length > 0 && dice < 0.5) {
    return { group, operation: 'groupEditMembers', input: { gid, idempotencyKey, remove: own.splice(0, upTo(own.length)) } };
  }
  const size = random() < 0.15 ? 400 : upTo(5);
  const addresses = Array.from({ length: size }, (_, index) => `member ${writes} ${index}`);
  own.push(...addresses.slice(0, 5));
  return { group, operation: 'groupEditMembers', input: { gid, idempotencyKey, add: [{ addresses }] } };
}

/** Sends a write; the answer is that it is done, or the connection breaks. */
async function send({ url }: ServerProcess, { operation, input }: Write): Promise<void> {
  const type = operation === 'groupSet' ? 'GroupSet' : 'GroupEditMembers';
  const query = `mutation ($input: ${type}Input!) { ${operation}(input: $input) { __typename } }`;
  const answer = await post(url, APP_TOKEN, query, { input });
  expect(answer).toEqual({ status: 200, data: { [operation]: { __typename: `${type}Payload` } } });
}

function acknowledge({ group, input: { name, add = [], remove = [] } }: Write): void {
  group.version++;
  if (name !== undefined) group.name = name;
  for (const { addresses } of add) for (const address of addresses) group.members.add(address);
  for (const address of remove) group.members.delete(address);
}

/** Writes from all sides until the process is killed, at some moment. Returns the writes without an answer. */
async function writeUntilKilled(server: ServerProcess): Promise<Write[]> {
  const unanswered: Write[] = [];
  let left = upTo(60);
  let kill = () => {};
  const enough = new Promise<void>((resolve) => {
    kill = resolve;
  });
  let killed = false;
  const writer = async (index: number) => {
    const group = groups[index % GROUPS] as Expected;
    const own: string[] = [];
    while (!killed) {
      const write = newWrite(group, own, index < GROUPS);
      try {
        await send(server, write);
      } catch (error) {
        if (!killed) throw error;
        unanswered.push(write);
        return;
      }
      acknowledge(write);
      if (--left === 0) kill();
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)));
  await Promise.race([enough, writers]);
  await sleep(random() * 20);
  killed = true;
  expect(await server.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
  await writers;
  return unanswered;
}

interface Found {
  name: string | null;
  version: number;
  memberCount: number;
  members: Set<string>;
}

interface GroupPage extends Omit<Found, 'members'> {
  members: { edges: { node: { address: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
}

async function read({ url }: ServerProcess, gid: string): Promise<Found> {
  const query = `query ($gid: ID!, $after: String) {
    group(gid: $gid) { name version memberCount members(first: 1000, after: $after) { edges { node { address } } pageInfo { hasNextPage endCursor } } }
  }`;
  const members = new Set<string>();
  for (let after: string | undefined; ; ) {
    const { data, errors }: Answer = await post(url, APP_TOKEN, query, { gid, after });
    expect(errors).toBeUndefined();
    const { name, version, memberCount, members: page } = (data as { group: GroupPage }).group;
    for (const { node } of page.edges) members.add(node.address);
    if (!page.pageInfo.hasNextPage) return { name, version, memberCount, members };
    after = page.pageInfo.endCursor;
  }
}

/** Before the unanswered writes are sent again: what was acknowledged is there, and of each other all or nothing. */
async function expectNothingLost(server: ServerProcess, group: Expected, unanswered: readonly Write[]): Promise<void> {
  const found = await read(server, group.gid);
  expect(found.memberCount).toBe(found.members.size);
  expect(found.version).toBeGreaterThanOrEqual(group.version);
  expect(found.version).toBeLessThanOrEqual(group.version + unanswered.length);
  expect([group.name, ...unanswered.map(({ input }) => input.name)]).toContain(found.name);
  const open = new Set<string>();
  for (const { input } of unanswered) {
    const addresses = input.add?.[0]?.addresses ?? input.remove ?? [];
    expect([0, addresses.length]).toContain(addresses.filter((address) => found.members.has(address)).length);
    for (const address of addresses) open.add(address);
  }
  const certain = (addresses: Set<string>) => [...addresses].filter((address) => !open.has(address)).sort();
  expect(certain(found.members)).toEqual(certain(group.members));
}

test(`${ROUNDS} times killed while it writes, the gateway comes back with every write that it acknowledged`, {
  timeout: 600_000,
}, async () => {
  console.log(`SEED=${SEED}`);
  const DATA_DIR = await migratedDataDir();
  const start = () => startServer({ DATA_DIR, APP_TOKEN });
  let server = await start();
  for (let index = 0; index < GROUPS; index++) {
    const { data } = await post(
      server.url,
      APP_TOKEN,
      'mutation { groupAdd(input: {}) { ... on GroupAddPayload { group { gid } } } }',
    );
    groups.push({ gid: data?.groupAdd.group.gid, name: null, members: new Set(), version: 1 });
  }
  let cutOff = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const unanswered = await writeUntilKilled(server);
    cutOff += unanswered.length;
    server = await start();
    for (const group of groups) {
      const own = unanswered.filter((write) => write.group === group);
      await expectNothingLost(server, group, own);
    }
    await Promise.all(
      unanswered.map(async (write) => {
        await send(server, write);
        acknowledge(write);
      }),
    );
  }
  expect(cutOff).toBeGreaterThan(ROUNDS);
  for (const group of groups) await expectNothingLost(server, group, []);
  await server.stop();

  const db = await openEmbedded({ data: DATA_DIR, statementTimeout: 60_000, transactionTimeout: 60_000 });
  const rows = await sql<{ version: number; records: number; last: number; member_count: number; members: number }>(
    db,
    `select version, member_count, (select count(*)::int from members m where m.gid = g.gid) as members,
      (select count(*)::int from changes c where c.gid = g.gid) as records,
      (select max(version) from changes c where c.gid = g.gid) as last
    from groups g order by gid`,
  );
  await db.close();
  expect(rows).toEqual(
    groups.map(({ version, members }) => {
      const count = members.size;
      return { version, records: version, last: version, member_count: count, members: count };
    }),
  );
});
