/**
 * The PGlite of a test file: one that an earlier file of this process had, emptied, because to load one takes longer than
 * many files. One whose schema was changed, or that was closed in the middle of something, is not lent again.
 */
import { openAsBlob } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { inject } from 'vitest';
import { PGLITE_OPTIONS } from '../../src/db/embedded.ts';
import { emptying, type Rows, schemaOf } from './emptying.ts';

/** A file and one of its tests have one each; more at a time are rare. */
const MOST_KEPT = 2;

interface Kept {
  pglite: PGlite;
  rows: Rows;
  /** What it was like when it was new. */
  schema: string;
  /** Brings back every row and sequence of then. */
  empty: string;
}

const kept: Kept[] = [];

/** A migrated PGlite without apps, like a new one. To close it is to give it back. */
export async function lendPGlite(): Promise<PGlite> {
  const chosen = (await emptied()) ?? (await load());
  let running = 0;
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    if (running === 0 && kept.length < MOST_KEPT) kept.push(chosen);
    else await chosen.pglite.close();
  };
  return new Proxy(chosen.pglite, {
    get(pglite, name) {
      if (name === 'close') return close;
      if (name === 'closed') return closed;
      if (closed) throw new Error('PGlite is closed');
      const value: unknown = Reflect.get(pglite, name, pglite);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        const result: unknown = value.apply(pglite, given);
        if (!(result instanceof Promise)) return result;
        running++;
        const done = () => void running--;
        result.then(done, done);
        return result;
      };
    },
  });
}

/** One that is not migrated. It is not kept. */
export async function unmigratedPGlite(): Promise<PGlite> {
  return PGlite.create({ ...PGLITE_OPTIONS, loadDataDir: await openAsBlob(inject('pglite').unmigrated) });
}

async function load(): Promise<Kept> {
  const pglite = await PGlite.create({ ...PGLITE_OPTIONS, loadDataDir: await openAsBlob(inject('pglite').migrated) });
  const rows: Rows = async (text) => (await pglite.query<never>(text)).rows;
  return { pglite, rows, schema: await schemaOf(rows), empty: await emptying(rows) };
}

async function emptied(): Promise<Kept | undefined> {
  for (let next = kept.pop(); next; next = kept.pop()) {
    const { pglite, rows, schema, empty } = next;
    const unchanged = await schemaOf(rows).then(
      (now) => now === schema,
      () => false,
    );
    if (unchanged) {
      // A checkpoint lets go of the log of what was written.
      await pglite.exec(`${empty};\ncheckpoint`);
      return next;
    }
    await pglite.close();
  }
  return undefined;
}
