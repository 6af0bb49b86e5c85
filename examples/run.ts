/**
 * `npm run example -- normal` sends examples/groups/normal.graphql, or any other file with one operation, to a running
 * gateway and prints the answer. ROLLCALL_TOKEN is the token; ROLLCALL_URL the gateway, http://127.0.0.1:4000/graphql
 * unless set. Exits with 1 if the operation failed.
 */
import { readdir, readFile } from 'node:fs/promises';
import { inspect } from 'node:util';

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

const GROUPS = new URL('groups/', import.meta.url);
const url = process.env['ROLLCALL_URL'] || 'http://127.0.0.1:4000/graphql';
const token = process.env['ROLLCALL_TOKEN'];

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

async function readOperation(name: string): Promise<string> {
  const file = /[./\\]/.test(name) ? name : new URL(`${name}.graphql`, GROUPS);
  try {
    return await readFile(file, 'utf8');
  } catch {
    const names = (await readdir(GROUPS)).map((each) => each.replace('.graphql', ''));
    return fail(`There is no example ${name}. Give the path of a file, or one of: ${names.sort().join(', ')}`);
  }
}

async function send(query: string): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  }).catch((error: Error) =>
    fail(`No gateway answers at ${url}: ${(error.cause as Error | undefined)?.message ?? error.message}`),
  );
  const text = await response.text();
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return fail(`${url} gave no GraphQL answer but HTTP ${response.status}. Is ROLLCALL_URL right?`);
  }
}

const show = (value: unknown) => inspect(value, { depth: null, breakLength: 100, maxArrayLength: null });

/** The answer of a root field is a typed error if it has a code. */
const isError = (value: unknown) => typeof (value as { code?: unknown } | null)?.code === 'string';

const [name, ...rest] = process.argv.slice(2);
if (!name || rest.length > 0)
  fail('Usage: npm run example -- NAME   (normal, restricted, broadcast, public-room, hunt, or a file)');
if (!token)
  fail('Set ROLLCALL_TOKEN to an application token: the one that the first start printed, or npm run app -- token NAME');

const { data, errors = [] } = await send(await readOperation(name));
for (const { message, extensions } of errors) console.error(`${extensions?.code ?? 'ERROR'}: ${message}`);
for (const [field, value] of Object.entries(data ?? {})) {
  if (isError(value)) console.error(`${field}: ${show(value)}`);
  else console.log(`${field}: ${show(value)}`);
}
if (errors.length > 0 || !data || Object.values(data).some(isError)) process.exitCode = 1;
