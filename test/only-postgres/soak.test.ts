import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { postgresUrl } from '../setup/database.ts';
import { NODE_COMPILE_CACHE } from '../setup/server.ts';
import { GatewayProcess } from '../soak/processes.ts';

const SOAK = fileURLToPath(new URL('../soak/soak.ts', import.meta.url));

const HAPPENED = [
  ...['changesWritten', 'deliveries', 'watcherCuts', 'snapshots', 'completions'],
  ...['gatewayKills', 'gatewayStops', 'serverStoppings', 'databaseRestarts'],
];

// As few rounds as have everything happen, and between two gateways; `npm run soak` goes on for as long as it is told.
const SHORT = ['--minutes', '0.01', '--gateways', '2'];

test('a short soak with real processes: no loss, no duplicate, no reorder', async () => {
  const soak = spawn(process.execPath, [SOAK, ...SHORT], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE },
  });
  let written = '';
  soak.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  const [code] = await once(soak, 'close');
  console.log(written); // the seed, to repeat it
  expect(written).toMatch(/"losses":0,"duplicates":0,"reorders":0,"otherFaults":0\}/);
  const figures = JSON.parse(written.split('\n').find((line) => line.startsWith('{')) ?? '{}');
  for (const name of HAPPENED) expect([name, figures[name] > 0]).toEqual([name, true]);
  expect(code).toBe(0);
}, 240_000);

test('a soak hears of a gateway that ends by itself, and starts it again', async () => {
  const failures: string[] = [];
  const env = { DATABASE_URL: await postgresUrl(), APP_TOKEN: 'soak-token-soak-token-soak-token-soak', LOG_LEVEL: 'error' };
  const gateway = await GatewayProcess.start(env, { onLog: () => {}, onFailure: (what) => failures.push(what) });
  await gateway.end('SIGTERM');
  await gateway.start();
  await gateway.end('SIGKILL');
  await gateway.start();
  expect(failures).toEqual([]);
  process.kill(gateway.pid as number, 'SIGKILL');
  await expect.poll(() => failures, { timeout: 30_000 }).toEqual(['a gateway ended by itself: SIGKILL']);
  const { origin } = new URL(gateway.url);
  const health = () => fetch(`${origin}/healthz`).then(({ status }) => status, String);
  await expect.poll(health, { timeout: 60_000 }).toBe(200);
  await gateway.end('SIGKILL');
  expect(failures).toHaveLength(1);
});
