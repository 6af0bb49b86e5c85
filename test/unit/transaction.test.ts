import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { HintBus } from '../../src/db/hint-bus.ts';
import { KeyedQueue } from '../../src/db/keyed-queue.ts';
import { HeldElsewhereError } from '../../src/db/locks.ts';
import { Operation } from '../../src/db/operation.ts';
import type { Given, Statement } from '../../src/db/sql.ts';
import { type Attempt, OpenTx, withRetries } from '../../src/db/transaction.ts';
import { int4 } from '../../src/db/types.ts';
import { ClientGoneError, OverloadedError, TimeoutError } from '../../src/model/errors.ts';

const failure = (code: string) => Object.assign(new Error(`SQLSTATE ${code}`), { code });

/** Something to wait for, and the function that ends the wait. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

describe('KeyedQueue', () => {
  test('lets one in at a time, in the order of arrival', async () => {
    const queue = new KeyedQueue(10);
    const log: string[] = [];
    const task = (name: string, duration: number) => () => {
      log.push(`${name} in`);
      return sleep(duration).then(() => log.push(`${name} out`));
    };
    await Promise.all([queue.run('k', task('a', 30)), queue.run('k', task('b', 1)), queue.run('k', task('c', 10))]);
    expect(log).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
  });

  test('keys do not wait for each other', async () => {
    const queue = new KeyedQueue(10);
    const first = gate();
    const waiting = queue.run('a', () => first.passed);
    expect(await queue.run('b', async () => 'b is done')).toBe('b is done');
    first.open();
    await waiting;
  });

  test('a failure is for its own caller only', async () => {
    const queue = new KeyedQueue(10);
    const failing = queue.run('k', async () => {
      throw new Error('mine');
    });
    const next = queue.run('k', async () => 'next');
    await expect(failing).rejects.toThrow('mine');
    expect(await next).toBe('next');
  });

  test('refuses more than may wait, and takes on again once they are through', async () => {
    const queue = new KeyedQueue(2);
    const first = gate();
    let ran = 0;
    const task = () => first.passed.then(() => ++ran);
    const taken = [queue.run('k', task), queue.run('k', task), queue.run('k', task)]; // one runs, two wait
    await expect(queue.run('k', task)).rejects.toThrow(OverloadedError);
    await expect(queue.run('other', async () => 'free')).resolves.toBe('free');
    first.open();
    expect(await Promise.all(taken)).toEqual([1, 2, 3]);
    expect(await queue.run('k', task)).toBe(4);
  });
});

describe('KeyedQueue and who waits', () => {
  const as = (user: string | null, signal?: AbortSignal) => new Operation({ app: 1, token: 'any', user, signal });

  test('a user has a tenth of the places, with whichever token; others have the rest', async () => {
    const queue = new KeyedQueue(20);
    const first = gate();
    const task = () => first.passed;
    const taken = [queue.run('k', task, as('anna')), queue.run('k', task, as('anna')), queue.run('k', task, as('anna'))];
    await expect(queue.run('k', task, as('anna'))).rejects.toThrow(OverloadedError);
    for (let index = 0; index < 2; index++) taken.push(queue.run('k', task, as('bert')));
    for (let index = 0; index < 16; index++) taken.push(queue.run('k', task, as(null)));
    expect(queue.waiting('k')).toBe(20);
    await expect(queue.run('k', task, as(null))).rejects.toThrow('Too many writes wait for this group');
    taken.push(queue.run('other', task, as('anna')));
    first.open();
    await Promise.all(taken);
    expect(queue.waiting('k')).toBe(0);
    await queue.run('k', task, as('anna'));
  });

  test('who leaves gives its place up, and is never called', async () => {
    const queue = new KeyedQueue(20);
    const first = gate();
    const leaving = new AbortController();
    const ran: string[] = [];
    const running = queue.run('k', () => first.passed, as('anna', leaving.signal));
    const gone = queue.run('k', async () => void ran.push('gone'), as('anna', leaving.signal));
    const next = queue.run('k', async () => void ran.push('next'), as('anna'));
    await expect(queue.run('k', async () => {}, as('anna'))).rejects.toThrow(OverloadedError);
    leaving.abort();
    await expect(gone).rejects.toThrow(ClientGoneError);
    expect(queue.waiting('k')).toBe(1);
    first.open();
    await Promise.all([running, next]);
    expect(ran).toEqual(['next']);
  });
});

describe('a lock that another gateway holds', () => {
  const held = (times: number) => {
    const counter = { attempts: 0 };
    const attempt: Attempt<OpenTx> = async (run) => {
      counter.attempts++;
      if (counter.attempts <= times) throw new HeldElsewhereError();
      return run(new OpenTx(new HintBus(), async () => []));
    };
    return { counter, attempt };
  };

  test('is tried for again, more often than a deadlock is', async () => {
    const { counter, attempt } = held(8);
    expect(await withRetries(attempt, async () => 'done', { patience: 10_000 })).toBe('done');
    expect(counter.attempts).toBe(9);
  });

  test('is given up when the patience has run out, or the client left', async () => {
    const { attempt } = held(Number.POSITIVE_INFINITY);
    await expect(withRetries(attempt, async () => 'done', { patience: 30 })).rejects.toThrow(TimeoutError);
    const leaving = new AbortController();
    const operation = new Operation({ app: 1, token: 'any', user: null, signal: leaving.signal });
    const waiting = withRetries(attempt, async () => 'done', { patience: 60_000, operation });
    leaving.abort();
    await expect(waiting).rejects.toThrow(ClientGoneError);
  });
});

describe('withRetries', () => {
  const tx = new OpenTx(new HintBus(), async () => []);
  const counted = () => {
    const counter = { attempts: 0 };
    const attempt: Attempt<OpenTx> = (run) => {
      counter.attempts++;
      return run(tx);
    };
    return { counter, attempt };
  };

  test.for(['40001', '40P01'])('runs again after %s, each time from the beginning', async (code) => {
    const { counter, attempt } = counted();
    const result = await withRetries(attempt, async (given) => {
      expect(given).toBe(tx);
      if (counter.attempts < 3) throw failure(code);
      return 'done';
    });
    expect(result).toBe('done');
    expect(counter.attempts).toBe(3);
  });

  test('gives up after four attempts', async () => {
    const { counter, attempt } = counted();
    await expect(withRetries(attempt, () => Promise.reject(failure('40001')))).rejects.toMatchObject({ code: '40001' });
    expect(counter.attempts).toBe(4);
  });

  test.for([
    ['a constraint', failure('23505'), { code: '23505' }],
    ['an error of the caller', new RangeError('no'), RangeError],
    ['a cancelled statement', failure('57014'), TimeoutError],
    ['a lock that did not come', failure('55P03'), TimeoutError],
    ['idling in a transaction', failure('25P03'), TimeoutError],
    ['no free connection', new Error('timeout exceeded when trying to connect'), OverloadedError],
  ] as const)('fails at once with %s', async ([, error, expected]) => {
    const { counter, attempt } = counted();
    const result = withRetries(attempt, () => Promise.reject(error));
    if (typeof expected === 'function') await expect(result).rejects.toThrow(expected);
    else await expect(result).rejects.toMatchObject(expected);
    expect(counter.attempts).toBe(1);
  });
});

describe('OpenTx', () => {
  test('passes statements on until the time is up, then none', async () => {
    const asked: unknown[] = [];
    const query = async <Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>) => {
      asked.push([statement, ...given]);
      return [{ one: 1 }] as Row[];
    };
    const tx = new OpenTx(new HintBus(), query, { timeout: 100 });
    const statement: Statement<readonly [number], { one: number }> = {
      name: 'one',
      parameters: [int4],
      columns: { one: int4 },
      text: 'select $1::int as one',
    };
    expect(await tx.query(statement, [1])).toEqual([{ one: 1 }]);
    await sleep(130);
    await expect(tx.query(statement, [2])).rejects.toThrow(TimeoutError);
    expect(asked).toEqual([[statement, [1]]]);
  });
});
