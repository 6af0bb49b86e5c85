/**
 * The gateway as a process of its own, as `npm start` starts it, and the commands about apps:
 *
 *     const server = await startServer({ DATA_DIR: folder });   // ends with the file's tests at the latest
 *     const { data } = await post(server.url, await server.firstToken(), '{ viewer { address } }');
 *     expect(await server.stop()).toMatchObject({ code: 0 });
 *
 *     const { code, stderr } = await runServer({ PORT: 'x' });  // one that ends by itself
 *     const { code, stdout } = await runApp(['list'], { DATA_DIR: folder });
 *
 * The environment has what is given, a new home folder and, unless given, PORT=0 and a new DATA_DIR.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from './at-end.ts';
import { temporaryFolder } from './folder.ts';
import type { Answer } from './gateway.ts';

export type Environment = Record<string, string | undefined>;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ServerProcess {
  readonly pid: number;
  readonly url: string;
  readonly port: number;
  readonly ended: Promise<Ended>;
  /** What it has written so far: the log, one JSON object per line, and the first start's greeting. */
  stdout(): string;
  /** Waits until it has written a text. */
  wrote(text: RegExp): Promise<RegExpExecArray>;
  /** The token that the first start prints. */
  firstToken(): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/** A gateway that listens. If it ends before, fails with what it wrote. */
export async function startServer(env: Environment = {}): Promise<ServerProcess> {
  const job = run('main.ts', [], env);
  const [, url = '', port] = await wrote(job, /"url":"(http:\/\/[^"]*:(\d+)\/graphql)".*"listening"\}\n/);
  return {
    pid: job.child.pid as number,
    url,
    port: Number(port),
    ended: job.ended,
    stdout: () => job.written.stdout,
    wrote: (text) => wrote(job, text),
    firstToken: async () => (await wrote(job, /^ {2}(rollcall_[\w-]{43})$/m))[1] as string,
    stop(signal = 'SIGTERM') {
      job.child.kill(signal);
      return job.ended;
    },
  };
}

/** A gateway that is expected to end by itself. */
export function runServer(env: Environment = {}): Promise<Ended> {
  return run('main.ts', [], env).ended;
}

/** A command about apps. */
export function runApp(args: readonly string[], env: Environment): Promise<Ended> {
  return run('app.ts', args, env).ended;
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
export async function post<Data = Record<string, any>>(
  url: string,
  token: string,
  query: string,
  variables?: object,
): Promise<Answer<Data>> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  return { status: response.status, ...((await response.json()) as object) };
}

interface Job {
  child: ChildProcess;
  written: { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

/** A compile cache, so that processes need not compile the same modules again. */
export const NODE_COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));
const SOURCES = new URL('../../src/', import.meta.url);
// To optimize PGlite takes the processor longer than these processes live.
const NODE_FLAGS = ['--liftoff-only', '--import', new URL('end-with-stdin.ts', import.meta.url).href];

function run(script: string, args: readonly string[], env: Environment): Job {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [...NODE_FLAGS, fileURLToPath(new URL(script, SOURCES)), ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, DATA_DIR: join(folder, 'data'), PORT: '0', NODE_COMPILE_CACHE, ...env },
    stdio: 'pipe',
  });
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      written[stream] += text;
    });
  }
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    return { code, signal, ...written };
  });
  atEnd(() => {
    child.kill('SIGKILL');
    return ended;
  });
  return { child, written, ended };
}

async function wrote({ child, written, ended }: Job, text: RegExp): Promise<RegExpExecArray> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  for (;;) {
    const found = text.exec(written.stdout);
    if (found) return found;
    if (over) throw new Error(`The process ended without writing ${text}:\n${written.stdout}${written.stderr}`);
    await Promise.race([once(child.stdout as NonNullable<typeof child.stdout>, 'data'), ended]);
  }
}
