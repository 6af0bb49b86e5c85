import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

/** Where the path of a socket stands that is not in the folder itself. */
const ELSEWHERE = 'control.path';

/** undefined: the folder's own path is too long for a socket in it. */
function ownSocketPath(dataDir: string): string | undefined {
  const folder = realpathSync(dataDir);
  if (process.platform === 'win32') {
    return `\\\\.\\pipe\\rollcall-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
  }
  const inside = join(folder, 'control.sock');
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : undefined;
}

/** The path of the holder's socket, to be connected to. */
function socketPath(dataDir: string): string {
  const own = ownSocketPath(dataDir);
  if (own) return own;
  const path = readFileSync(join(dataDir, ELSEWHERE), 'utf8');
  // Where the folder was cleared away, another user may have made one of its name.
  if (lstatSync(dirname(path)).uid !== process.getuid?.()) throw new Error(`${dirname(path)} is not this user's`);
  return path;
}

/** A path for the holder's socket. Outside of the folder it is in a new one that no other user can look into or foresee. */
function newSocketPath(dataDir: string): string {
  const own = ownSocketPath(dataDir);
  if (own) return own;
  removeElsewhere(dataDir);
  const path = join(mkdtempSync(join(tmpdir(), 'rollcall-')), 'control.sock');
  writeFileSync(join(dataDir, ELSEWHERE), path, { mode: 0o600 });
  return path;
}

/** Removes what a holder left, or leaves, outside of the folder. */
function removeElsewhere(dataDir: string): void {
  try {
    const path = socketPath(dataDir);
    rmSync(path, { force: true });
    rmdirSync(dirname(path));
  } catch {
    // There is none, or none of ours.
  }
  rmSync(join(dataDir, ELSEWHERE), { force: true });
}

/** Closes a folder that was there already to other users: the database's files in it may be open to all. */
function closeToOthers(dataDir: string): void {
  if (process.platform === 'win32' || (statSync(dataDir).mode & 0o077) === 0) return;
  const files = readdirSync(dataDir);
  if (files.length > 0 && !files.includes('lock')) {
    throw new Error('it is open to other users and has files that are not of Rollcall; close it (chmod 700) or take another');
  }
  chmodSync(dataDir, 0o700);
}

/**
 * Takes the folder for this process. The lock is the operating system's, on a file that SQLite (part of Node) opens:
 * it is released when the process ends, however that happens, so there are no stale locks.
 * @throws DataDirLockedError that says who holds it
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  closeToOthers(dataDir);
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
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  return {
    listen(handler) {
      const path = newSocketPath(dataDir);
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
      if (!ownSocketPath(dataDir)) removeElsewhere(dataDir);
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
    const socket = connect(socketPath(dataDir)); // rejects, too, when there is none
    socket.setTimeout(patience, () => socket.destroy(new Error('The gateway that holds the data folder does not answer')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The gateway closed the connection without an answer')));
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    onFirstLine(socket, (line) => resolve(JSON.parse(line)));
  });
}
