/** The processes of a soak. Each ends when this process does, for the pipe to its stdin closes then. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export interface Service {
  url: string;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** PostgreSQL or Redis, of its own. */
export async function startService(name: 'postgres' | 'redis'): Promise<Service> {
  const child = spawn(process.execPath, [path('service.ts'), name], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const exit = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const line = async () => ((await Promise.race([once(lines, 'line'), exit.then(() => [])])) as string[])[0];
  const url = await line();
  if (!url) throw new Error(`${name} did not start`);
  return {
    url,
    async restart() {
      child.stdin.write('restart\n');
      if (!(await line())) throw new Error(`${name} did not start again`);
    },
    async stop() {
      child.stdin.end();
      await exit;
    },
  };
}

/** A gateway that can be killed, and comes back at the same URL. */
export class GatewayProcess {
  readonly port: number;
  readonly #env: Record<string, string>;
  readonly #onLog: (line: string) => void;
  #child: ChildProcess | undefined;
  #exit: Promise<unknown> = Promise.resolve();

  private constructor(port: number, env: Record<string, string>, onLog: (line: string) => void) {
    this.port = port;
    this.#env = env;
    this.#onLog = onLog;
  }

  static async start(env: Record<string, string>, onLog: (line: string) => void): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(await freePort(), env, onLog);
    await gateway.start();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/graphql`;
  }

  /** Starts, again and again until it is ready: the database may be away. */
  async start(): Promise<void> {
    for (;;) {
      const child = spawn(process.execPath, ['--import', path('../setup/end-with-stdin.ts'), path('../../src/main.ts')], {
        env: { PATH: process.env['PATH'], PORT: String(this.port), ...this.#env },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', this.#onLog);
      let over = false;
      this.#child = child;
      this.#exit = once(child, 'exit').then(() => {
        over = true;
      });
      while (!over) {
        if (await this.#isReady()) return;
        await sleep(100);
      }
      await sleep(200);
    }
  }

  async #isReady(): Promise<boolean> {
    const url = `http://127.0.0.1:${this.port}/readyz`;
    return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child?.kill(signal);
    await this.#exit;
  }
}
