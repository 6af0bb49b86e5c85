/** That the tests ran every statement on both databases, and that each one of several forms is as it says that it is. */
import { openAsBlob } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { afterAll, expect, inject, test } from 'vitest';
import { PGLITE_OPTIONS } from '../../src/db/embedded.ts';
import type { DatabaseKind } from '../../src/db/sql.ts';
import { registeredStatements } from '../../src/db/sql.ts';
import { registeredFamilies } from '../../src/db/where.ts';
import { type RanStatement, readRan } from '../setup/ran.ts';
import { describedSignature, loadStatements, ownSignature } from '../setup/statements.ts';

const KINDS: readonly DatabaseKind[] = ['pglite', 'postgres'];

const { statements: ran, there, begun, migrated } = readRan(inject('ran'));
const missing = there.filter((file) => !begun.includes(file));
for (const kind of KINDS) if (!there.some((file) => file.endsWith(` on ${kind}`))) missing.push(`anything on ${kind}`);
if (missing.length > 0) {
  const named = missing.slice(0, 10).join('\n');
  throw new Error(`This checks what all tests together ran, and ${missing.length} did not run, as\n${named}`);
}
await loadStatements();

const pglite = await PGlite.create({ ...PGLITE_OPTIONS, loadDataDir: await openAsBlob(migrated as string) });
afterAll(() => pglite.close());

/** `NAME on KIND` of what is to run on a database, but did not: see BOTH_DATABASES in vitest.config.ts. */
function neverRan(names: Iterable<readonly [name: string, only?: DatabaseKind]>, nameOf: (statement: RanStatement) => string) {
  const did = new Set(ran.map((statement) => `${nameOf(statement)} on ${statement.kind}`));
  const wanted = [...names].flatMap(([name, only]) => (only ? [only] : KINDS).map((kind) => `${name} on ${kind}`));
  return wanted.filter((each) => !did.has(each));
}

test('every statement ran on the databases that it is for', () => {
  const names = [...registeredStatements.values()].map(({ name, only }) => [name, only] as const);
  expect(neverRan(names, ({ name }) => name)).toEqual([]);
});

test('of every family a form ran on both databases', () => {
  const names = [...registeredFamilies].map((name) => [name] as const);
  expect(neverRan(names, ({ family = '' }) => family)).toEqual([]);
});

/** In the text of a history are the kinds of records whose data is selected: any of them alike. */
const formOf = ({ name }: RanStatement) => name.replace(/^(history)_\d+/, '$1_kinds');

test('every form of a statement ran on both databases', () => {
  const forms = ran.filter(({ family }) => family).map((statement) => [formOf(statement)] as const);
  expect([...new Set(neverRan(forms, formOf))]).toEqual([]);
});

test('no statement ran that is not registered, nor one on a database that it is not for', () => {
  const strange = ran.filter(({ kind, name, text, family }) => {
    const registered = registeredStatements.get(name);
    if (!registered) return !family || !registeredFamilies.has(family);
    return registered.text !== text || (registered.only ?? kind) !== kind;
  });
  expect(strange.map(({ kind, name }) => `${name} on ${kind}`)).toEqual([]);
});

test('a name is of one text', () => {
  const texts = Map.groupBy(ran, ({ name }) => name);
  const several = [...texts].filter(([, forms]) => new Set(forms.map(({ text }) => text)).size > 1);
  expect(several.map(([name]) => name)).toEqual([]);
});

const forms = Map.groupBy(
  ran.filter(({ family }) => family),
  ({ text }) => text,
);

test.each([...forms].map(([text, same]) => [same[0]?.name, text, same] as const))(
  '%s takes and returns what it says, wherever it is asked',
  async (_, text, same) => {
    const described = await describedSignature(pglite, text);
    for (const form of same) expect(ownSignature(form)).toEqual(described);
  },
);
