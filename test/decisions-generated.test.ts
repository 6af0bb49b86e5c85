import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { pageAllowed } from '../src/groups/read/allowed.ts';
import { findGroups } from '../src/groups/read/groups.ts';
import { decideChecks, MAX_CHECKS } from '../src/groups/read/permission-checks.ts';
import type { Group } from '../src/model/group.ts';
import type { Member } from '../src/model/member.ts';
import type { Page } from '../src/model/page.ts';
import { createViewer, openTestDatabase } from './setup/database.ts';
import { allowedIn, decided, type GroupModel, groupArbitrary, makeGroups, QUESTIONS } from './setup/decisions.ts';

const db = await openTestDatabase();
const { viewer } = await createViewer(db);
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31));
const GROUPS_A_RUN = 400;
// Each run is of other groups: what two do not find, the next ones do. For more in one run: RUNS.
const RUNS = Number(process.env['RUNS'] ?? 2);
const WALKED = 3;
let groupCount = 0;
let memberCount = 0;
afterAll(() =>
  console.log(`seed ${SEED}: ${groupCount} groups, ${memberCount} members, ${QUESTIONS.length} questions about each`),
);

const groupsArbitrary = fc.array(groupArbitrary, { minLength: GROUPS_A_RUN, maxLength: GROUPS_A_RUN });

async function make(models: readonly GroupModel[]): Promise<Group[]> {
  const gids = await makeGroups(db, viewer, models);
  groupCount += models.length;
  memberCount += models.reduce((count, { members }) => count + Object.keys(members).length, 0);
  const found = await findGroups(db, viewer, gids);
  return gids.map((gid) => found.get(gid) as Group);
}

const addresses = ({ items }: Page<Member>) => items.map(({ address }) => address);

function thePage(pages: (Page<Member> | Error)[]): Page<Member> {
  const [page] = pages;
  if (!page || page instanceof Error) throw page;
  return page;
}

/** All pages of the list, each with the truth about what lies around it. */
async function walk(group: Group, question: (typeof QUESTIONS)[number], first: number, except: string | null): Promise<string[]> {
  const listed: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = thePage(await pageAllowed(db, viewer.appId, [group], { ...question, first, except, after }));
    expect(await page.hasPreviousPage()).toBe(listed.length > 0);
    listed.push(...addresses(page));
    const last = page.items.at(-1);
    if (!(await page.hasNextPage()) || !last) return listed;
    expect(page.items).toHaveLength(first);
    after = page.cursorOf(last);
  }
}

/** One statement for all groups; then one group at a time, to its end, each question about some of the groups. */
async function checkAllowed(models: readonly GroupModel[], groups: readonly Group[], first: number): Promise<void> {
  for (const [index, question] of QUESTIONS.entries()) {
    const expected = models.map((model) => allowedIn(model, question.action, question.messageType));
    const pages = await pageAllowed(db, viewer.appId, groups, { ...question, first });
    expect(pages.map((page) => addresses(thePage([page])))).toEqual(expected.map((list) => list.slice(0, first)));
    for (let place = index * WALKED; place < (index + 1) * WALKED; place++) {
      const except = expected[place]?.[index % 3] ?? null;
      const listed = await walk(groups[place] as Group, question, first, except);
      expect(listed).toEqual(expected[place]?.filter((address) => address !== except));
    }
  }
}

/** One question about every member, and about a stranger to every group. */
async function checkPermissions(models: readonly GroupModel[], groups: readonly Group[]): Promise<void> {
  const cases = models.flatMap((model, index) =>
    [...Object.keys(model.members), 'a stranger'].map((address, place) => {
      const question = QUESTIONS[(index + 7 * place) % QUESTIONS.length] as (typeof QUESTIONS)[number];
      return { model, check: { gid: String(groups[index]?.gid), address, ...question } };
    }),
  );
  for (let from = 0; from < cases.length; from += MAX_CHECKS) {
    const some = cases.slice(from, from + MAX_CHECKS);
    const expected = some.map(({ model, check }) => decided(model, check.address, check.action, check.messageType));
    expect(
      await decideChecks(
        db,
        viewer,
        some.map(({ check }) => check),
      ),
    ).toEqual(expected);
  }
}

test(`the database decides as the pure module does (seed ${SEED})`, async () => {
  const property = fc.asyncProperty(groupsArbitrary, fc.integer({ min: 4, max: 20 }), async (models, first) => {
    const groups = await make(models);
    await checkAllowed(models, groups, first);
    await checkPermissions(models, groups);
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
}, 240_000);
