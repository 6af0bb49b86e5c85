import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, so that none of them is alone at the end. */
const LONGEST = [
  'only-pglite/sigkill',
  'only-pglite/first-start',
  'only-postgres/soak',
  'group-edit-bulk',
  'graceful-stop',
  'watching/promise-09-slow-reader',
  'bulk-paging',
  'rights',
  'ops/fuzz',
  'decisions-generated',
  'server/answers',
  'app-process',
  'graphiql',
  'watch-example',
];

function placeOf({ moduleId }: TestSpecification): number {
  const place = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return place < 0 ? LONGEST.length : place;
}

/** The longest first within each project; the others as vitest sorts them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    return projects.flatMap((project) =>
      sorted.filter((file) => file.project === project).sort((a, b) => placeOf(a) - placeOf(b)),
    );
  }
}
