import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Caller, Operation } from '../../src/db/operation.ts';
import { type PlaceOptions, Places } from '../../src/db/places.ts';
import { ClientGoneError, OverloadedError } from '../../src/model/errors.ts';

const app = (id: number, token = 'app', signal?: AbortSignal): Caller => ({ app: id, token, user: null, signal });
const user = (id: number, token: string): Caller => ({ app: id, token, user: token });

/** Places, and what has one: each run stays until it is ended. */
function opened(options: Partial<PlaceOptions> = {}) {
  const places = new Places({ places: 10, appShare: 50, userShare: 25, wait: 10_000, ...options });
  const running: { name: string; end: () => void }[] = [];
  const begun: string[] = [];
  /** As many runs of a caller, named by it. */
  const start = (caller: Caller | undefined, count = 1, name = caller ? `${caller.app} ${caller.token}` : 'own') =>
    Array.from({ length: count }, () =>
      places.run(new Operation(caller), async () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        begun.push(name);
        running.push({ name, end: resolve });
        await promise;
      }),
    );
  const names = async () => {
    await nextTurn();
    return running.map(({ name }) => name).toSorted();
  };
  const end = async (name?: string) => {
    const index = name === undefined ? 0 : running.findIndex((one) => one.name === name);
    const [one] = running.splice(index, 1);
    one?.end();
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  };
  return { places, start, names, end, begun };
}

const times = (count: number, name: string) => Array<string>(count).fill(name);

describe('how many places one may use', () => {
  test('an app alone: all but one for another app and one for the gateway, which both are there at once', async () => {
    const { start, names, places } = opened();
    start(app(1), 30);
    expect(await names()).toEqual(times(8, '1 app'));
    start(app(2), 5);
    expect(await names()).toEqual([...times(8, '1 app'), '2 app']);
    start(undefined);
    expect(await names()).toEqual([...times(8, '1 app'), '2 app', 'own']);
    expect(places.size).toEqual({ taken: 10, waiting: 26 });
  });

  test('a user token: a quarter, though nobody waits', async () => {
    const { start, names, end } = opened();
    start(user(1, 'anna'), 9);
    expect(await names()).toEqual(times(2, '1 anna'));
    start(user(1, 'bert'), 9);
    expect(await names()).toEqual([...times(2, '1 anna'), ...times(2, '1 bert')]);
    await end('1 anna');
    expect(await names()).toEqual([...times(2, '1 anna'), ...times(2, '1 bert')]);
  });

  test('while another app waits: half, as places come free', async () => {
    const { start, names, end } = opened();
    start(app(1), 30);
    start(app(2), 30);
    for (let ended = 0; ended < 6; ended++) await end('1 app');
    expect(await names()).toEqual([...times(4, '1 app'), ...times(5, '2 app')]);
    await end('2 app');
    await end('2 app');
    expect(await names()).toEqual([...times(5, '1 app'), ...times(4, '2 app')]);
  });

  test('what an app that waits cannot use is not left idle', async () => {
    const { start, names } = opened();
    start(user(2, 'anna'), 9); // its own share is a quarter
    start(app(1), 30);
    expect(await names()).toEqual([...times(6, '1 app'), ...times(2, '2 anna')]);
  });

  test('the shares are settings', async () => {
    const { start, names } = opened({ places: 20, appShare: 20, userShare: 10 });
    start(user(1, 'anna'), 9);
    start(app(2), 30);
    start(app(3), 30);
    expect(await names()).toEqual([...times(2, '1 anna'), ...times(16, '2 app'), '3 app']);
  });
});

