/** LIMITS.md says what README's table and the code say. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LIMIT_SETTINGS, OPERATION_LIMITS } from '../../src/config.ts';

const page = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const rowsOf = (text: string) =>
  new Map([...text.matchAll(/^\| `([A-Z_]+)` \| ([^|]*?) \|/gm)].map(([, name, value]) => [name, value]));
const limits = page('LIMITS.md');
const readme = rowsOf(page('README.md'));

const asSetting = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
const SETTINGS = [
  ...Object.values(LIMIT_SETTINGS).map(({ name }) => name),
  ...Object.keys(OPERATION_LIMITS).map(asSetting),
  'BODY_LIMIT',
  'STATEMENT_TIMEOUT',
  'TRANSACTION_TIMEOUT',
];

test('it tells how to choose each limit, whose default is that of the README', () => {
  const rows = rowsOf(limits);
  expect([...rows.keys()].toSorted()).toEqual(SETTINGS.toSorted());
  for (const [name, value] of rows) expect([name, value]).toEqual([name, readme.get(name)]);
});

test('what it counts with are the defaults', () => {
  const counted = [...limits.matchAll(/`([A-Z_]+)` = (\d(?:[\d,]*\d)?(?: (?:KiB|MiB))?)/g)].map(([, name, value]) => [
    name,
    value,
  ]);
  expect(counted.length).toBeGreaterThan(10);
  for (const [name, value] of counted) expect([name, value]).toEqual([name, readme.get(name)]);
});
