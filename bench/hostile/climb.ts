/** Looks for the dearest operation that is allowed: changes one at random, keeps what costs more, and begins anew when stuck. */
import { parse, validate } from 'graphql';
import { OPERATION_LIMITS } from '../../src/config.ts';
import { priceOf, refusalOf } from '../../src/graphql/price/price.ts';
import { schema } from '../../src/graphql/schema.ts';
import { limitPassedBy } from '../../src/http/yoga/document-size.ts';
import { Random } from '../../test/soak/random.ts';
import type { WatchedGateway } from './gateway.ts';
import { Operations, type Selection, shown, textOf } from './operation.ts';
import type { Targets } from './targets.ts';

/** What an operation costs a gateway. */
export interface Cost {
  /** Milliseconds: of its CPU, and of the longest stretch between two turns of its event loop. */
  cpu: number;
  stretch: number;
  /** Of the answer. */
  bytes: number;
}

export interface Found extends Cost {
  what: keyof Cost;
  operation: string;
  shown: string;
  fields: number;
  tried: number;
}

/** So many changes in a row that cost no more, and it begins anew. */
const STUCK = 25;
const REPAIRS = 30;

const CPU = '(() => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; })()';
/** Turns the event loop all the time, and keeps the longest CPU of a turn. */
const BEGIN_STRETCHES = `(() => {
  const cpu = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000; };
  const probe = (globalThis.stretches = { longest: 0, on: true });
  let last = cpu();
  (function turn() {
    const now = cpu();
    probe.longest = Math.max(probe.longest, now - last);
    last = now;
    if (probe.on) setImmediate(turn);
  })();
})()`;
const END_STRETCHES = '(() => { stretches.on = false; return stretches.longest; })()';

async function ask({ url, application }: Targets, query: string): Promise<string> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${application}` };
  const body = JSON.stringify({ query });
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(20_000) });
  return response.text();
}

async function costOf(gateway: WatchedGateway, targets: Targets, query: string): Promise<Cost> {
  const before = (await gateway.evaluate(CPU)) as number;
  const bytes = (await ask(targets, query)).length;
  const cpu = ((await gateway.evaluate(CPU)) as number) - before;
  await gateway.evaluate(BEGIN_STRETCHES);
  await ask(targets, query);
  return { cpu, bytes, stretch: (await gateway.evaluate(END_STRETCHES)) as number };
}

/** Its fields, if it is allowed. */
function allowedFields(text: string): number | undefined {
  if (limitPassedBy(text, OPERATION_LIMITS.maxTokens)) return undefined;
  const document = parse(text);
  const price = priceOf({ schema, document });
  return price && !refusalOf(price, OPERATION_LIMITS) ? price.fields : undefined;
}

/** As large as is allowed without another shape. */
function filled(operations: Operations, changed: Selection): Selection | undefined {
  let best: Selection | undefined;
  let tried = changed;
  for (let repair = 0; repair < REPAIRS; repair++) {
    if (allowedFields(textOf(tried)) === undefined) {
      if (best) tried = operations.larger(best);
      else tried = operations.smaller(tried);
    } else {
      best = tried;
      tried = operations.larger(tried);
    }
  }
  return best && validate(schema, parse(textOf(best))).length === 0 ? best : undefined;
}

/** Climbs for the given time. Errors of single operations are passed over: they cost little. */
export async function climb(
  gateway: WatchedGateway,
  targets: Targets,
  { what, milliseconds, seed }: { what: keyof Cost; milliseconds: number; seed: number },
): Promise<Found> {
  const ids = [...(await ask(targets, '{ groups(first: 20) { edges { node { id } } } }')).matchAll(/"id":"([^"]+)"/g)];
  const operations = new Operations(
    new Random(seed),
    targets,
    ids.map(([, id = '']) => id),
  );
  const until = performance.now() + milliseconds;
  let found: Found = { what, operation: '', shown: '', fields: 0, tried: 0, cpu: 0, stretch: 0, bytes: 0 };
  let here: { root: Selection; cost: number } | undefined;
  let stuck = 0;
  for (let tried = 1; performance.now() < until; tried++) {
    const root = filled(operations, here ? operations.changed(here.root) : operations.root());
    if (!root) continue;
    const operation = textOf(root);
    const cost = await costOf(gateway, targets, operation);
    stuck = here && cost[what] <= here.cost ? stuck + 1 : 0;
    if (!here || cost[what] > here.cost) here = { root, cost: cost[what] };
    if (cost[what] > found[what]) {
      // Once more: what was slow by accident is not dear.
      const again = await costOf(gateway, targets, operation);
      const sure = { ...cost, [what]: Math.min(cost[what], again[what]) };
      if (sure[what] > found[what])
        found = { what, operation, shown: shown(root), fields: allowedFields(operation) ?? 0, tried, ...sure };
    }
    found.tried = tried;
    if (stuck > STUCK) here = undefined;
  }
  return found;
}