describe('whose turn it is', () => {
  test('apps take turns, whoever came first', async () => {
    const { start, end, begun } = opened({ places: 2 });
    start(app(1), 4);
    start(app(2), 2);
    start(app(3));
    for (let ended = 0; ended < 7; ended++) await end();
    expect(begun).toEqual(['1 app', '1 app', '2 app', '3 app', '1 app', '2 app', '1 app']);
  });

  test('within an app its tokens do, within a token the order is kept', async () => {
    const { start, end, begun } = opened({ places: 2 });
    const anna = user(1, 'anna');
    start(anna, 1, 'a1');
    start(anna, 1, 'a2');
    start(anna, 1, 'a3');
    start(user(1, 'bert'), 1, 'b1');
    start(user(1, 'carl'), 1, 'c1');
    start(anna, 1, 'a4');
    for (let ended = 0; ended < 6; ended++) await end();
    expect(begun).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'a4']);
  });

  test('the gateway has a place kept, and where there is only one, it comes next', async () => {
    const many = opened();
    for (let id = 1; id <= 20; id++) many.start(app(id), 5);
    expect(await many.names()).toHaveLength(9);
    many.start(undefined);
    expect(await many.names()).toHaveLength(10);

    const one = opened({ places: 1 });
    one.start(app(1), 2);
    one.start(app(2));
    one.start(undefined);
    for (let ended = 0; ended < 4; ended++) await one.end();
    expect(one.begun).toEqual(['1 app', 'own', '1 app', '2 app']);
  });
});

test("beyond its place the gateway's own work takes turns, and leaves one to callers", async () => {
  const { start, names, end, begun } = opened();
  start(undefined, 20);
  expect(await names()).toEqual(times(9, 'own'));
  start(app(1), 3);
  expect(await names()).toEqual(['1 app', ...times(9, 'own')]);
  const before = begun.length;
  for (let ended = 0; ended < 4; ended++) await end('own');
  // Beyond half it takes only what leaves one more free.
  expect(begun.slice(before)).toEqual(['1 app', '1 app', 'own']);
});

describe('who does not get a place', () => {
  test('has waited too long', async () => {
    const { start, places } = opened({ places: 2, wait: 20 });
    const [, late] = start(app(1), 2);
    await expect(late).rejects.toThrow(OverloadedError);
    expect(places.size).toEqual({ taken: 1, waiting: 0 });
  });

  test('has left: it is out of the line at once, and its place goes to others', async () => {
    const { start, end, begun, places } = opened({ places: 2 });
    const leaving = new AbortController();
    start(app(1));
    const [gone] = start(app(2, 'app', leaving.signal), 1, 'gone');
    start(app(3));
    leaving.abort();
    await expect(gone).rejects.toThrow(ClientGoneError);
    expect(places.size).toEqual({ taken: 1, waiting: 1 });
    await end();
    expect(begun).toEqual(['1 app', '3 app']);
  });

  test('what fails gives its place back', async () => {
    const { places } = opened({ places: 2 });
    const failing = places.run(new Operation(app(1)), () => Promise.reject(new RangeError('mine')));
    await expect(failing).rejects.toThrow(RangeError);
    expect(places.size).toEqual({ taken: 0, waiting: 0 });
  });
});

describe('an operation', () => {
  test('has so many statements under way, the others in order after them', async () => {
    const operation = new Operation(app(1), 3);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const sent = Array.from({ length: 8 }, (_, index) =>
      operation.send(async () => {
        begun.push(index);
        await new Promise<void>((resolve) => ends.push(resolve));
        if (index === 1) throw new RangeError('mine');
      }),
    );
    const settled = Promise.allSettled(sent);
    expect(begun).toEqual([0, 1, 2]);
    for (let ended = 0; ended < 8; ended++) {
      expect(begun.length - ended).toBeLessThanOrEqual(3);
      ends[ended]?.();
      for (let turn = 0; turn < 3; turn++) await nextTurn();
    }
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect((await settled).map(({ status }) => status === 'fulfilled')).toEqual([true, false, ...Array(6).fill(true)]);
  });

  test('of a client that has left sends nothing more', async () => {
    const leaving = new AbortController();
    const operation = new Operation(app(1, 'app', leaving.signal), 1);
    const ran: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = operation.send(async () => {
      ran.push('first');
      await promise;
    });
    const waiting = operation.send(async () => void ran.push('second'));
    leaving.abort();
    await expect(waiting).rejects.toThrow(ClientGoneError);
    resolve();
    await first;
    await expect(operation.send(async () => void ran.push('third'))).rejects.toThrow(ClientGoneError);
    expect(ran).toEqual(['first']);
  });
});
