/**
 * `npm run compat -- URL TOKEN` runs every op in every style that clients use against a gateway, prints a table, and cleans up
 * after itself. URL is that of the op endpoint, like http://127.0.0.1:4000/backend; TOKEN an application token with all scopes.
 * Ends with 1 when anything was not answered as it should be. By node:http, since fetch sends no body with GET.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isDeepStrictEqual } from 'node:util';

type Json = Record<string, unknown>;
type Flat = Record<string, string | number>;

/** An op's parameters, in JSON and with flat names. */
interface Both {
  json: Json;
  flat: Flat;
}

interface HttpRequest {
  method: string;
  query?: Flat;
  type?: string;
  body?: string;
}

/** How a client sends an op; `flat` tells which of the two it writes. */
interface Style {
  name: string;
  flat: boolean;
  write(op: string, token: string, both: Both): HttpRequest;
}

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const encoded = (parameters: Flat) => new URLSearchParams(Object.entries(parameters).map(([k, v]) => [k, String(v)])).toString();

const STYLES: readonly Style[] = [
  {
    name: 'JSON',
    flat: false,
    write: (op, token, { json }) => ({ method: 'POST', type: JSON_TYPE, body: JSON.stringify({ op, token, ...json }) }),
  },
  {
    name: 'JSON as text',
    flat: false,
    write: (op, token, { json }) => ({ method: 'POST', type: 'text/plain', body: JSON.stringify({ op, token, ...json }) }),
  },
  { name: 'query', flat: true, write: (op, token, { flat }) => ({ method: 'GET', query: { op, token, ...flat } }) },
  {
    name: 'form',
    flat: true,
    write: (op, token, { flat }) => ({ method: 'POST', type: FORM_TYPE, body: encoded({ op, token, ...flat }) }),
  },
  {
    name: 'empty POST',
    flat: true,
    write: (op, token, { flat }) => ({ method: 'POST', query: { op, token, ...flat }, body: '' }),
  },
  {
    name: 'DELETE',
    flat: false,
    write: (op, token, { json }) => ({ method: 'DELETE', query: { op, token }, type: JSON_TYPE, body: JSON.stringify(json) }),
  },
  {
    name: 'GET with JSON',
    flat: false,
    write: (op, token, { json }) => ({ method: 'GET', type: JSON_TYPE, body: JSON.stringify({ op, token, ...json }) }),
  },
];

/** What stops the whole run; the message is for the person who started it. */
class Stop extends Error {}

function send(url: URL, { method, query, type, body }: HttpRequest): Promise<Json> {
  const target = new URL(url);
  if (query) target.search = encoded(query);
  const headers: Record<string, string | number> = { Connection: 'close' };
  if (type) headers['Content-Type'] = type;
  if (body !== undefined) headers['Content-Length'] = Buffer.byteLength(body);
  const open = target.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = open(target, { method, headers, timeout: 30_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()));
        } catch {
          reject(new Stop(`${url} answered HTTP ${response.statusCode} and no JSON. Is it the URL of the op endpoint?`));
        }
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 30 seconds')));
    sent.on('error', (error) => reject(new Stop(`No gateway answers at ${url}: ${error.message}`)));
    sent.end(body);
  });
}

/** Names that nobody else uses. */
const MARK = `compat-${Date.now().toString(36)}`;
const failures: string[] = [];
const table = new Map<string, Map<string, string>>();

/** What was made and is not deleted yet. */
const groups = new Set<number>();
const users = new Set<string>();

