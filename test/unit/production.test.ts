/** What runs in production needs no development dependency. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const { dependencies } = json('package.json') as { dependencies: Record<string, string> };

// What takes a name of a module when the program runs. `import type` is gone by then; `import { type … }` is not.
const IMPORTS = [
  /^\s*(?:import|export)\s(?!type\s)[^;'"]*?\sfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
  /\bimport\.meta\.resolve\s*\(\s*['"]([^'"]+)['"]/g,
  /\brequire(?:\.resolve)?\s*\(\s*['"]([^'"]+)['"]/g,
];
const COMPUTED = /\b(?:import|import\.meta\.resolve|require|require\.resolve)\s*\((?!\s*['"])/;

const importsOf = (code: string): string[] => IMPORTS.flatMap((form) => [...code.matchAll(form)].map(([, name = '']) => name));

/** The modules of packages that a file imports, itself or through others. Fails where a name is computed. */
function modulesFrom(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return new Set();
  seen.add(file);
  const code = readFileSync(file, 'utf8');
  if (COMPUTED.test(code)) throw new Error(`${file} imports what only a run can tell`);
  const modules = new Set<string>();
  for (const name of importsOf(code)) {
    if (name.startsWith('.')) for (const deeper of modulesFrom(join(dirname(file), name), seen)) modules.add(deeper);
    else if (!name.startsWith('node:')) modules.add(name);
  }
  return modules;
}

const packageOf = (module: string): string => module.split('/', module.startsWith('@') ? 2 : 1).join('/');

const modules = ['main.ts', 'app.ts'].flatMap((entry) => [...modulesFrom(join(ROOT, 'src', entry))]);

test('the gateway imports its dependencies, all of them and nothing else', () => {
  expect([...new Set(modules.map(packageOf))].sort()).toEqual(Object.keys(dependencies).sort());
});

test('it loads where neither development nor optional dependencies are', { timeout: 60_000 }, async () => {
  interface Installed {
    dev?: boolean;
    optional?: boolean;
    devOptional?: boolean;
  }
  const { packages } = json('package-lock.json') as { packages: Record<string, Installed> };
  const production = Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path.startsWith('node_modules/') && !dev && !optional && !devOptional)
    .map(([path]) => path)
    .filter((path) => !path.includes('/node_modules/')); // such a one is in its package's folder
  expect(production).not.toContain('node_modules/prisma');
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-production-'));
  try {
    for (const path of ['src', 'prisma', ...production]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      symlinkSync(join(ROOT, path), join(folder, path), 'junction');
    }
    const loaded = ['./src/gateway.ts', './src/open-database.ts', './src/background.ts', './src/app-commands.ts', ...modules];
    const script = join(folder, 'load.ts');
    writeFileSync(script, loaded.map((name) => `await import('${name}');`).join('\n'));
    const options = ['--preserve-symlinks', '--preserve-symlinks-main'];
    await promisify(execFile)(process.execPath, [...options, script]);
    writeFileSync(script, `await import('vitest');`);
    await expect(promisify(execFile)(process.execPath, [...options, script])).rejects.toThrow(/Cannot find package 'vitest'/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('what counts as an import', () => {
  test.for([
    [`import { a } from 'a';`, ['a']],
    [`import {\n  type A,\n} from '@a/b/c';`, ['@a/b/c']],
    [`import 'a/b';\nexport * from './c.ts';`, ['./c.ts', 'a/b']],
    [`const { a } = await import('a');`, ['a']],
    [`require.resolve("a")`, ['a']],
    [`import type { A } from 'a';`, []],
  ] as const)('%s', ([code, names]) => {
    expect(importsOf(code)).toEqual(names);
  });

  test('a computed name does not pass unseen', () => {
    expect(COMPUTED.test('await import(name)')).toBe(true);
    expect(COMPUTED.test(`await import('a')`)).toBe(false);
  });
});
