/** The page for people who move over: its shell lines and its programs run, and answer what the page says. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type Json, openOps } from './setup.ts';

const run = promisify(execFile);
const FOLDER = new URL('../../examples/ops/', import.meta.url);
const page = await readFile(new URL('README.md', FOLDER), 'utf8');

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
  expect(new Set(ops)).toEqual(
    new Set(
      'groupadd groupset groupeditmembers groupgetmembers groupget groupsget appstats useradd usertoken userset userdel groupdel'.split(
        ' ',
      ),
    ),
  );
  for (const code of [
    'BADOP',
    'AUTHFAIL',
    'MISSINGPARA',
    'BADPARA',
    'BADGROUP',
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
