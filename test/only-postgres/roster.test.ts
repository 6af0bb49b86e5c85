import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { type Browser, chromium, openBrowser } from '../setup/browser.ts';
import { postgresUrl } from '../setup/database.ts';
import { post, startServer } from '../setup/server.ts';

const TOKEN = 'a-token-of-at-least-32-characters-for-tests';
const env = { DATABASE_URL: await postgresUrl(), APP_TOKEN: TOKEN };
const html = await readFile(new URL('../../examples/roster.html', import.meta.url), 'utf8');
const TYPE = { 'Content-Type': 'text/html; charset=utf-8' };

interface Pages {
  url: string;
  /** The variables of what the page asked of the gateway beside it. */
  asked: { after?: string; snapshot?: boolean }[];
}

/** Serves the page; and, in the place of a gateway, answers. */
async function servePage(page = html, answer: (res: ServerResponse, time: number) => void = () => {}): Promise<Pages> {
  const pages: Pages = { url: '', asked: [] };
  const server = createServer(async (req, res) => {
    if (req.method === 'GET') return void res.writeHead(200, TYPE).end(page);
    let body = '';
    for await (const chunk of req) body += chunk;
    answer(res, pages.asked.push(JSON.parse(body).variables));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  pages.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return pages;
}

async function openRoster(browser: Browser, pages: Pages, url: string, gid: string) {
  const page = await browser.page();
  await page.goto(pages.url);
  await page.fill('#url', url);
  await page.fill('#token', TOKEN);
  await page.fill('#gid', gid);
  await page.click('button');
  return page;
}

const begin = (res: ServerResponse) => res.writeHead(200, { 'Content-Type': 'text/event-stream' });
const eventOf = (result: object) => `event: next\ndata: ${JSON.stringify(result)}\n\n`;
const refusal = (code: string) => ({ errors: [{ message: 'No', extensions: { code } }] });
const ready = (cursor: string) => eventOf({ data: { groupChanges: { __typename: 'Ready', cursor } } });

test.skipIf(!chromium)(
  'the roster shows the members live, and is right again after a restart of the gateway',
  async () => {
    let server = await startServer({ ...env, PORT: '0' });
    const input = '{ name: "Crew", members: [{ addresses: ["anna"], admin: { owner: true } }, { addresses: ["bert"] }] }';
    const { data } = await post(
      server.url,
      TOKEN,
      `mutation { groupAdd(input: ${input}) { ... on GroupAddPayload { group { gid } } } }`,
    );
    const gid: string = data?.groupAdd.group.gid;
    const edit = (fields: string) =>
      post(server.url, TOKEN, `mutation { groupEditMembers(input: { gid: "${gid}", ${fields} }) { __typename } }`);

    await using browser = await openBrowser();
    const page = await openRoster(browser, await servePage(), server.url, gid);
    const roster = () => page.locator('#roster li').allTextContents();
    await expect.poll(roster, { timeout: 15_000 }).toEqual(['anna', 'bert']);
    expect(await page.textContent('#name')).toBe('Crew');
    expect(await page.locator('#roster .owner').allTextContents()).toEqual(['anna']);
    await edit('add: [{ addresses: ["cora", "<b>dora</b>"] }], remove: ["bert"]');
    await expect.poll(roster, { timeout: 15_000 }).toEqual(['<b>dora</b>', 'anna', 'cora']);

    const { port } = server;
    await server.stop('SIGKILL');
    server = await startServer({ ...env, PORT: String(port) });
    await edit('add: [{ addresses: ["emil"] }], remove: ["anna"]');
    await expect.poll(roster, { timeout: 20_000 }).toEqual(['<b>dora</b>', 'cora', 'emil']);
    await expect.poll(() => page.textContent('#state'), { timeout: 15_000 }).toBe('Live: 3 members');

    await post(server.url, TOKEN, `mutation { groupDel(input: { gid: "${gid}" }) { __typename } }`);
    await expect.poll(() => page.textContent('#state'), { timeout: 15_000 }).toBe('The group was deleted.');
    expect(browser.foreign).toEqual([]);
    await server.stop();
  },
  120_000,
);

const LASTING = ['NOT_ALLOWED', 'GROUP_NOT_FOUND', 'INVALID_INPUT', 'TOKEN_REVOKED', 'TOKEN_EXPIRED', 'LEFT_GROUP'];

test.skipIf(!chromium)(
  'the roster says why it ended, and does not come again where that does not help',
  async () => {
    await using browser = await openBrowser();
    let code = '';
    const pages = await servePage(html, (res) => {
      if (code !== 'UNAUTHENTICATED') begin(res).end(eventOf(refusal(code)));
      else res.writeHead(401, { 'Content-Type': 'application/json' }).end(JSON.stringify(refusal(code)));
    });
    for (code of [...LASTING, 'UNAUTHENTICATED']) {
      pages.asked.length = 0;
      const page = await openRoster(browser, pages, `${pages.url}/graphql`, '1000');
      await expect.poll(() => page.textContent('#state'), { timeout: 30_000 }).toBe(`Ended: ${code}`);
      expect(pages.asked).toHaveLength(1);
      await page.close();
    }
  },
  120_000,
);

test.skipIf(!chromium)(
  'the roster comes again where that helps, and begins anew when its cursor does not do',
  async () => {
    await using browser = await openBrowser();
    const pages = await servePage(html, (res, time) => {
      if (time === 1) begin(res).end(ready('a') + eventOf(refusal('SERVER_STOPPING')));
      else if (time === 2) res.writeHead(503).end('not ready');
      else begin(res).end(eventOf(refusal(time === 3 ? 'CURSOR_EXPIRED' : 'LEFT_GROUP')));
    });
    const page = await openRoster(browser, pages, `${pages.url}/graphql`, '1000');
    await expect.poll(() => page.textContent('#state'), { timeout: 60_000 }).toBe('Ended: LEFT_GROUP');
    expect(pages.asked.map(({ after }) => after)).toEqual([undefined, 'a', 'a', undefined]);
  },
  120_000,
);

test.skipIf(!chromium)(
  'the roster comes again with its cursor when its connection falls silent',
  async () => {
    await using browser = await openBrowser();
    const hasty = html.replace('CHECKPOINT_INTERVAL = 30_000', 'CHECKPOINT_INTERVAL = 2_000');
    expect(hasty).not.toBe(html);
    const pages = await servePage(hasty, (res, time) => {
      if (time === 2) begin(res).end(`${ready('b')}event: complete\ndata:\n\n`);
      else begin(res).write(ready('a')); // and no more
    });
    const page = await openRoster(browser, pages, `${pages.url}/graphql`, '1000');
    await expect.poll(() => page.textContent('#state'), { timeout: 30_000 }).toBe('The group was deleted.');
    expect(pages.asked.map(({ after }) => after)).toEqual([undefined, 'a']);
  },
  120_000,
);
