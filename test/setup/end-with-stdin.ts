/** Preloaded into a process of a test: the pipe to its stdin closes however the test ends, and then it ends too. */
process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGKILL'));
(process.stdin as unknown as { unref(): void }).unref();
