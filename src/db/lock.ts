import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';

/** Another process holds the data folder. */
export class DataDirLockedError extends Error {
  override name = 'DataDirLockedError';
}

/** What one process asks the holder of the folder, and its answer: one JSON line each. */
export type ControlHandler = (request: unknown) => Promise<unknown>;

export interface DataDirLock {
  /** Answers requests of other processes on a local socket. */
  listen(handler: ControlHandler): Promise<void>;
  release(): Promise<void>;
}

// The longest path that a Unix socket takes is 104 bytes on macOS.
const MAX_SOCKET_PATH = 100;

function socketPath(dataDir: string): string {
  const folder = realpathSync(dataDir);
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\rollcall-${hash}`;
  const inside = join(folder, 'control.sock');
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : join(tmpdir(), `rollcall-${hash}.sock`);
}

/**
 * Takes the folder for this process. The lock is the operating system's, on a file that SQLite (part of Node) opens:
 * it is released when the process ends, however that happens, so there are no stale locks.
 * @throws DataDirLockedError that says who holds it
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = new DatabaseSync(join(dataDir, 'lock'), { timeout: 0 });
  try {
    file.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    file.close();
    if ((error as { errcode?: number }).errcode !== 5) throw error; // SQLITE_BUSY
    const holder = (await askHolder(dataDir, { ask: 'who' }).catch(() => null)) as { pid: number; since: string } | null;
    const who = holder ? `process ${holder.pid}, running since ${holder.since},` : 'another process';
    throw new DataDirLockedError(
      `The data folder ${dataDir} is in use: ${who} has it. Stop that one, or set DATA_DIR to another folder.`,
    );
  }
  const path = socketPath(dataDir);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  return {
    listen(handler) {
      // We hold the lock, so an existing socket is left over from a process that is gone.
      if (process.platform !== 'win32') rmSync(path, { force: true });
      const since = new Date().toISOString();
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.on('error', () => socket.destroy());
        onFirstLine(socket, (line) => {
          void answer(line, since, handler).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
        });
      });
      return new Promise((resolve, reject) => {
        server?.once('error', reject);
        server?.listen(path, () => {
          // A process that can write to it can make tokens.
          if (process.platform !== 'win32') chmodSync(path, 0o600);
          resolve();
        });
      });
    },
    async release() {
      for (const socket of sockets) socket.destroy();
      if (server) await new Promise((resolve) => server?.close(resolve));
      file.close();
    },
  };
}

function onFirstLine(socket: Socket, heard: (line: string) => void): void {
  const lines = createInterface({ input: socket });
  lines.once('line', heard);
  // It emits the socket's errors again; without a listener they would end the process.
  lines.on('error', () => {});
}

async function answer(line: string, since: string, handler: ControlHandler): Promise<unknown> {
  try {
    const request = JSON.parse(line) as { ask?: string };
    return request.ask === 'who' ? { pid: process.pid, since } : { ok: await handler(request) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'failed' };
  }
}

/** Asks the process that holds the folder. Rejects when none answers; `patience` in milliseconds, 0: no limit. */
export function askHolder(dataDir: string, request: unknown, patience = 60_000): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(dataDir));
    socket.setTimeout(patience, () => socket.destroy(new Error('The gateway that holds the data folder does not answer')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The gateway closed the connection without an answer')));
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    onFirstLine(socket, (line) => resolve(JSON.parse(line)));
  });
}
