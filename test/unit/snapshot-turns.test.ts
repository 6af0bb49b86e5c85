import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { Viewer } from '../../src/access/viewer.ts';
import { SnapshotTurns } from '../../src/changes/streams/snapshot-turns.ts';
import { Subscriber } from '../../src/changes/streams/subscriber.ts';

const viewer = (id: string) => ({ appId: 1, token: { id } }) as Viewer;

/** A snapshot of three pages that is read in its turn. */
function snapshot(turns: SnapshotTurns, token: string) {
  const read: number[] = [];
  async function* pages() {
    for (let page = 1; page <= 3; page++) {
      read.push(page);
      yield page;
    }
  }
  const subscriber = new Subscriber(viewer(token));
  return { subscriber, read, reading: turns.read(subscriber, pages(), () => 1) };
}

const rest = async <T>(reading: AsyncGenerator<T, void>) => {
  const pages: T[] = [];
  for await (const page of reading) pages.push(page);
  return pages;
};

test.each([
  ['of one token', { snapshots: 9, tokenSnapshots: 2 }, ['a', 'a'], 'a'],
  ['of all', { snapshots: 2, tokenSnapshots: 9 }, ['a', 'b'], 'c'],
])('two %s are read at once, the next waits for one to end', async (_, limits, both, next) => {
  const turns = new SnapshotTurns(limits);
  const [first, second] = both.map((token) => snapshot(turns, token));
  if (!first || !second) return expect.fail();
  expect([await first.reading.next(), await second.reading.next()]).toMatchObject([{ value: 1 }, { value: 1 }]);
  const third = snapshot(turns, next);
  const waits = third.reading.next();
  await sleep(50);
  expect([turns.size, third.read]).toEqual([2, []]);
  expect(await rest(first.reading)).toEqual([2, 3]);
  expect(await waits).toMatchObject({ value: 1 });
  expect(await rest(second.reading)).toEqual([2, 3]);
  expect(await rest(third.reading)).toEqual([2, 3]);
  expect(turns.size).toBe(0);
});

test('a token that waits for itself does not hold up another', async () => {
  const turns = new SnapshotTurns({ snapshots: 9, tokenSnapshots: 1 });
  const first = snapshot(turns, 'a');
  await first.reading.next();
  const second = snapshot(turns, 'a');
  const waits = second.reading.next();
  expect(await rest(snapshot(turns, 'b').reading)).toEqual([1, 2, 3]);
  await first.reading.return();
  expect(await waits).toMatchObject({ value: 1 });
  await second.reading.return();
  expect(turns.size).toBe(0);
});

test('one whose client does not read gives way, and goes on later', async () => {
  const turns = new SnapshotTurns({ snapshots: 1, tokenSnapshots: 1 });
  const stalled = snapshot(turns, 'a');
  await stalled.reading.next();
  const second = snapshot(turns, 'b');
  expect(await rest(second.reading)).toEqual([1, 2, 3]);
  expect(await rest(stalled.reading)).toEqual([2, 3]);
  expect(turns.size).toBe(0);
});

test('one that ends while it waits leaves nothing', async () => {
  const turns = new SnapshotTurns({ snapshots: 1, tokenSnapshots: 1 });
  const first = snapshot(turns, 'a');
  await first.reading.next();
  const second = snapshot(turns, 'b');
  const waits = second.reading.next();
  second.subscriber.end();
  expect(await waits).toEqual({ done: true, value: undefined });
  await first.reading.return();
  await vi.waitFor(() => expect(turns.size).toBe(0));
});
