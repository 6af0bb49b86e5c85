import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SOAK = fileURLToPath(new URL('../soak/soak.ts', import.meta.url));

test('a short soak with real processes: no loss, no duplicate, no reorder', async () => {
  const soak = spawn(process.execPath, [SOAK, '--minutes', '0.35'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let written = '';
  soak.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  const [code] = await once(soak, 'close');
  console.log(written); // the seed, to repeat it
  expect(written).toMatch(/"losses":0,"duplicates":0,"reorders":0,"otherFaults":0\}/);
  const figures = JSON.parse(written.split('\n').find((line) => line.startsWith('{')) ?? '{}');
  for (const name of ['changesWritten', 'deliveries', 'watcherCuts', 'gatewayKills', 'databaseRestarts']) {
    expect([name, figures[name] > 0]).toEqual([name, true]);
  }
  expect(code).toBe(0);
}, 240_000);
