/**
 * The Chromium of this machine, which may only connect to this machine:
 *
 *     test.skipIf(!chromium)('…', async () => {
 *       await using browser = await openBrowser();
 *       const page = await browser.page();
 */
import { existsSync } from 'node:fs';
import { chromium as driver, type Page } from 'playwright-core';

const CANDIDATES = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The path of Chromium; undefined: there is none, and tests with a browser are skipped, except in CI. */
export const chromium = CANDIDATES.find((path) => path && existsSync(path));
if (!chromium) {
  const message = 'no Chromium is installed: tests with a browser are skipped (set CHROMIUM_PATH)';
  if (process.env['CI']) throw new Error(message);
  console.warn(message);
}

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

export interface Browser extends AsyncDisposable {
  page(): Promise<Page>;
  /** The requests of pages to other machines, which should be none. */
  readonly foreign: readonly string[];
}

export async function openBrowser(): Promise<Browser> {
  const browser = await driver.launch({ executablePath: chromium, args: ARGS });
  const foreign: string[] = [];
  return {
    foreign,
    async page() {
      const page = await browser.newPage();
      await page.route(
        (url) => !['127.0.0.1', 'localhost'].includes(url.hostname) && /^(https?|wss?):$/.test(url.protocol),
        (route) => {
          foreign.push(route.request().url());
          return route.abort();
        },
      );
      return page;
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
