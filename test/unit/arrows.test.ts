import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

interface Import {
  /** A path from src, or the name of a package. */
  from: string;
  typeOnly: boolean;
}

/** The imports and re-exports of a file that stands at `path` in src. */
function importsOf(path: string, code: string): Import[] {
  const found: Import[] = [];
  const add = (specifier = '', typeOnly = false) => {
    const from = specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : specifier;
    found.push({ from, typeOnly });
  };
  for (const [, clause = '', specifier] of code.matchAll(/^\s*(?:import|export)\s([^;'"]*?)\sfrom\s*['"]([^'"]+)['"]/gm)) {
    const names = /^\{(.*)\}$/s
      .exec(clause.trim())?.[1]
      ?.split(',')
      .filter((name) => name.trim());
    add(specifier, /^type\s/.test(clause) || (names?.every((name) => /^\s*type\s/.test(name)) ?? false));
  }
  for (const [, specifier] of code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm)) add(specifier);
  for (const [, specifier] of code.matchAll(/\bimport\s*\(\s*['"]([^'"]+)['"]/g)) add(specifier);
  return found;
}

/** A folder of src, `generated`, a file directly in src, or a package; of packages only those that are a transport. */
function partOf(from: string): string {
  if (/^node:(http|https|http2)$/.test(from)) return 'node:http';
  if (/^(graphql|graphql-yoga|graphql-ws|ws)$|^@(graphql-yoga(?!\/redis-event-target)|pothos|escape\.tech)\//.test(from))
    return 'graphql packages';
  return from.includes('.ts') ? (from.split('/')[0] as string) : 'package';
}

/** What each part may import as values, besides packages; and what besides as types, which do nothing when the program runs. */
const ARROWS: Record<string, { values: string[]; types: string[] }> = {
  model: { values: [], types: [] },
  db: { values: ['model', 'generated'], types: [] },
  access: { values: ['model', 'db', 'generated'], types: [] },
  changes: { values: ['model', 'db', 'access', 'generated'], types: [] },
  groups: { values: ['model', 'db', 'access', 'changes', 'generated'], types: [] },
  ops: { values: ['model', 'access', 'changes', 'groups'], types: ['db'] },
  graphql: { values: ['model', 'access', 'changes', 'groups', 'graphql packages'], types: ['db'] },
  http: { values: ['model', 'access', 'changes', 'ops', 'graphql', 'graphql packages', 'node:http'], types: ['db', 'config.ts'] },
};

function violations(path: string, code: string): string[] {
  const part = path.split('/')[0] as string;
  const arrows = ARROWS[part];
  if (!arrows) return [];
  return importsOf(path, code)
    .filter(({ from, typeOnly }) => {
      const target = partOf(from);
      if (target === 'package') return part === 'model';
      return target !== part && !arrows.values.includes(target) && !(typeOnly && arrows.types.includes(target));
    })
    .map(({ from, typeOnly }) => `${path} imports ${typeOnly ? 'types of ' : ''}${from}`);
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !path.startsWith('generated/'));
const read = (path: string) => readFileSync(join(SRC, path), 'utf8');

test('the arrows between the parts are those of the architecture', () => {
  expect(files.length).toBeGreaterThan(30);
  expect(files.flatMap((path) => violations(path, read(path)))).toEqual([]);
});

/** The files that a file can reach by its imports. */
function reach(from: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set<string>();
  const visit = (path: string) => {
    for (const next of imports.get(path) ?? []) {
      if (reached.has(next)) continue;
      reached.add(next);
      visit(next);
    }
  };
  visit(from);
  return reached;
}

test('no file imports itself by way of others', () => {
  const imports = new Map(files.map((path) => [path, importsOf(path, read(path)).map(({ from }) => from)]));
  expect(files.filter((path) => reach(path, imports).has(path))).toEqual([]);
});

test('every folder of src has its arrows', () => {
  const folders = new Set(files.filter((path) => path.includes('/')).map((path) => path.split('/')[0]));
  expect([...folders].filter((folder) => !ARROWS[folder as string])).toEqual([]);
});

test('nothing imports the file that starts the gateway', () => {
  const importers = files.filter((path) => importsOf(path, read(path)).some(({ from }) => from === 'main.ts'));
  expect(importers).toEqual([]);
});

test('only config.ts reads the environment', () => {
  const readers = files.filter((path) =>
    /process\s*(\?\.|\.)\s*env\b|process\[|\benv\b[^;]*from 'node:process'/.test(read(path)),
  );
  expect(readers).toEqual(['config.ts']);
});

describe('what the first test would see', () => {
  test.for([
    ['graphql/group.ts', `import { openPostgres } from '../db/client.ts';`],
    ['graphql/group.ts', `import { type Database, openPostgres } from '../db/client.ts';`],
    ['graphql/deep/er.ts', `import {\n  type Database,\n  openPostgres,\n} from '../../db/client.ts';`],
    ['graphql/group.ts', `const { migrate } = await import('../db/migrate.ts');`],
    ['ops/endpoint.ts', `export * from '../db/sql.ts';`],
    ['groups/operations.ts', `import { GraphQLError } from 'graphql';`],
    ['groups/operations.ts', `import type { Context } from '../graphql/context.ts';`],
    ['groups/operations.ts', `import '../ops/endpoint.ts';`],
    ['changes/tail.ts', `import { WebSocketServer } from 'ws';`],
    ['changes/log/append.ts', `import type { Group } from '../../groups/operations.ts';`],
    ['access/tokens.ts', `import type { GroupChanged } from '../groups/operations.ts';`],
    ['db/client.ts', `import { readConfig } from '../config.ts';`],
    ['db/client.ts', `import type { Viewer } from '../access/viewer.ts';`],
    ['model/group.ts', `import type { Sql } from '../db/sql.ts';`],
    ['model/group.ts', `import { randomBytes } from 'node:crypto';`],
    ['ops/run-op.ts', `import type { IncomingMessage } from 'node:http';`],
    ['http/router.ts', `import { openPostgres } from '../db/client.ts';`],
    ['graphql/group.ts', `import { withRequestId } from '../http/request-id.ts';`],
    ['groups/operations.ts', `import { readConfig } from '../config.ts';`],
  ] as const)('%s: %s', ([path, code]) => {
    expect(violations(path, `// A file.\n${code}\n`)).toHaveLength(1);
  });

  test.for([
    ['graphql/group.ts', `import type { Database } from '../db/client.ts';`],
    ['graphql/group.ts', `import { type Database, type Other } from '../db/client.ts';`],
    ['changes/log/records.ts', `import type { GroupSettings } from '../../model/group.ts';`],
    [
      'groups/operations.ts',
      `import { setImmediate as nextTurn } from 'node:timers/promises';\nimport { Issues } from '../model/issues.ts';`,
    ],
    ['main.ts', `import { openPostgres } from './db/client.ts';`],
  ] as const)('but not %s: %s', ([path, code]) => {
    expect(violations(path, code)).toEqual([]);
  });
});
