import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { chromium, openBrowser } from '../setup/browser.ts';
import { postgresUrl } from '../setup/database.ts';
import { post, startServer } from '../setup/server.ts';

const TOKEN = 'a-token-of-at-least-32-characters-for-tests';
const env = { DATABASE_URL: await postgresUrl(), APP_TOKEN: TOKEN };
const html = await readFile(new URL('../../examples/roster.html', import.meta.url));
const pages = createServer((_, res) => res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html));
await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
afterAll(() => pages.close());

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
    const page = await browser.page();
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
    await page.fill('#url', server.url);
    await page.fill('#token', TOKEN);
    await page.fill('#gid', gid);
    await page.click('button');
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
