import { setImmediate } from 'node:timers/promises';
import DataLoader from 'dataloader';
import { buildSchema, type ExecutionResult, type GraphQLObjectType } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { describe, expect, test } from 'vitest';
import { connectionOf } from '../../src/graphql/connection.ts';
import { giveBack, Pace } from '../../src/graphql/pace.ts';

const SIZE = 150;
/** What an item costs, in milliseconds. */
const WORK = 1;

const schema = buildSchema(`
  type Query { page: Page! }
  type Page { edges: [Edge!]! pageInfo: PageInfo! }
  type Edge { node: Item! cursor: String! }
  type PageInfo { endCursor: String }
  type Item { number: Int! loaded: Int! page: Page! }
`);

function work(): void {
  for (const begun = performance.now(); performance.now() - begun < WORK; );
}

/** Runs an operation on pages of items that take their time, and counts the turns that others have meanwhile. */
async function run(query: string) {
  const pace = new Pace();
  const batches: number[] = [];
  const loader = new DataLoader<number, number>(
    async (keys) => {
      batches.push(keys.length);
      return [...keys];
    },
    { batchScheduleFn: pace.schedule },
  );
  const pageOf = (size: number) =>
    connectionOf(
      {
        items: Array.from({ length: size }, (_, n) => n),
        cursorOf: String,
        hasNextPage: () => false,
        hasPreviousPage: () => false,
      },
      { pace },
    );
  const resolvers: Record<string, (source: unknown) => unknown> = {
    page: (source) => pageOf(source === undefined ? SIZE : 2),
    number: (source) => {
      work();
      return source;
    },
    loaded: (source) => loader.load(Number(source)),
  };
  let turns = 0;
  let running = true;
  const others = (async () => {
    for (; running; turns++) await setImmediate();
  })();
  for (const type of ['Query', 'Item']) {
    for (const field of Object.values((schema.getType(type) as GraphQLObjectType).getFields())) {
      field.resolve = (source) => resolvers[field.name]?.(source);
    }
  }
  const yoga = createYoga({ schema, logging: false, maskedErrors: false });
  const body = JSON.stringify({ query });
  const response = await yoga.fetch('http://gateway/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  running = false;
  await others;
  return { result: (await response.json()) as ExecutionResult, batches, turns };
}

const numbers = (length: number) => Array.from({ length }, (_, n) => n);

describe('a long list', () => {
  test('is whole, as often as it is asked for, and gives others their turns', async () => {
    const { result, turns } = await run('{ page { edges { node { number } } again: edges { cursor } pageInfo { endCursor } } }');
    const edges = numbers(SIZE).map((number) => ({ node: { number } }));
    const again = numbers(SIZE).map((number) => ({ cursor: String(number) }));
    expect(result).toEqual({ data: { page: { edges, again, pageInfo: { endCursor: String(SIZE - 1) } } } });
    expect(turns).toBeGreaterThan(5);
  });

  test('has what its items ask for read at once all the same', async () => {
    const { result, batches, turns } = await run('{ page { edges { node { number loaded } } } }');
    expect(result).toEqual({ data: { page: { edges: numbers(SIZE).map((number) => ({ node: { number, loaded: number } })) } } });
    expect(batches).toEqual([SIZE]);
    expect(turns).toBeGreaterThan(5);
  });

  test('waits for no other of the same operation, and its reads for all of them', async () => {
    const { result, batches } = await run(
      '{ page { edges { node { number loaded } } } other: page { edges { node { number loaded } } } }',
    );
    expect(result.errors).toBeUndefined();
    expect(batches).toEqual([SIZE]);
  });

  test('of lists', async () => {
    const { result } = await run('{ page { edges { node { page { edges { node { loaded } } } } } } }');
    const edges = numbers(SIZE).map(() => ({ node: { page: { edges: [{ node: { loaded: 0 } }, { node: { loaded: 1 } }] } } }));
    expect(result).toEqual({ data: { page: { edges } } });
  });
});

test('those who give the event loop back go on one in a turn', async () => {
  const turns: number[] = [];
  let turn = 0;
  let waiting = true;
  const counting = (async () => {
    for (; waiting; turn++) await setImmediate();
  })();
  await Promise.all(numbers(5).map(() => giveBack().then(() => turns.push(turn))));
  waiting = false;
  await counting;
  expect(new Set(turns).size).toBe(5);
});
