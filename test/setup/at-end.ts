/** What a test file opened; `each-file.ts` closes it after the file's tests. */
const opened = new Set<() => Promise<void>>();

/** Registers what to close after the file's tests, the last first. The returned function closes it earlier. */
export function atEnd(close: () => unknown): () => Promise<void> {
  let closed: Promise<void> | undefined;
  const once = () => {
    opened.delete(once);
    closed ??= (async () => void (await close()))();
    return closed;
  };
  opened.add(once);
  return once;
}

export async function endAll(): Promise<void> {
  for (const close of [...opened].reverse()) await close();
}
