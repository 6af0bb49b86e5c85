import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type DocumentNode, print } from 'graphql';
import { afterAll, expect, test } from 'vitest';
import { GroupAddDocument, GroupDelDocument, GroupEditMembersDocument, GroupSetDocument } from '../src/generated/operations.ts';
import { sql } from './setup/database.ts';
import { openTestGateway } from './setup/gateway.ts';
import { listen } from './setup/listener.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const { port } = await listen(gateway);
const caller = await gateway.caller();

/** When a connection is cut: never, when its request went through, or when the answer begins to come. */
let cut: 'never' | 'after the request' | 'before the answer' = 'never';
/** What the gateway answered on connections that were cut. */
const lost: string[] = [];
const sockets = new Set<Socket>();

const proxy = createServer((client) => {
  const server = connect(port, '127.0.0.1');
  for (const socket of [client, server]) {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  }
  const end = cut;
  client.on('data', (data) => {
    server.write(data, () => {
      // The body comes with its headers: these requests are small.
      if (end === 'after the request') for (const socket of [client, server]) socket.destroy();
    });
  });
  server.on('data', (data) => {
    if (end === 'never') client.write(data);
    else lost.push(data.toString());
    if (end === 'before the answer') client.destroy();
  });
  client.on('close', () => end === 'never' && server.destroy());
});
await once(proxy.listen(0, '127.0.0.1'), 'listening');
const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/graphql`;
afterAll(async () => {
  const closed = once(proxy, 'close');
  proxy.close();
  for (const socket of sockets) socket.destroy();
  await closed;
});

async function send(query: DocumentNode, input: object): Promise<string> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${caller.token}`, Connection: 'close' };
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query: print(query), variables: { input } }),
  });
  return response.text();
}

async function newGroup(): Promise<string> {
  const { groupAdd } = await caller.call(GroupAddDocument, {
    input: { name: 'Team', members: [{ addresses: ['alice', 'bob'] }] },
  });
  return groupAdd.__typename === 'GroupAddPayload' ? groupAdd.group.gid : expect.fail(JSON.stringify(groupAdd));
}

const count = async (text: string) => (await sql<{ count: number }>(db, `select count(*)::int from ${text}`))[0]?.count ?? 0;
const records = (gid: string) => count(`changes where gid = ${gid}`);

const operations: [string, DocumentNode, object, number][] = [
  ['groupSet', GroupSetDocument, { name: 'New', active: false }, 1],
  ['groupEditMembers', GroupEditMembersDocument, { add: [{ addresses: ['carol', 'dave'] }], remove: ['bob'] }, 2],
  ['groupDel', GroupDelDocument, {}, 1],
];

test.each(operations)(
  '%s: a retry with its key and ifVersion gets the first result',
  async (name, document, changes, written) => {
    const gid = await newGroup();
    const before = await records(gid);
    const input = { gid, ...changes, ifVersion: before, idempotencyKey: `${name}-1` };
    cut = 'before the answer';
    lost.length = 0;
    await expect(send(document, input)).rejects.toThrow('fetch failed');
    expect(await records(gid)).toBe(before + written);
    const [, first = ''] = lost.join('').split('\r\n\r\n');
    expect(first).toMatch(/^\{"data":.*"__typename":"Group\w+Payload"/);

    cut = 'never';
    const again = JSON.parse(await send(document, input));
    expect(again).toEqual(JSON.parse(first));
    expect(await records(gid)).toBe(before + written);
    // Without the key it would be a second request, and too late.
    const { idempotencyKey, ...other } = input;
    expect(await send(document, other)).toMatch(/"VERSION_CONFLICT"|"GROUP_NOT_FOUND"/);
  },
);

test('groupAdd: a retry with its key gets the first group', async () => {
  const input = { name: 'Once', members: [{ addresses: ['alice'] }], idempotencyKey: 'groupAdd-1' };
  const before = await count('groups');
  cut = 'before the answer';
  lost.length = 0;
  await expect(send(GroupAddDocument, input)).rejects.toThrow('fetch failed');
  cut = 'never';
  const again = JSON.parse(await send(GroupAddDocument, input));
  expect(again).toEqual(JSON.parse(lost.join('').split('\r\n\r\n')[1] ?? ''));
  expect(await count('groups')).toBe(before + 1);
});

test.each(operations)(
  '%s: retries while the first may still run change the group once',
  async (name, document, changes, written) => {
    const gid = await newGroup();
    const before = await records(gid);
    const input = { gid, ...changes, ifVersion: before, idempotencyKey: `${name}-2` };
    cut = 'after the request';
    await Promise.all([1, 2, 3].map(() => expect(send(document, input)).rejects.toThrow('fetch failed')));
    cut = 'never';
    const answers = await Promise.all([1, 2, 3].map(() => send(document, input)));
    for (const answer of answers) expect(JSON.parse(answer)).toEqual(JSON.parse(answers[0] ?? ''));
    expect(answers[0]).toMatch(/"__typename":"Group\w+Payload"/);
    expect(await records(gid)).toBe(before + written);
  },
);
