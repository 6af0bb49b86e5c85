import { expect, test } from 'vitest';
import { APP_USAGE } from '../src/app-commands.ts';
import { runApp } from './setup/server.ts';

test('a wrong command says how it is used and ends with 2', async () => {
  for (const args of [[], ['help'], ['--help']]) {
    expect(await runApp(args, {})).toEqual({ code: 2, signal: null, stdout: '', stderr: `${APP_USAGE}\n` });
  }
});

test('a wrong setting is named', async () => {
  const { code, stderr } = await runApp(['list'], { PORT: 'x' });
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'PORT must be a whole number from 0 to 65535. It is "x".\n' });
});
