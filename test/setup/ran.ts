/**
 * What a run of the tests ran, for the last check (`test/last`): every process of vitest appends it to a file of its own in a
 * folder that they share. What gateways in further processes run is not in it.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseKind, Statement, StatementObserver } from '../../src/db/sql.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** That folder; it exists as soon as a process wrote to it. */
    ran: string;
  }
}

/** A statement as it ran. */
export type RanStatement = Pick<Statement, 'name' | 'text' | 'parameters' | 'columns' | 'family'> & { kind: DatabaseKind };

export interface Ran {
  statements: RanStatement[];
  /** Test files that exist, and those that were begun, each with the database. */
  there: string[];
  begun: string[];
  /** The file with a migrated PGlite. */
  migrated: string | undefined;
}

/** A test file on a database. */
interface RanFile {
  kind: DatabaseKind;
  file: string;
}

type Line = { ran: RanStatement } | { there: RanFile } | { begun: RanFile } | { migrated: string };

const noted = new Set<string>();
const unwritten: RanStatement[] = [];

/** Records each statement that has a name, each form of it once, and passes everything on. */
export function noting(kind: DatabaseKind, observe?: StatementObserver): StatementObserver {
  return (statement, values) => {
    const { name, text, parameters, columns, family } = statement;
    const key = JSON.stringify([name, text, parameters.map(({ oid }) => oid), columns]);
    if (name !== '' && name !== 'prisma' && !noted.has(key)) {
      noted.add(key);
      unwritten.push({ kind, name, text, parameters, columns, ...(family && { family }) });
    }
    observe?.(statement, values);
  };
}

function append(folder: string, lines: readonly Line[]): void {
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, `${process.pid}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** Before the test files of a database run: records all that exist, even if not all of them will run. */
export function writeThere(folder: string, kind: DatabaseKind, files: readonly string[]): void {
  append(
    folder,
    files.map((file) => ({ there: { kind, file } })),
  );
}

/** For the last check, which then needs not make one of its own. */
export function writeMigrated(folder: string, migrated: string): void {
  append(folder, [{ migrated }]);
}

/** Before a test file. */
export function writeBegun(folder: string, kind: DatabaseKind, file: string): void {
  append(folder, [{ begun: { kind, file } }]);
}

/** After a test file. */
export function writeRan(folder: string): void {
  append(
    folder,
    unwritten.splice(0).map((statement) => ({ ran: statement })),
  );
}

/** Reads what all processes wrote. */
export function readRan(folder: string): Ran {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const texts = files.flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n')).filter((text) => text !== '');
  const lines = texts.map((text): Line => JSON.parse(text));
  const nameOf = ({ kind, file }: RanFile) => `${file} on ${kind}`;
  return {
    statements: lines.flatMap((line) => ('ran' in line ? line.ran : [])),
    there: lines.flatMap((line) => ('there' in line ? nameOf(line.there) : [])),
    begun: lines.flatMap((line) => ('begun' in line ? nameOf(line.begun) : [])),
    migrated: lines.flatMap((line) => ('migrated' in line ? line.migrated : [])).at(-1),
  };
}

export function forgetRan(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
