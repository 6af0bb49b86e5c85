/**
 * CPU of the gateway for one of each kind of field, against that of a field whose value is at hand: what WEIGHTS are made of.
 * Then the dearest operations that are allowed, and the longest stretch for which each keeps the event loop.
 */
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { addApp } from '../src/access/apps.ts';
import { Authenticator } from '../src/access/tokens.ts';
import type { Viewer } from '../src/access/viewer.ts';
import type { Config } from '../src/config.ts';
import type { Database } from '../src/db/client.ts';
import { createGateway } from '../src/gateway.ts';
import { addGroup, setGroup } from '../src/groups/operations.ts';
import { withClient } from '../test/setup/databases.ts';
import { openBenchDatabase } from './database.ts';

const MEMBERS = 1_000;
const GROUPS = 100;
const TYPES = 200;
const ROUNDS = 15;
/** In milliseconds at a stretch. */
const GOAL = 100;

type Call = (query: string, variables?: object) => Promise<void>;

function callerOf(db: Database, token: string, limits: Partial<Config>): Call {
  const config = { allowedOrigins: undefined, bodyLimit: 1024 * 1024, opEndpoint: 'off', production: false };
  const gateway = createGateway({
    db,
    log: pino({ level: 'silent' }),
    config: { ...config, ...limits } as unknown as Config,
  });
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  return async (query, variables) => {
    const body = JSON.stringify({ query, variables });
    const response = await gateway.fetch(new Request('http://gateway/graphql', { method: 'POST', headers, body }));
    const text = await response.text();
    if (text.includes('"errors"')) throw new Error(text.slice(0, 500));
  };
}

