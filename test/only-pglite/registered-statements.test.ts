import type { PGlite } from '@electric-sql/pglite';
import { expect, test } from 'vitest';
import { registeredStatements } from '../../src/db/sql.ts';
import { int2, int4, int8, int8Array, text } from '../../src/db/types.ts';
import { registeredFamilies } from '../../src/db/where.ts';
import { openTestDatabase, sql } from '../setup/database.ts';
import { describedSignature, loadStatements, ownSignature, SQL_TYPES } from '../setup/statements.ts';

await loadStatements();
const db = await openTestDatabase();
const pglite = db.pglite as PGlite;
const statements = [...registeredStatements.values()];

test.each(statements.map((statement) => [statement.name, statement] as const))(
  '%s takes and returns what it is registered with',
  async (_, statement) => {
    expect(ownSignature(statement)).toEqual(await describedSignature(pglite, statement.text));
  },
);

test.each(SQL_TYPES.map(({ name, oid }) => [name, oid] as const))('%s is what PostgreSQL knows by %i', async (name, oid) => {
  expect(await sql(db, 'select $1::text::regtype::oid::int as oid', [name])).toEqual([{ oid }]);
});

test('no statement returns an array of bigint: the drivers make no numbers of its elements', () => {
  const returning = statements.filter(({ columns }) => Object.values(columns).some(({ oid }) => oid === int8Array.oid));
  expect(returning.map(({ name }) => name)).toEqual([]);
});

test('names fit, and no family has the name of a statement', () => {
  for (const name of [...registeredStatements.keys(), ...registeredFamilies]) expect(Buffer.byteLength(name)).toBeLessThan(64);
  expect([...registeredFamilies].filter((name) => registeredStatements.has(name))).toEqual([]);
});

test('this sees another type, another name, another order, and what is missing', async () => {
  const described = await describedSignature(pglite, 'select gid, name from groups where app_id = $1 and gid > $2');
  expect(ownSignature({ parameters: [int4, int8], columns: { gid: int8, name: text } })).toEqual(described);
  const others: Parameters<typeof ownSignature>[0][] = [
    { parameters: [int4, int4], columns: { gid: int8, name: text } },
    { parameters: [int4], columns: { gid: int8, name: text } },
    { parameters: [int4, int8], columns: { gid: int2, name: text } },
    { parameters: [int4, int8], columns: { gid: int8, title: text } },
    { parameters: [int4, int8], columns: { name: text, gid: int8 } },
    { parameters: [int4, int8], columns: { gid: int8 } },
  ];
  for (const other of others) expect(ownSignature(other)).not.toEqual(described);
});
