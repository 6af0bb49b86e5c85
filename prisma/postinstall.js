/**
 * After an installation: writes src/generated, as far as what writes it was installed. JavaScript, since without development
 * dependencies any Node may come by, and an old one is to be told.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

function fail(sentence) {
  console.error(`rollcall: ${sentence}`);
  process.exit(1);
}

if (Number.parseInt(process.versions.node, 10) < 24) {
  fail(`Node 24 or later is needed where development dependencies, which bring one, are left out. This is ${process.version}.`);
}
for (const [generator, script, ...args] of [
  ['prisma', 'prisma/generate.ts'],
  ['@graphql-codegen/core', 'codegen.ts', 'operations'],
]) {
  if (!existsSync(path(`node_modules/${generator}`))) continue;
  const { status } = spawnSync(process.execPath, [path(script), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
if (!existsSync(path('src/generated/prisma/client.ts'))) {
  fail(
    'src/generated is missing: run `npm ci`, then `npm prune --omit=dev --omit=optional`, or copy it from where that was done.',
  );
}
