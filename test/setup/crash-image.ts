import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFolder } from './folder.ts';

const wait = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

function isStopped(pid: number): boolean {
  if (existsSync('/proc/self/stat')) return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T');
}

/**
 * Copies a folder as a SIGKILL would leave it now: the process that writes to it is stopped in the midst of whatever it does,
 * and goes on after the copy. What it has written is the kernel's, so neither end loses it. This process waits meanwhile, and
 * takes notice of nothing.
 */
export function copyAsIfKilled(pid: number, folder: string, copy: string): void {
  process.kill(pid, 'SIGSTOP');
  try {
    while (!isStopped(pid)) wait(1);
    copyFolder(folder, copy);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
