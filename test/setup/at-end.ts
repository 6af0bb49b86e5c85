/** What a test file opened, closed behind its tests: `each-file.ts` sees to it. */
const opened = new Set<() => Promise<void>>();

/** To be done after the file's tests, the last first, unless the returned function does it before. */
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
