import { expect, test } from 'vitest';
import type { Viewer } from '../../src/access/viewer.ts';
import { SWEEP_EVERY } from '../../src/background.ts';
import { READER_BYTES } from '../../src/changes/log/read.ts';
import { CHECKPOINT, LOG_BLOCKED_AFTER, POLL } from '../../src/changes/streams/hub.ts';
import { RING_BYTES, RINGS_BYTES } from '../../src/changes/streams/ring.ts';
import { Subscriber } from '../../src/changes/streams/subscriber.ts';

// What spec and documentation promise in seconds and bytes; what is asked twice within a promise leaves time for the answer.
test('the poll is twice within the second that a lost hint may cost, and in which access ends', () => {
  expect(POLL).toBeLessThanOrEqual(500);
});

test('starts and expiries are looked for twice within the two seconds that they may take', () => {
  expect(SWEEP_EVERY).toBeLessThanOrEqual(1_000);
});

test('an idle stream says so every 30 seconds, and what blocks is named after 5', () => {
  expect([CHECKPOINT, LOG_BLOCKED_AFTER]).toEqual([30_000, 5_000]);
});

test('1 MiB a ring, 64 MiB a gateway, 64 KiB a reader', () => {
  expect([RING_BYTES, RINGS_BYTES, READER_BYTES]).toEqual([2 ** 20, 2 ** 26, 2 ** 16]);
});

test('a subscriber that was woken while it did not wait does not wait', async () => {
  const subscriber = new Subscriber({} as Viewer);
  subscriber.wake();
  expect(await subscriber.wait(1)).toBe(true);
  expect(await subscriber.wait(1)).toBe(false);
});
