import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { isWorthIt } from '../../src/memory.ts';

test.each([
  ['much more than was left, in calm', { resident: 300, left: 200, busy: 0.1 }, true],
  ['as much as was left', { resident: 200, left: 200, busy: 0.1 }, false],
  ['a little more', { resident: 260, left: 200, busy: 0.1 }, false],
  ['much more, while there is much to do', { resident: 600, left: 200, busy: 0.5 }, false],
])('%s', (_, standing, expected) => {
  expect(isWorthIt(standing)).toBe(expected);
});

test('a process that needed 300 MiB for a moment gives most of them back', { timeout: 60_000 }, async () => {
  const script = `
    import { startGivingBack } from '${new URL('../../src/memory.ts', import.meta.url)}';
    const mib = () => Math.round(process.memoryUsage.rss() / 1024 / 1024);
    startGivingBack(200);
    const begin = mib();
    let kept = Array.from({ length: 2_000_000 }, (_, n) => ({ n, text: 'text ' + n }));
    const peak = mib();
    kept = kept.length;
    setTimeout(() => console.log(JSON.stringify({ begin, peak, end: mib() })), 5_000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [[written]] = await Promise.all([once(child.stdout, 'data'), once(child, 'exit')]);
  const { begin, peak, end } = JSON.parse(String(written));
  expect(peak - begin).toBeGreaterThan(150);
  expect(end - begin).toBeLessThan((peak - begin) / 3);
});
