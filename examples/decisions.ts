/**
 * `npm run example:decisions -- hunt` creates the group of examples/groups/hunt.graphql on a running gateway, or without a name
 * each of the five kinds, and prints who may do what there and where a few messages go. ROLLCALL_TOKEN is an application
 * token; ROLLCALL_URL the gateway, http://127.0.0.1:4000/graphql unless set.
 */
import { readFile } from 'node:fs/promises';

const KINDS = ['normal', 'restricted', 'broadcast', 'public-room', 'hunt'];
const GUEST = 'a guest';
const ACTIONS = ['SEND', 'RECV'];
const url = process.env['ROLLCALL_URL'] || 'http://127.0.0.1:4000/graphql';
const token = process.env['ROLLCALL_TOKEN'];

const MEMBERS = `query ($gid: ID!) { groupGetMembers(gid: $gid, orderBy: { field: JOINED_AT, direction: ASC }) {
  edges { node { address } } } }`;
const PERMISSIONS = 'query ($checks: [PermissionCheck!]!) { permissions(checks: $checks) { allowed reason } }';
const ROUTE = `mutation ($gid: ID!, $from: String!) { groupRouteMessage(input: { gid: $gid, from: $from }) {
  ... on RoutedMessage { receiver { address } recipients { edges { node { address } } } }
  ... on MessageRefused { decision { reason } }
  ... on Error { code message } } }`;

interface Addresses {
  edges: { node: { address: string } }[];
}
interface Routed {
  receiver?: { address: string } | null;
  recipients?: Addresses;
  decision?: { reason: string };
  message?: string;
}

async function send<Data>(query: string, variables?: object): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
  if (errors || !data) throw new Error(errors?.map(({ message }) => message).join('; ') ?? `HTTP ${response.status}`);
  return data;
}

const addressesOf = ({ edges }: Addresses) => edges.map(({ node }) => node.address);

/** Rows in columns of even width. */
function table(rows: string[][]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd()).join('\n');
}

/** Who may send and receive, and why. */
async function decisions(gid: string, people: readonly string[]): Promise<string[][]> {
  const checks = people.flatMap((address) => ACTIONS.map((action) => ({ gid, address, action })));
  const { permissions } = await send<{ permissions: { allowed: boolean; reason: string }[] }>(PERMISSIONS, { checks });
  const cells = permissions.map(({ allowed, reason }) => `${allowed ? 'yes' : 'no'}, ${reason}`);
  return people.map((address, index) => [address, ...cells.slice(index * ACTIONS.length, (index + 1) * ACTIONS.length)]);
}

/** Where a message goes: in a hunt group the next one goes to another member. */
async function route(gid: string, from: string): Promise<string> {
  const { groupRouteMessage: routed } = await send<{ groupRouteMessage: Routed }>(ROUTE, { gid, from });
  if (routed.decision) return `refused, ${routed.decision.reason}`;
  if (!routed.recipients) throw new Error(routed.message);
  return `${addressesOf(routed.recipients).join(', ')}${routed.receiver ? ', whose turn it is' : ''}`;
}

async function show(kind: string): Promise<void> {
  const operation = await readFile(new URL(`groups/${kind}.graphql`, import.meta.url), 'utf8');
  const { groupAdd } = await send<{ groupAdd: { group?: { gid: string; name: string }; message?: string } }>(operation);
  if (!groupAdd.group) throw new Error(groupAdd.message);
  const { gid, name } = groupAdd.group;
  const { groupGetMembers } = await send<{ groupGetMembers: Addresses }>(MEMBERS, { gid });
  const people = [...addressesOf(groupGetMembers), GUEST];
  console.log(`${name} (${kind})\n${table([['who', ...ACTIONS], ...(await decisions(gid, people))])}\n`);
  const rows = [['from', 'the message goes to']];
  for (const from of [...people, GUEST, GUEST]) rows.push([from, await route(gid, from)]);
  console.log(`${table(rows)}\n`);
}

const [name, ...rest] = process.argv.slice(2);
try {
  if (rest.length > 0 || (name && !KINDS.includes(name)))
    throw new Error(`Usage: npm run example:decisions -- NAME   (${KINDS.join(', ')})`);
  if (!token) throw new Error('Set ROLLCALL_TOKEN to an application token');
  for (const kind of name ? [name] : KINDS) await show(kind);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
