/**
 * The Chromium of this machine, kept away from everything but this machine:
 *
 *     test.skipIf(!chromium)('…', async () => {
 *       await using browser = await openBrowser();
 *       const page = await browser.page();
 */
import { existsSync } from 'node:fs';
import { chromium as driver, type Page } from 'playwright-core';

const CANDIDATES = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where Chromium is; undefined: there is none, and tests with a browser are skipped, but for CI. */
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
  /** What pages asked of other machines: nothing, it is hoped. */
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
