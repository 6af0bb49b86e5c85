/** `npm run bench -- NAME`: runs the measurement of that name; without one it lists them. Exits with 1 if a goal is missed. */
const BENCHES: Record<string, () => Promise<{ run: () => Promise<boolean> }>> = {
  decisions: () => import('./decisions.ts'),
  weights: () => import('./weights.ts'),
  'hot-group': () => import('./hot-group.ts'),
  stalled: () => import('./stalled.ts'),
  documents: () => import('./documents.ts'),
  hostile: () => import('./hostile/hostile.ts'),
  neighbours: () => import('./hostile/neighbours.ts'),
};

const load = BENCHES[process.argv[2] ?? ''];
if (!load) {
  console.error(`Usage: npm run bench -- NAME\nNames: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
const { run } = await load();
if (!(await run())) process.exitCode = 1;
