/** The page for people who move over: its shell lines and its programs run, and answer what the page says. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { OPS } from '../../src/ops/table.ts';
import { JSON_TYPE, type Json, type Ops, openOps } from './setup.ts';

const run = promisify(execFile);
const FOLDER = new URL('../../examples/ops/', import.meta.url);
const page = await readFile(new URL('README.md', FOLDER), 'utf8');

/** As `npm run compat -- URL TOKEN`, with its exit status. */
const compat = (port: number, ...args: string[]) =>
  run(process.execPath, [fileURLToPath(new URL('compat.ts', FOLDER)), `http://127.0.0.1:${port}/backend`, ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );

const has = async (...command: [string, ...string[]]) => {
  const found = await run(command[0], command.slice(1)).then(
    () => true,
    () => false,
  );
  if (!found) console.log(`${command[0]} is not there: what needs it is skipped`);
  return found;
};
const [curl, python, php] = [await has('curl', '--version'), await has('python3', '--version'), await has('php', '--version')];

const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, text = '']) => text);

/** What differs from run to run, made the same. */
const steady = (text: string): Json[] =>
  text
    .trim()
    .split('\n')
    .map((line) =>
      JSON.parse(line, (name, value) => {
        if (name === 'validity') return { ...value, startsat: 0, expiresat: value.expiresat - value.startsat };
        if (name === 'token') return String(value).slice(0, 9);
        if (name === 'app') return { ...value, name: 'default' };
        return value;
      }),
    );

describe.skipIf(!curl)('the page', () => {
  test('its shell lines answer what it says', async () => {
    const ops = await openOps();
    const { token } = await ops.app();
    const [setting = '', ...lines] = blocks('sh');
    const [, definition = ''] = setting.split('\n');
    expect(definition).toMatch(/^op\(\) /);
    const env = { PATH: process.env['PATH'], ROLLCALL_OPS: `http://127.0.0.1:${ops.port}/backend`, ROLLCALL_TOKEN: token };
    const { stdout } = await run('sh', ['-e', '-c', [definition, ...lines].join('\n')], { env });
    expect(steady(stdout)).toEqual(steady(blocks('json').join('')));
  });
});

test('the page has an example of every op, and every code', async () => {
  const ops = [...page.matchAll(/^op (\w+)/gm)].map(([, op]) => op);
  // getmembers is groupgetmembers.
  expect(new Set([...ops, 'getmembers'])).toEqual(new Set(OPS.keys()));
  for (const code of [
    'BADOP',
    'AUTHFAIL',
    'MISSINGPARA',
    'BADPARA',
    'BADGROUP',
    'BADUSER',
    'NOTMEMBER',
    'TOOLARGE',
    'RATELIMIT',
    'SERVERERROR',
  ]) {
    expect(page).toContain(`| ${code} |`);
  }
});

describe.each<[string, string, boolean]>([
  ['python3', 'group.py', python],
  ['php', 'group.php', php],
])('%s', (command, file, there) => {
  test.skipIf(!there)(`${file} tells of a group's life`, async () => {
    const ops = await openOps();
    const { token, viewer } = await ops.app();
    const env = { PATH: process.env['PATH'], ROLLCALL_OPS: `http://127.0.0.1:${ops.port}/backend`, ROLLCALL_TOKEN: token };
    const { stdout, stderr } = await run(command, [fileURLToPath(new URL(file, FOLDER))], { env });
    expect({ stdout, stderr }).toEqual({ stdout: 'alice may send\ncarol may not send\nBADGROUP\n', stderr: '' });
    const groups = await ops.gateway.db.prisma.group.findMany({ where: { appId: viewer.appId } });
    expect(groups.map(({ name, deletedAt }) => [name, deletedAt !== null])).toEqual([['Team', true]]);
  });
});

