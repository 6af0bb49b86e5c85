/** The README's shell lines, as written but for the address: one after the other on a new database they answer what it says. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { schema } from '../src/graphql/schema.ts';
import { OPS } from '../src/ops/table.ts';
import { openTestGateway } from './setup/gateway.ts';
import { listen } from './setup/listener.ts';

const run = promisify(execFile);
const page = await readFile(new URL('../README.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/```(sh|json)\n(.*?)```/gs)].map(([, language = '', text = '']) => ({ language, text }));

const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
);
if (!hasCurl && process.env['CI']) throw new Error('curl is not there');
if (!hasCurl) console.warn("curl is not there: the README's shell lines are not run");

/** What differs from run to run, made the same. */
const steady = (text: string): unknown =>
  JSON.parse(text, (name, value) => {
    if (name === 'expiresAt') return 'a time';
    return name === 'secret' ? String(value).slice(0, 9) : value;
  });

/** The answers of a block: one, wrapped for reading, or one a line. */
function answersIn(text: string): unknown[] {
  try {
    return [steady(text)];
  } catch {
    return text.trim().split('\n').map(steady);
  }
}

test.skipIf(!hasCurl)('the shell lines of the README', async () => {
  const gateway = await openTestGateway();
  const { port, url } = await listen(gateway);
  const { token: TOKEN } = await gateway.caller();
  const env = { PATH: process.env['PATH'], TOKEN };
  const shell = async (text: string) =>
    (await run('sh', ['-e', '-c', text.replaceAll('http://127.0.0.1:4000', `http://127.0.0.1:${port}`)], { env })).stdout;
  let said: unknown[] = [];
  const compared: number[] = [];
  for (const { language, text } of blocks) {
    if (text.startsWith('curl -s ')) said.push(steady(await shell(text)));
    else if (text.startsWith('curl -sN ')) {
      const events = await shell(`${text.trim()} --max-time 2 || [ $? = 28 ]`);
      expect(events).toMatch(/^id: .+\nevent: next\ndata: .*"GroupSnapshot".*"quentin"/m);
      expect(events).toMatch(/^data: .*"Ready"/m);
    } else if (text.includes('npm run example -- hunt')) {
      const script = fileURLToPath(new URL('../examples/run.ts', import.meta.url));
      await run(process.execPath, [script, 'hunt'], { env: { ...env, ROLLCALL_TOKEN: TOKEN, ROLLCALL_URL: url } });
    } else if (language === 'json' && said.length > 0) {
      expect(said).toEqual(answersIn(text));
      compared.push(said.length);
      said = [];
    }
  }
  expect(said).toEqual([]);
  expect(compared).toEqual([2, 1, 1, 1, 1, 1, 1, 1, 1]);
});

test('every op has its row beside a field of GraphQL', () => {
  const table = /\| op \| GraphQL \|\n\| --- \| --- \|\n((?:\|.*\n)+)/.exec(page)?.[1] ?? '';
  const rows = table
    .trim()
    .split('\n')
    .map((row) => row.split('|').map((cell) => cell.trim()));
  const ops = rows.flatMap(([, names = '']) => names.replace(/ with .*/, '').split(', '));
  expect(ops.toSorted()).toEqual([...OPS.keys()].toSorted());
  const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((root) => Object.keys(root?.getFields() ?? {}));
  for (const [, , answer = ''] of rows) expect(fields).toContain(/^`(\w+)/.exec(answer)?.[1]);
});
