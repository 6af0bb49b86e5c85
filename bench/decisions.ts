/** `permission` and the first page of `allowed` in a group of 1,000,000 members against one of 1,000, in one run. */
import { pino } from 'pino';
import { addApp } from '../src/access/apps.ts';
import { Authenticator } from '../src/access/tokens.ts';
import type { Viewer } from '../src/access/viewer.ts';
import type { Config } from '../src/config.ts';
import type { Database } from '../src/db/client.ts';
import { createGateway } from '../src/gateway.ts';
import { addGroup, editGroupMembers, setGroup } from '../src/groups/operations.ts';
import { type AllowedArgs, firstAllowed } from '../src/groups/read/allowed.ts';
import { findGroup } from '../src/groups/read/groups.ts';
import { decideChecks } from '../src/groups/read/permission-checks.ts';
import { withClient } from '../test/setup/databases.ts';
import { openBenchDatabase } from './database.ts';
import { compare, type Measured } from './measure.ts';

const SIZES = { small: 1_000, large: 1_000_000 };
const GOAL = 1.5;
const CHUNK = 100_000;
const address = (index: number) => `member-${String(index).padStart(7, '0')}`;

/** A broadcast: one member may send, three receive messages of type 7, all the others. Type 8 is round-robin. Returns the gid. */
async function fill(db: Database, viewer: Viewer, size: number): Promise<string> {
  const { group } = await addGroup(db, viewer, { permissions: { send: 'SELECTED' }, members: [{ addresses: ['the admin'] }] });
  const gid = String(group.gid);
  for (let from = 1; from < size; from += CHUNK) {
    const addresses = Array.from({ length: Math.min(CHUNK, size - from) }, (_, index) => address(from + index));
    await editGroupMembers(db, viewer, { gid, add: [{ addresses, permissions: { send: false } }] });
  }
  const receivers = [1, Math.floor(size / 2), size - 1].map(address);
  await setGroup(db, viewer, { gid, messageType: 7, permissions: { recv: 'SELECTED' }, members: [{ addresses: receivers }] });
  await setGroup(db, viewer, { gid, messageType: 8, permissions: { recv: 'ROUND_ROBIN' } });
  return gid;
}

const QUERIES = {
  permission: 'group(gid: $gid) { permission(address: $address, action: RECV) { allowed reason rules { rule passed detail } } }',
  'permission, message type 7':
    'group(gid: $gid) { permission(address: $address, action: RECV, messageType: 7) { allowed reason rules { rule passed detail } } }',
  'allowed: all of them':
    'group(gid: $gid) { allowed(action: RECV, except: $address) { edges { node { address } } pageInfo { hasNextPage } } }',
  'allowed: one of all': 'group(gid: $gid) { allowed(action: SEND) { edges { node { address } } pageInfo { hasNextPage } } }',
  'allowed: three of all, message type 7':
    'group(gid: $gid) { allowed(action: RECV, messageType: 7) { edges { node { address } } pageInfo { hasNextPage } } }',
};
const ROUTE = `mutation ($gid: ID!) { groupRouteMessage(input: { gid: $gid, from: "the admin", messageType: 8 }) {
  ... on RoutedMessage { receiver { address } } } }`;

/** Calls a gateway without a port. */
function callerOf(db: Database, token: string) {
  const config = {
    allowedOrigins: undefined,
    bodyLimit: 1024 * 1024,
    graphiql: false,
    introspection: 'off',
    opEndpoint: 'off',
    production: false,
  };
  const gateway = createGateway({ db, log: pino({ level: 'silent' }), config: config as unknown as Config });
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  return async (query: string, variables: object): Promise<void> => {
    const body = JSON.stringify({ query, variables });
    const response = await gateway.fetch(new Request('http://gateway/graphql', { method: 'POST', headers, body }));
    const { errors } = (await response.json()) as { errors?: unknown };
    if (errors) throw new Error(JSON.stringify(errors));
  };
}

const anyOf = (size: number) => address(1 + Math.floor(Math.random() * (size - 1)));

/** The statements and their decoding, without GraphQL. */
async function compareServices(db: Database, viewer: Viewer, small: string, large: string): Promise<Measured[]> {
  const permission = (gid: string, size: number, messageType: number) => () =>
    decideChecks(db, viewer, [{ gid, address: anyOf(size), action: 'recv', messageType }]);
  const allowed = (gid: string, args: AllowedArgs) => async () => {
    const group = await findGroup(db, viewer, Number(gid));
    if (group) await firstAllowed(db, viewer.appId, group, args);
  };
  const both = (name: string, of: (gid: string, size: number) => () => Promise<unknown>) =>
    compare(`service: ${name}`, of(small, SIZES.small), of(large, SIZES.large));
  return [
    await both('permission', (gid, size) => permission(gid, size, 0)),
    await both('permission, message type 7', (gid, size) => permission(gid, size, 7)),
    await both('allowed: all of them', (gid) => allowed(gid, { action: 'list' })),
    await both('allowed: one of all', (gid) => allowed(gid, { action: 'send' })),
    await both('allowed: three of all, message type 7', (gid) => allowed(gid, { action: 'recv', messageType: 7 })),
  ];
}

/** Whole requests, in this process. */
async function compareCalls(db: Database, token: string, small: string, large: string): Promise<Measured[]> {
  const call = callerOf(db, token);
  const measured: Measured[] = [];
  for (const [name, fields] of Object.entries(QUERIES)) {
    const query = `query ($gid: ID!${fields.includes('$address') ? ', $address: String!' : ''}) { ${fields} }`;
    const asking = (gid: string, size: number) => () => call(query, { gid, address: anyOf(size) });
    measured.push(await compare(`request: ${name}`, asking(small, SIZES.small), asking(large, SIZES.large)));
  }
  const routing = (gid: string) => () => call(ROUTE, { gid });
  measured.push(await compare('request: groupRouteMessage in turn', routing(small), routing(large)));
  return measured;
}

function print(measured: readonly Measured[]): void {
  const rows = measured.map(({ name, small, large, ratio }) => ({
    call: name,
    [`µs, ${SIZES.small.toLocaleString('en')} members`]: Math.round(small),
    [`µs, ${SIZES.large.toLocaleString('en')} members`]: Math.round(large),
    ratio: ratio.toFixed(2),
  }));
  console.table(rows);
}

export async function run(): Promise<boolean> {
  await using opened = await openBenchDatabase();
  const { db } = opened;
  const token = await addApp(db, 'bench');
  const viewer = (await new Authenticator(db).authenticate(`Bearer ${token}`)) as Viewer;
  const begun = performance.now();
  const [small, large] = [await fill(db, viewer, SIZES.small), await fill(db, viewer, SIZES.large)];
  await withClient(opened.url, (client) => client.query('vacuum analyze')); // as autovacuum does
  console.log(`Made both groups in ${Math.round((performance.now() - begun) / 1000)} s`);
  const measured = [...(await compareServices(db, viewer, small, large)), ...(await compareCalls(db, token, small, large))];
  print(measured);
  const missed = measured.filter(({ ratio }) => ratio > GOAL);
  console.log(missed.length === 0 ? `All within ${GOAL}` : `Over ${GOAL}: ${missed.map(({ name }) => name).join('; ')}`);
  return missed.length === 0;
}