describe('npm run compat', () => {
  const COLUMNS = ['op', 'JSON', 'JSON as text', 'query', 'form', 'empty POST', 'DELETE', 'GET with JSON'];
  const tableOf = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
  /** What of an app could be left behind. */
  const left = async ({ gateway: { db } }: Ops, appId: number) => ({
    groups: await db.prisma.group.count({ where: { appId, deletedAt: null } }),
    members: await db.prisma.member.count({ where: { appId, group: { deletedAt: null } } }),
    tokens: await db.prisma.token.count({ where: { appId, revokedAt: null, address: { not: null } } }),
  });
  const NOTHING = { groups: 0, members: 0, tokens: 0 };

  test('runs every op in every style, and leaves nothing', async () => {
    const ops = await openOps();
    const { token, viewer } = await ops.app();
    const { code, stdout, stderr } = await compat(ops.port, token);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head, ...rows] = tableOf(stdout);
    expect(head).toEqual(COLUMNS);
    expect(rows.map(([op]) => op).toSorted()).toEqual([...OPS.keys()].toSorted());
    for (const row of rows) expect(row.slice(1)).toEqual(Array(COLUMNS.length - 1).fill('ok'));
    expect(await left(ops, viewer.appId)).toEqual(NOTHING);
    expect(await ops.gateway.db.prisma.group.count({ where: { appId: viewer.appId } })).toBe(7);
  });

  test('shows what a gateway refuses, with the reason, and cleans up all the same', async () => {
    const ops = await openOps({ config: { opEndpoint: 'post' } });
    const { token, viewer } = await ops.app();
    const { code, stdout, stderr } = await compat(ops.port, token);
    expect(code).toBe(1);
    const [, ...rows] = tableOf(stdout);
    const [ok, no] = ['ok', 'AUTHFAIL'];
    expect(rows.find(([op]) => op === 'groupadd')).toEqual(['groupadd', ok, ok, no, ok, no, no, ok]);
    expect(rows.find(([op]) => op === 'groupdel')).toEqual(['groupdel', ok, ok, '-', ok, '-', '-', ok]);
    expect(stderr).toContain('groupadd, query: The token may not stand in the URL here; send it in the body.\n');
    expect(await left(ops, viewer.appId)).toEqual(NOTHING);
  });

  test('shows what a token is not for', async () => {
    const ops = await openOps();
    const app = await ops.app();
    const narrow = await app.secret(['READ', 'CREATE_GROUPS', 'WRITE']);
    const { code, stdout, stderr } = await compat(ops.port, narrow);
    expect(code).toBe(1);
    expect(tableOf(stdout).find(([op]) => op === 'useradd')).toEqual(['useradd', ...Array(7).fill('AUTHFAIL')]);
    expect(stderr).toContain('useradd, form: The token lacks the scope TOKENS.\n');
    // userdel is refused too, so that it says what is left: here nothing is, for no user was made.
    expect(await left(ops, app.viewer.appId)).toEqual(NOTHING);
  });

  test('that breaks off halfway deletes what it made', async () => {
    const ops = await openOps();
    const { token, viewer } = await ops.app();
    // In front of the gateway: what it answers to the first groupget is no answer.
    const proxy = createServer(async (req, res) => {
      const body = Buffer.concat(await req.toArray());
      const answer = await ops.send({ method: req.method ?? '', headers: JSON_TYPE, body });
      res.end(body.includes('"groupget"') ? '<html>' : answer.text);
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { code, stdout, stderr } = await compat((proxy.address() as AddressInfo).port, token);
    proxy.close();
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^http:\S+ answered HTTP 200 and no JSON\./) });
    expect(tableOf(stdout)).toHaveLength(4);
    expect(await ops.gateway.db.prisma.group.count({ where: { appId: viewer.appId } })).toBe(1);
    expect(await left(ops, viewer.appId)).toEqual(NOTHING);
  });

  test.each<[string, (port: number) => [number, ...string[]], RegExp]>([
    ['a wrong token', (port) => [port, 'wrong'], /^The gateway refuses the token: The token is unknown, .*\.\n$/],
    ['no token', (port) => [port], /^Usage: npm run compat -- URL TOKEN\n$/],
    ['nobody there', () => [1, 'x'], /^No gateway answers at http:\/\/127\.0\.0\.1:1\/backend: .*\n$/],
  ])('%s is one sentence, and 1', async (_, args, sentence) => {
    const { port } = await openOps();
    const { code, stdout, stderr } = await compat(...args(port));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
  });

  test('what is no op endpoint', async () => {
    const ops = await openOps({ config: { opEndpoint: 'off' } });
    const { code, stderr } = await compat(ops.port, 'x');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^http:\S+ answered HTTP 404 and no JSON\. Is it the URL of the op endpoint\?\n$/);
  });
});
