import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestGateway } from './setup/gateway.ts';

const gateway = await openTestGateway();
const { token } = await gateway.caller();
const server = gateway.createServer();
beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
afterAll(() => new Promise((resolve) => server.close(resolve)));

function run(args: string[], env: Record<string, string> = { ROLLCALL_TOKEN: token }) {
  const script = fileURLToPath(new URL('../examples/decisions.ts', import.meta.url));
  const ROLLCALL_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [script, ...args], { env: { ROLLCALL_URL, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code as number) : 0, stdout, stderr });
    });
  });
}

const TABLES = `Design team (normal)
  who      SEND              RECV
  alice    yes, MEMBER       yes, MEMBER
  bob      yes, MEMBER       yes, MEMBER
  carol    yes, MEMBER       yes, MEMBER
  a guest  no, NOT_A_MEMBER  no, NOT_A_MEMBER

  from     the message goes to
  alice    bob, carol
  bob      alice, carol
  carol    alice, bob
  a guest  refused, NOT_A_MEMBER
  a guest  refused, NOT_A_MEMBER
  a guest  refused, NOT_A_MEMBER

Cold store reports (restricted)
  who       SEND                  RECV
  sensor-1  yes, SELECTED_MEMBER  no, NOT_SELECTED
  sensor-2  yes, SELECTED_MEMBER  no, NOT_SELECTED
  sensor-3  yes, SELECTED_MEMBER  no, NOT_SELECTED
  dora      no, NOT_SELECTED      yes, SELECTED_MEMBER
  emil      no, NOT_SELECTED      yes, SELECTED_MEMBER
  a guest   no, NOT_A_MEMBER      no, NOT_A_MEMBER

  from      the message goes to
  sensor-1  dora, emil
  sensor-2  dora, emil
  sensor-3  dora, emil
  dora      refused, NOT_SELECTED
  emil      refused, NOT_SELECTED
  a guest   refused, NOT_A_MEMBER
  a guest   refused, NOT_A_MEMBER
  a guest   refused, NOT_A_MEMBER

Company news (broadcast)
  who      SEND                  RECV
  grace    yes, SELECTED_MEMBER  yes, MEMBER
  henry    no, NOT_SELECTED      yes, MEMBER
  ines     no, NOT_SELECTED      yes, MEMBER
  jonas    no, NOT_SELECTED      yes, MEMBER
  karla    no, NOT_SELECTED      yes, MEMBER
  a guest  no, NOT_A_MEMBER      no, NOT_A_MEMBER

  from     the message goes to
  grace    henry, ines, jonas, karla
  henry    refused, NOT_SELECTED
  ines     refused, NOT_SELECTED
  jonas    refused, NOT_SELECTED
  karla    refused, NOT_SELECTED
  a guest  refused, NOT_A_MEMBER
  a guest  refused, NOT_A_MEMBER
  a guest  refused, NOT_A_MEMBER

Ask the library (public-room)
  who      SEND         RECV
  lena     yes, ANYONE  yes, MEMBER
  marek    yes, ANYONE  yes, MEMBER
  nina     yes, ANYONE  yes, MEMBER
  a guest  yes, ANYONE  no, NOT_A_MEMBER

  from     the message goes to
  lena     marek, nina
  marek    lena, nina
  nina     lena, marek
  a guest  lena, marek, nina
  a guest  lena, marek, nina
  a guest  lena, marek, nina

Hotline (hunt)
  who      SEND         RECV
  quentin  yes, ANYONE  yes, MEMBER
  otto     yes, ANYONE  yes, MEMBER
  paula    yes, ANYONE  yes, MEMBER
  a guest  yes, ANYONE  no, NOT_A_MEMBER

  from     the message goes to
  quentin  otto, whose turn it is
  otto     paula, whose turn it is
  paula    quentin, whose turn it is
  a guest  otto, whose turn it is
  a guest  paula, whose turn it is
  a guest  quentin, whose turn it is

`;

test('who gets what in the five kinds of group', async () => {
  expect(await run([])).toEqual({ code: 0, stdout: TABLES, stderr: '' });
});

test('one kind', async () => {
  const { stdout } = await run(['hunt']);
  expect(stdout).toBe(TABLES.slice(TABLES.indexOf('Hotline')));
});

test('says what is wrong', async () => {
  const wrong = { code: 1, stdout: '' };
  expect(await run(['special'])).toMatchObject({ ...wrong, stderr: expect.stringContaining('Usage: npm run example:decisions') });
  expect(await run(['hunt'], {})).toMatchObject({ ...wrong, stderr: 'Set ROLLCALL_TOKEN to an application token\n' });
  expect(await run(['hunt'], { ROLLCALL_TOKEN: 'wrong' })).toMatchObject({
    ...wrong,
    stderr: expect.stringContaining('A valid token'),
  });
});
