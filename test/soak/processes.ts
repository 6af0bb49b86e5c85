/** The processes of a soak. Each ends when this process does, for the pipe to its stdin closes then. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

const { PATH, NODE_COMPILE_CACHE } = process.env;
const INHERITED = { PATH, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) };

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

export interface GatewayWatch {
  onLog(line: string): void;
  /** Told of every exit that nobody asked for, and of every stop that was none. */
  onFailure(what: string): void;
}

/** A gateway that can be killed, and comes back at the same URL; also when it ends by itself. */
export class GatewayProcess {
  readonly port: number;
  readonly #env: Record<string, string>;
  readonly #watch: GatewayWatch;
  #child: ChildProcess | undefined;
  #exit: Promise<string> = Promise.resolve('');
  #ending = false;

  private constructor(port: number, env: Record<string, string>, watch: GatewayWatch) {
    this.port = port;
    this.#env = env;
    this.#watch = watch;
  }

  static async start(env: Record<string, string>, watch: GatewayWatch): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(await freePort(), env, watch);
    await gateway.start();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/graphql`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts, again and again until it is ready. */
  async start(): Promise<void> {
    this.#ending = false;
    while (!(await this.#spawn()) && !this.#ending) await sleep(200);
  }

  /** Gives true when it is ready, false when it ended before. */
  async #spawn(): Promise<boolean> {
    const child = spawn(process.execPath, ['--import', path('../setup/end-with-stdin.ts'), path('../../src/main.ts')], {
      env: { ...INHERITED, PORT: String(this.port), ...this.#env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let over = false;
    let ready = false;
    let refusal: string | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (line.startsWith('rollcall: ')) refusal = line;
        this.#watch.onLog(line);
      });
    }
    this.#child = child;
    this.#exit = once(child, 'close').then(([code, signal]) => {
      over = true;
      const how = `${signal ?? code}`;
      // It refuses to start, and says why, when the database is away or somebody has its port.
      if (!this.#ending && !(refusal && !ready)) this.#watch.onFailure(`a gateway ended by itself: ${how}`);
      if (!this.#ending && ready) void this.start();
      return how;
    });
    while (!over && !ready) {
      ready = await this.#isReady();
      if (!ready) await sleep(100);
    }
    return ready;
  }

  async #isReady(): Promise<boolean> {
    const url = `http://127.0.0.1:${this.port}/readyz`;
    return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#ending = true;
    this.#child?.kill(signal);
    const how = await this.#exit;
    if (how !== (signal === 'SIGTERM' ? '0' : signal)) this.#watch.onFailure(`a gateway answered ${signal} with ${how}`);
  }
}
