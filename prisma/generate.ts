/**
 * Generates the Prisma client. `prisma generate` looks for a native schema engine, though it does not use one: pointing it
 * at any file that exists keeps it from downloading, on every system and without internet.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [file('../node_modules/prisma/build/index.js'), 'generate', '--no-hints', `--schema=${file('schema.prisma')}`],
  {
    stdio: ['ignore', process.env['npm_config_loglevel'] === 'silent' ? 'ignore' : 'inherit', 'inherit'],
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: fileURLToPath(import.meta.url), CHECKPOINT_DISABLE: '1' },
  },
);
process.exitCode = status ?? 1;
