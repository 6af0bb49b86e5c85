/** Preloaded into a test's process: the pipe to its stdin closes however the test ends, and then the process ends too. */
process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGKILL'));
(process.stdin as unknown as { unref(): void }).unref();
