import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openEmbedded } from '../../src/db/embedded.ts';
import { copyAsIfKilled } from '../setup/crash-image.ts';
import { migratedDataDir } from '../setup/data-dir.ts';
import { sql } from '../setup/database.ts';
import { temporaryFolder } from '../setup/folder.ts';
import type { Answer } from '../setup/gateway.ts';
import { post, type ServerProcess, startServer } from '../setup/server.ts';

// A kill and the next start take the processor four times as long as an image, and find the same in the folder. What only
// a gateway can show, that it starts again and that retries are answered, the kills show.
const KILLS = 3;
const IMAGES_A_KILL = 6;
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
const underway = new Set<Write>();
let writes = 0;

/** What a kill at some moment would have left, and what was known then. */
interface Image {
  folder: string;
  groups: Expected[];
  unanswered: Write[];
}

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

function takeImage({ pid }: ServerProcess, dataDir: string): Image {
  const folder = temporaryFolder();
  copyAsIfKilled(pid, join(dataDir, 'pglite'), join(folder, 'pglite'));
  return {
    folder,
    groups: groups.map((group) => ({ ...group, members: new Set(group.members) })),
    unanswered: [...underway],
  };
}

/** Writes from all sides, with images at some moments, until the process is killed at another. */
async function writeUntilKilled(server: ServerProcess, dataDir: string): Promise<{ images: Image[]; unanswered: Write[] }> {
  let answers = 0;
  let onAnswer = () => {};
  let killed = false;
  const writer = async (index: number) => {
    const group = groups[index % GROUPS] as Expected;
    const own: string[] = [];
    while (!killed) {
      const write = newWrite(group, own, index < GROUPS);
      underway.add(write);
      try {
        await send(server, write);
      } catch (error) {
        if (!killed) throw error;
        return;
      }
      underway.delete(write);
      acknowledge(write);
      answers++;
      onAnswer();
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)));
  const someMoment = async () => {
    const enough = answers + upTo(25);
    const reached = new Promise<void>((resolve) => {
      onAnswer = () => {
        if (answers >= enough) resolve();
      };
    });
    await Promise.race([reached, writers]);
    await sleep(random() * 20);
  };
  const images: Image[] = [];
  while (images.length < IMAGES_A_KILL) {
    await someMoment();
    images.push(takeImage(server, dataDir));
  }
  await someMoment();
  killed = true;
  expect(await server.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
  await writers;
  const unanswered = [...underway];
  underway.clear();
  return { images, unanswered };
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
function expectNothingLost(found: Found, group: Expected, all: readonly Write[]): void {
  const unanswered = all.filter((write) => write.group.gid === group.gid);
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

/** The groups in a folder that no process has, each with as many records as versions. */
async function readFolder(data: string): Promise<Map<string, Found>> {
  const db = await openEmbedded({ data, statementTimeout: 60_000, transactionTimeout: 60_000 });
  const rows = await sql<Omit<Found, 'members'> & { gid: number; records: number; last: number; members: string[] }>(
    db,
    `select gid, name, version, member_count as "memberCount",
      array(select address from members m where m.gid = g.gid) as members,
      (select count(*)::int from changes c where c.gid = g.gid) as records,
      (select max(version) from changes c where c.gid = g.gid) as last
    from groups g order by gid`,
  );
  await db.close();
  for (const { version, records, last } of rows) expect({ records, last }).toEqual({ records: version, last: version });
  return new Map(rows.map(({ gid, members, ...found }) => [String(gid), { ...found, members: new Set(members) }]));
}

test(`killed while it writes, ${KILLS * (1 + IMAGES_A_KILL)} times, the gateway has every write that it acknowledged`, {
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
  for (let kill = 0; kill < KILLS; kill++) {
    const { images, unanswered } = await writeUntilKilled(server, DATA_DIR);
    for (const image of images) {
      const found = await readFolder(image.folder);
      for (const group of image.groups) expectNothingLost(found.get(group.gid) as Found, group, image.unanswered);
      cutOff += image.unanswered.length;
    }
    cutOff += unanswered.length;
    server = await start();
    for (const group of groups) expectNothingLost(await read(server, group.gid), group, unanswered);
    await Promise.all(
      unanswered.map(async (write) => {
        await send(server, write);
        acknowledge(write);
      }),
    );
  }
  expect(cutOff).toBeGreaterThan(KILLS * (1 + IMAGES_A_KILL));
  for (const group of groups) expectNothingLost(await read(server, group.gid), group, []);
  await server.stop();

  const found = await readFolder(DATA_DIR);
  expect([...found.keys()]).toEqual(groups.map(({ gid }) => gid));
  for (const group of groups) expectNothingLost(found.get(group.gid) as Found, group, []);
});