/** One style's way through all ops. */
async function run(url: URL, token: string, style: Style): Promise<void> {
  const [anna, bert] = [`${MARK}-anna`, `${MARK}-bert`];
  /** @returns the answer, or undefined where it is a failure or not as `good` says */
  const call = async (op: string, both: Both, good: (answer: Json) => boolean): Promise<Json | undefined> => {
    const answer = await send(url, style.write(op, token, both));
    const refused = answer['result'] !== true;
    const cell = refused ? String(answer['error'] ?? 'no result') : good(answer) ? 'ok' : 'odd';
    const row = table.get(op) ?? new Map<string, string>();
    // A failure stays in its cell.
    if ((row.get(style.name) ?? 'ok') === 'ok') row.set(style.name, cell);
    table.set(op, row);
    if (cell === 'ok') return answer;
    const reason = refused
      ? (answer['error_description'] ?? answer['error'] ?? 'no result')
      : 'the answer is not what it should be';
    failures.push(`${op}, ${style.name}: ${reason}`);
    return undefined;
  };
  const told = (field: string, value: Json) => (answer: Json) =>
    Object.entries(value).every(([name, each]) => isDeepStrictEqual((answer[field] as Json | undefined)?.[name], each));
  const addresses = (answer: Json) => (answer['members'] as Json[] | undefined)?.map(({ address }) => address);

  await call('appstats', { json: {}, flat: {} }, ({ app }) => typeof (app as Json | undefined)?.['name'] === 'string');

  const settings = { name: MARK, flags: 1, validity: { start: 0, duration: 3600 }, members: { m: `${anna},${bert}` } };
  const made = await call(
    'groupadd',
    { json: { group: settings }, flat: { name: MARK, flag: 1, start: 0, expiry: 3600, m: `${anna},${bert}` } },
    ({ group }) => Number.isInteger((group as Json | undefined)?.['gid']),
  );
  if (made) {
    const gid = (made['group'] as { gid: number }).gid;
    groups.add(gid);
    const isGroup = told('group', { gid });
    await call('groupset', { json: { group: { gid, active: 0 } }, flat: { gid, active: 0 } }, isGroup);
    await call(
      'groupget',
      { json: { group: { gid } }, flat: { gid } },
      told('group', { gid, name: MARK, flags: 1, active: false }),
    );
    const edit = { json: { group: { gid, members: { m: bert, remove: true } } }, flat: { gid, m: bert, delete: 1 } };
    await call('groupeditmembers', edit, isGroup);
    for (const op of ['groupgetmembers', 'getmembers']) {
      const both = { json: { group: { gid }, count: 5 }, flat: { gid, count: 5 } };
      await call(op, both, (answer) => answer['total'] === 1 && isDeepStrictEqual(addresses(answer), [anna]));
    }
    await call('groupsget', { json: { group: { gid: gid - 1 }, count: 1 }, flat: { gid: gid - 1, count: 1 } }, (answer) =>
      told('0', { gid, name: MARK })({ 0: (answer['groups'] as Json[])[0] }),
    );
    if (await call('groupdel', { json: { group: { gid } }, flat: { gid } }, isGroup)) groups.delete(gid);
  }

  users.add(anna);
  const added = await call(
    'useradd',
    { json: { user: { address: anna, token: { expiry: 5 } } }, flat: { address: anna, expiry: 5 } },
    told('user', { address: anna }),
  );
  const uid = Number((added?.['user'] as Json | undefined)?.['uid']);
  if (!added || !Number.isInteger(uid)) return;
  const byUid = { json: { user: { uid } }, flat: { uid } };
  await call('usertoken', byUid, told('user', { uid, address: anna }));
  await call('userget', byUid, told('user', { uid, address: anna, active: true }));
  await call('userset', { json: { user: { uid, active: 0 } }, flat: { uid, active: 0 } }, told('user', { address: anna }));
  const wanted = { addr: `${MARK}*`, count: 1 };
  await call('usersget', { json: wanted, flat: wanted }, ({ users: found, userscount }) =>
    isDeepStrictEqual([found, userscount], [[{ uid, address: anna, active: false }], 1]),
  );
  if (await call('userdel', byUid, told('user', { address: anna }))) users.delete(anna);
}

/** Deletes what is left, in the style that is most likely to work. */
async function cleanUp(url: URL, token: string): Promise<void> {
  const [style] = STYLES as [Style];
  const left = [
    ...[...groups].map((gid) => ['groupdel', { group: { gid } }, `the group ${gid}`] as const),
    ...[...users].map((address) => ['userdel', { user: { address } }, `the user ${address}`] as const),
  ];
  for (const [op, json, what] of left) {
    const answer = await send(url, style.write(op, token, { json, flat: {} })).catch(
      (error: Error): Json => ({ error: error.message }),
    );
    if (answer['result'] !== true)
      failures.push(`${what} could not be deleted: ${answer['error_description'] ?? answer['error']}`);
  }
}

function printTable(): void {
  const names = STYLES.map(({ name }) => name);
  const rows = [...table].map(([op, cells]) => [op, ...names.map((name) => cells.get(name) ?? '-')]);
  const all = [['op', ...names], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of all)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

/** @throws Stop */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new Stop(`${text} is no URL like http://127.0.0.1:4000/backend`);
}

async function main([address, token, ...more]: string[]): Promise<void> {
  if (!address || !token || more.length > 0) throw new Stop('Usage: npm run compat -- URL TOKEN');
  const url = readUrl(address);
  const first = await send(url, (STYLES as [Style])[0].write('appstats', token, { json: {}, flat: {} }));
  if (first['error'] === 'AUTHFAIL') throw new Stop(`The gateway refuses the token: ${first['error_description'] ?? 'AUTHFAIL'}`);
  try {
    for (const style of STYLES) await run(url, token, style);
  } finally {
    await cleanUp(url, token);
    printTable();
    for (const failure of failures) console.error(failure);
  }
  if (failures.length > 0) process.exitCode = 1;
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof Stop)) throw error;
  console.error(error.message);
  process.exitCode = 1;
});
