import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, in work or in waiting, so that none of them is alone at the end. */
const LONGEST = [
  ...['only-pglite/sigkill', 'only-pglite/first-start', 'only-postgres/soak', 'watching/sockets', 'graceful-stop'],
  ...['group-edit-bulk', 'watching/expiry', 'authentication', 'watching/permission-changes', 'watching/promise-09-slow-reader'],
  ...['only-postgres/access-races', 'only-postgres/order-of-commits', 'migrations', 'group-set-validity', 'schema-walk'],
  ...['only-postgres/records', 'watch-example', 'only-postgres/round-robin', 'rights', 'app-process', 'server/body-limit'],
  ...['watching/transports', 'ops/transport', 'ops/examples', 'only-pglite/data-dir-lock', 'only-postgres/hints'],
  ...['only-postgres/sessions', 'only-postgres/promise-10-many-gateways', 'bulk-paging', 'decisions-generated'],
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
