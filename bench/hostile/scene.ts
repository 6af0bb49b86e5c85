/** A gateway, its database, another client and one attack at a time. */
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openBenchDatabase } from '../database.ts';
import type { Order } from './attack-process.ts';
import type { Outcomes } from './attacker.ts';
import { type Observed, WatchedGateway } from './gateway.ts';
import type { Told, Waits } from './other-client.ts';
import { makeTargets, type Targets } from './targets.ts';

/** What came of an attack, and of the other client meanwhile. */
export interface Result extends Observed {
  outcomes: Outcomes;
  waits: Waits;
}

export interface SceneOptions {
  writesASecond: number;
  /** Settings of the gateway beside its own. */
  env?: Record<string, string>;
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** How long after its end an attack may still be felt, in milliseconds. */
const AFTERMATH = 2_000;
/** How much longer than its time an attack may take to end, in milliseconds. */
const GRACE = 10_000;

/** The next message of a process; fails when it ends before. */
function heardFrom<T>(child: ChildProcess, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`${what} ended`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as T);
    });
  });
}

export class Scene implements AsyncDisposable {
  readonly gateway: WatchedGateway;
  readonly targets: Targets;
  readonly #client: ChildProcess;
  readonly #stack: AsyncDisposableStack;

  private constructor(gateway: WatchedGateway, targets: Targets, client: ChildProcess, stack: AsyncDisposableStack) {
    this.gateway = gateway;
    this.targets = targets;
    this.#client = client;
    this.#stack = stack;
  }

  static async open({ writesASecond, env }: SceneOptions): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await openBenchDatabase());
    const made = await makeTargets(database);
    const gateway = await WatchedGateway.start({
      DATABASE_URL: database.url,
      DATABASE_POOL_SIZE: '10',
      // Nobody is a trusted proxy, but addresses of this machine count like any.
      TRUSTED_PROXIES: '192.0.2.1',
      ...env,
    });
    stack.defer(() => gateway.end());
    const targets = { ...made, url: gateway.url };
    const client = fork(file('other-client.ts'));
    stack.defer(() => void client.kill());
    client.send({ kind: 'begin', targets, writesASecond } satisfies Told);
    return new Scene(gateway, targets, client, stack.move());
  }

  /** What the other client waits for while something runs. */
  async waits(run: () => Promise<unknown>): Promise<Waits> {
    this.#client.send({ kind: 'mark' } satisfies Told);
    await run();
    this.#client.send({ kind: 'report' } satisfies Told);
    return heardFrom<Waits>(this.#client, 'The process of the other client');
  }

  quiet(milliseconds: number): Promise<Waits> {
    return this.waits(() => sleep(milliseconds));
  }

  async attack(attack: Order['attack'], targets: Targets, milliseconds: number): Promise<Result> {
    let outcomes: Outcomes = {};
    let waits: Waits | undefined;
    const observed = await this.gateway.observe(async () => {
      waits = await this.waits(async () => {
        outcomes = await this.#carryOut({ attack, targets, milliseconds });
        await sleep(AFTERMATH);
      });
    });
    return { ...observed, outcomes, waits: waits as Waits };
  }

  async #carryOut(order: Order): Promise<Outcomes> {
    const child = fork(file('attack-process.ts'));
    const late = setTimeout(() => child.kill('SIGKILL'), order.milliseconds + GRACE);
    try {
      child.send(order);
      return await heardFrom<Outcomes>(child, 'The process of the attack').catch((error: Error) => ({ [error.message]: 1 }));
    } finally {
      clearTimeout(late);
      child.kill('SIGKILL');
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