/** CPU of this process, in microseconds: the median of rounds. */
async function cpuOf(run: () => Promise<void>): Promise<number> {
  const taken: number[] = [];
  for (let round = -3; round < ROUNDS; round++) {
    const begun = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(begun);
    if (round >= 0) taken.push(user + system);
  }
  return taken.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

const times = (count: number, field: (n: number) => string) => Array.from({ length: count }, (_, n) => field(n)).join(' ');

interface Kind {
  name: string;
  /** With how many of the field. */
  query: string;
  without: string;
  count: number;
  variables?: object;
}

function kinds(gid: string): Kind[] {
  const members = (fields: string) =>
    `{ groupGetMembers(gid: "${gid}", first: ${MEMBERS}) { edges { node { address ${fields} } } } }`;
  const groups = (fields: string) => `{ groups(first: ${GROUPS}) { edges { node { gid ${fields} } } } }`;
  const root = (fields: string) => `{ viewer { address } ${fields} }`;
  const group = (fields: string) => `{ group(gid: "${gid}") { gid ${fields} } }`;
  const ofMember = (name: string, field: string, each = 10, fields = 1): Kind => ({
    name,
    query: members(times(each, (n) => `a${n}: ${field}`)),
    without: members(''),
    count: MEMBERS * each * fields,
  });
  const checks = Array.from({ length: 1_000 }, (_, n) => ({ gid, address: `m${n}`, action: 'SEND' }));
  const ask = `query ($checks: [PermissionCheck!]!) { permissions(checks: $checks) { allowed } }`;
  return [
    ofMember('a field at hand', 'address'),
    ofMember('__typename', '__typename'),
    ofMember('a time', 'joinedAt'),
    ofMember('an object of 10 fields with one below each', 'admin { owner }', 10, 2),
    ofMember('permissions, with one below each', 'permissions { send }', 10, 2),
    ofMember('permissions(messageType: 7)', 'permissions(messageType: 7) { send }', 5),
    { name: 'group of a member', query: members('group { gid }'), without: members(''), count: MEMBERS },
    {
      name: 'a page of members in each group',
      query: groups('members(first: 1) { edges { cursor } }'),
      without: groups(''),
      count: GROUPS,
    },
    {
      name: 'a list of groups',
      query: root(times(100, (n) => `a${n}: groups(first: 1) { edges { cursor } }`)),
      without: root(''),
      count: 100,
    },
    {
      name: 'a list of groups with nameContains',
      query: root(times(100, (n) => `a${n}: groups(first: 1, filter: { nameContains: "zz${n}zz" }) { edges { cursor } }`)),
      without: root(''),
      count: 100,
    },
    {
      name: 'permission',
      query: group(times(200, (n) => `a${n}: permission(address: "m${n}", action: SEND) { allowed }`)),
      without: group(''),
      count: 200,
    },
    { name: 'an item of permissions', query: ask, without: root(''), count: 1_000, variables: { checks } },
    {
      name: 'member',
      query: group(times(200, (n) => `a${n}: member(address: "m${n}") { address }`)),
      without: group(''),
      count: 200,
    },
    {
      name: 'an item of messageTypes',
      query: group(times(50, (n) => `a${n}: messageTypes`)),
      without: group('messageTypes'),
      count: TYPES * 49,
    },
    {
      name: 'a field of the schema',
      query: '{ __schema { types { fields { name description type { name kind } args { name } } } } }',
      without: '{ __schema { description } }',
      count: 3_500,
    },
  ];
}

/** Near to 100,000 fields each. */
function dearest(gid: string): Record<string, string> {
  const members = (fields: string) => `groupGetMembers(gid: "${gid}", first: ${MEMBERS}) { edges { node { ${fields} } } }`;
  const groups = (fields: string) => `{ groups(first: ${GROUPS}) { edges { node { ${fields} } } } }`;
  return {
    'a page with 98 fields': `{ ${members(times(98, (n) => `a${n}: address`))} }`,
    permissions: `{ ${members(times(48, (n) => `a${n}: permissions { send }`))} }`,
    rights: `{ ${members(times(24, (n) => `a${n}: admin { owner }`))} }`,
    times: `{ ${members(times(48, (n) => `a${n}: joinedAt`))} }`,
    'permissions of message types': `{ ${members(times(12, (n) => `a${n}: permissions(messageType: ${n + 1}) { send }`))} }`,
    decisions: groups(times(34, (n) => `a${n}: permission(address: "m${n}", action: SEND) { allowed }`)),
    'pages of members': groups(
      times(20, (n) => `a${n}: members(first: 1, filter: { addressStartsWith: "${n}" }) { edges { cursor } }`),
    ),
    '38 pages': `{ ${times(38, (n) => `a${n}: ${members('address')}`)} }`,
    'the schema': `{ __schema { ${times(30, (n) => `a${n}: types { name kind description fields { name description } inputFields { name } }`)} } }`,
  };
}

const cpuHere = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** The longest stretch of CPU between two turns of the event loop, in milliseconds: the median of rounds. */
async function stretchOf(run: () => Promise<void>): Promise<number> {
  const longest: number[] = [];
  for (let round = -3; round < ROUNDS; round++) {
    let [longestNow, last, running] = [0, cpuHere(), true];
    const turns = (async () => {
      while (running) {
        await setImmediate();
        const now = cpuHere();
        longestNow = Math.max(longestNow, now - last);
        last = now;
      }
    })();
    await run();
    running = false;
    await turns;
    if (round >= 0) longest.push(longestNow);
  }
  return longest.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

export async function run(): Promise<boolean> {
  await using opened = await openBenchDatabase();
  const { db } = opened;
  const token = await addApp(db, 'bench');
  const viewer = (await new Authenticator(db).authenticate(`Bearer ${token}`)) as Viewer;
  const addresses = Array.from({ length: MEMBERS }, (_, n) => `m${n}`);
  const { group } = await addGroup(db, viewer, { name: 'bench', members: [{ addresses }] });
  const gid = String(group.gid);
  for (let type = 1; type <= TYPES; type++)
    await setGroup(db, viewer, { gid, messageType: type, permissions: { send: 'SELECTED' } });
  for (let n = 1; n < GROUPS; n++) await addGroup(db, viewer, { name: `group ${n}`, members: [{ addresses: ['a', 'b'] }] });
  await withClient(opened.url, (client) => client.query('vacuum analyze'));
  const call = callerOf(db, token, { maxFields: 10_000_000, maxLists: 10_000 });
  const rows: Record<string, string | number>[] = [];
  let unit = Number.NaN;
  const [first] = kinds(gid);
  if (first) await cpuOf(() => call(first.query)); // the first would pay for what is compiled
  for (const { name, query, without, count, variables } of kinds(gid)) {
    const [all, rest] = [await cpuOf(() => call(query, variables)), await cpuOf(() => call(without))];
    const each = (all - rest) / count;
    if (Number.isNaN(unit)) unit = each;
    rows.push({ 'one of': name, µs: each.toFixed(2), fields: (each / unit).toFixed(1) });
  }
  console.table(rows);
  const allowed = callerOf(db, token, {});
  const stretches: Record<string, string | number>[] = [];
  for (const [name, query] of Object.entries(dearest(gid))) {
    const cpu = await cpuOf(() => allowed(query));
    const stretch = await stretchOf(() => allowed(query));
    stretches.push({ 'the dearest of': name, 'CPU, ms': Math.round(cpu / 1000), 'longest stretch, ms': Math.round(stretch) });
  }
  console.table(stretches);
  return stretches.every((row) => Number(row['longest stretch, ms']) <= GOAL);
}
