import { parse, validate } from 'graphql';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { schema } from '../src/graphql/schema.ts';
import { GRAPHIQL } from '../src/http/graphiql.ts';
import { type Browser, chromium, openBrowser } from './setup/browser.ts';
import { openTestGateway } from './setup/gateway.ts';
import { listen } from './setup/listener.ts';
import { addGroup, setGroup } from './watching/setup.ts';

const gateway = await openTestGateway();
const { url } = await listen(gateway);
const SOON = { timeout: 30_000 };

const QUERY = '.graphiql-query-editor .view-lines';
const HEADERS = '.graphiql-editor-tool .monaco-editor:visible';
const ANSWER = '.graphiql-response';

async function open(browser: Browser): Promise<Page> {
  const page = await browser.page();
  page.setDefaultTimeout(SOON.timeout);
  await page.goto(url);
  await expect.poll(() => textOf(page, QUERY), SOON).toContain('query Groups {');
  return page;
}

/** The text of an editor, as it is to be read. */
async function textOf(page: Page, editor: string): Promise<string> {
  return (await page.locator(editor).innerText()).replaceAll('\u00a0', ' ');
}

/** Types the token where the headers say "Bearer ". */
async function typeToken(page: Page, token: string): Promise<void> {
  await page.locator(HEADERS).getByRole('textbox').focus();
  for (const key of ['ControlOrMeta+Home', 'ArrowDown', 'End', 'ArrowLeft']) await page.keyboard.press(key);
  await page.keyboard.type(token);
  await expect.poll(() => textOf(page, HEADERS), SOON).toContain(`"Authorization": "Bearer ${token}"`);
}

async function typeQuery(page: Page, query: string): Promise<void> {
  await page.locator(QUERY).click();
  for (const key of ['ControlOrMeta+A', 'Delete']) await page.keyboard.press(key);
  await page.keyboard.type(query);
  await expect.poll(() => textOf(page, QUERY), SOON).toBe(query);
}

/** The answer to pressing Run, again and again: GraphiQL needs a moment to take notice of what was typed. */
function answered(page: Page, operation?: string) {
  const answer = async () => {
    await page.getByRole('button', { name: 'Execute query' }).click();
    if (operation) await page.getByRole('menuitem', { name: operation, exact: true }).click();
    await page.waitForTimeout(500);
    return textOf(page, ANSWER);
  };
  return expect.poll(answer, SOON);
}

test('the examples are valid', () => {
  expect(validate(schema, parse(GRAPHIQL.defaultQuery))).toEqual([]);
});

test.skipIf(!chromium)('without a token: the examples and the documentation', { timeout: 120_000 }, async () => {
  await using browser = await openBrowser();
  const page = await open(browser);
  expect(await page.title()).toBe('Rollcall');

  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const docs = page.locator('.graphiql-plugin');
  await docs.getByText('Group', { exact: true }).click();
  await docs.getByText(schema.getType('Group')?.description as string).waitFor();
  await docs.getByText('memberCount', { exact: true }).waitFor();

  await answered(page, 'Groups').toContain('"code": "UNAUTHENTICATED"');
  expect(browser.foreign).toEqual([]);
});

test.skipIf(!chromium)(
  'with a token: an example, and a query that is typed, get their answers',
  { timeout: 120_000 },
  async () => {
    const { token, viewer } = await gateway.caller();
    await using browser = await openBrowser();
    const page = await open(browser);
    await typeToken(page, token);
    await answered(page, 'AddGroup').toMatch(/"gid": "\d{4,}",\s+"name": "Team",\s+"memberCount": 3,/);
    await answered(page, 'Groups').toContain(`"name": "${viewer.appName}"`);
    await typeQuery(page, '{ groups(first: 1) { edges { node { name } } } }');
    await answered(page).toMatch(/^\{\s*"data": \{\s*"groups": \{\s*"edges": \[\s*\{\s*"node": \{\s*"name": "Team"/);
    expect(browser.foreign).toEqual([]);
  },
);

test.skipIf(!chromium)(
  'with a token: a subscription shows what is, then what changes meanwhile',
  { timeout: 120_000 },
  async () => {
    const caller = await gateway.caller();
    const { gid } = await addGroup(caller, { name: 'Before' });
    await using browser = await openBrowser();
    const page = await open(browser);
    await typeToken(page, caller.token);
    const changes = '{ __typename version ... on GroupUpdated { settings { name } } }';
    await typeQuery(page, `subscription { groupChanges(gid: "${gid}") ${changes} }`);
    await answered(page).toContain('"__typename": "Ready"');
    await setGroup(caller, { gid, name: 'Meanwhile' });
    await expect.poll(() => textOf(page, ANSWER), SOON).toContain('"name": "Meanwhile"');
    expect(browser.foreign).toEqual([]);
  },
);
