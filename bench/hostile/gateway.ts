import { readFile } from 'node:fs/promises';
import { GatewayProcess } from '../../test/soak/processes.ts';
import { evaluate, memoryOf } from '../inspected.ts';

const MIB = 1024 * 1024;
const PAGE = 4096;
const SAMPLE_EVERY = 50;
/** Keeps the most CPU that the gateway's event loop took between two ticks of a clock of 10 ms, which wait for its turns to end. */
const WATCH_TURNS = `(() => {
  const cpu = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000; };
  const turns = (globalThis.turns = { longest: 0 });
  let last = cpu();
  setInterval(() => {
    const now = cpu();
    turns.longest = Math.max(turns.longest, now - last);
    last = now;
  }, 10).unref();
})()`;
const LONGEST_TURN = '(() => { const { longest } = turns; turns.longest = 0; return longest; })()';

/** What became of the gateway during an attack. */
export interface Observed {
  /** Resident memory when it began, at its peak and when it was over, in MiB; NaN without /proc. */
  memory: { before: number; peak: number; end: number };
  /** The longest that the event loop was kept, in milliseconds of its CPU; undefined when the gateway ended meanwhile. */
  longestTurn: number | undefined;
  /** How it ended, if it did. */
  ended: string[];
  /** Lines of its log that say that something went wrong in it, without their times. */
  faults: string[];
}

/** A gateway with 1 GiB of heap, in a process of its own, which is started again when it ends. */
export class WatchedGateway {
  readonly #process: GatewayProcess;
  readonly #ended: string[];
  readonly #faults: string[];
  readonly #inspector: () => string;

  private constructor(process: GatewayProcess, ended: string[], faults: string[], inspector: () => string) {
    this.#process = process;
    this.#ended = ended;
    this.#faults = faults;
    this.#inspector = inspector;
  }

  static async start(env: Record<string, string>): Promise<WatchedGateway> {
    const [ended, faults]: [string[], string[]] = [[], []];
    let inspector = '';
    const onLog = (line: string) => {
      inspector = /(?<=^Debugger listening on )ws:\S+/.exec(line)?.[0] ?? inspector;
      if (/^\{"level":[56]0/.test(line)) faults.push(line);
    };
    const process = await GatewayProcess.start(
      { NODE_OPTIONS: '--max-old-space-size=1024 --inspect=127.0.0.1:0', ...env },
      { onLog, onFailure: (what) => void ended.push(what) },
    );
    const gateway = new WatchedGateway(process, ended, faults, () => inspector);
    await gateway.evaluate(WATCH_TURNS);
    return gateway;
  }

  get url(): string {
    return this.#process.url;
  }

  evaluate(expression: string): Promise<unknown> {
    return evaluate(this.#inspector(), expression);
  }

  /** Its live memory, after a garbage collection, in MiB. */
  async used(): Promise<number> {
    return (await memoryOf(this.#inspector())).usedMiB;
  }

  /** Its resident memory, in MiB. */
  async resident(): Promise<number> {
    const text = await readFile(`/proc/${this.#process.pid}/statm`, 'utf8').catch(() => '');
    return Math.round((Number(text.split(' ')[1] || Number.NaN) * PAGE) / MIB);
  }

  /** Looks at it while something runs. */
  async observe(run: () => Promise<void>): Promise<Observed> {
    await this.#longestTurn();
    const before = await this.resident();
    let peak = before;
    const sampling = setInterval(async () => {
      const now = await this.resident();
      if (now > peak) peak = now;
    }, SAMPLE_EVERY);
    try {
      await run();
    } finally {
      clearInterval(sampling);
    }
    return {
      memory: { before, peak, end: await this.resident() },
      longestTurn: await this.#longestTurn(),
      ended: this.#ended.splice(0),
      faults: this.#faults.splice(0),
    };
  }

  async #longestTurn(): Promise<number | undefined> {
    const longest = await this.evaluate(LONGEST_TURN).catch(() => undefined);
    // A new process is not watched yet.
    if (longest === undefined) await this.evaluate(WATCH_TURNS).catch(() => undefined);
    return longest as number | undefined;
  }

  end(): Promise<void> {
    return this.#process.end('SIGKILL');
  }
}
