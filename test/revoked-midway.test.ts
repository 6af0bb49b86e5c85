/** A token that is revoked between its request's beginning and its doing: nothing is done with it any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Viewer } from '../src/access/viewer.ts';
import type { Database } from '../src/db/client.ts';
import { addGroup, deleteGroup, editGroupMembers, setGroup } from '../src/groups/operations.ts';
import { sql } from './setup/database.ts';
import { callerOf, gatewayOn, openTestGateway } from './setup/gateway.ts';
import { groupState } from './setup/group-state.ts';
import { interrupted } from './setup/interrupted.ts';
import { answerOf, listen } from './setup/listener.ts';

const gateway = await openTestGateway();
const { db } = gateway;
const { open } = await listen(gateway);
const app = await gateway.caller();

async function groupWith(owner: string): Promise<string> {
  const { group } = await addGroup(db, app.viewer, { members: [{ addresses: [owner], admin: { owner: true } }] });
  return String(group.gid);
}

const end = ({ viewer }: { viewer: Viewer }, how = 'revoked_at = clock_timestamp()') =>
  sql(db, `update tokens set ${how} where id = $1`, [viewer.token.id]);

describe.each(['revoked_at = clock_timestamp()', 'expires_at = created_at'])(
  'a write that was let in before its token went (%s)',
  (how) => {
    const writes: [string, (database: Database, viewer: Viewer, gid: string) => Promise<unknown>][] = [
      ['groupAdd', (database, viewer) => addGroup(database, viewer, { name: 'too late' })],
      ['groupAdd with a key', (database, viewer) => addGroup(database, viewer, { name: 'too late', idempotencyKey: how })],
      ['groupSet', (database, viewer, gid) => setGroup(database, viewer, { gid, name: 'too late' })],
      ['groupEditMembers', (database, viewer, gid) => editGroupMembers(database, viewer, { gid, add: [{ addresses: ['x'] }] })],
      ['groupDel', (database, viewer, gid) => deleteGroup(database, viewer, { gid })],
    ];
    test.each(writes)('%s', async (_, write) => {
      const gid = await groupWith('anna');
      for (const caller of [await app.user('anna'), await gateway.caller().then(() => app.user('anna'))]) {
        await end(caller, how);
        const before = await groupState(db, gid);
        const groups = await sql(db, 'select gid from groups');
        await expect(write(db, caller.viewer, gid)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
        expect(await groupState(db, gid)).toEqual(before);
        expect(await sql(db, 'select gid from groups')).toEqual(groups);
      }
    });
  },
);

test('of many mutations in one document those behind the revocation write nothing', async () => {
  const gid = await groupWith('bert');
  const bert = await app.user('bert');
  let revoked: Promise<unknown> | undefined;
  // Not waited for: the embedded database has one connection, which the write is on.
  const other = gatewayOn(
    interrupted(db, 'changes_append', async () => {
      revoked = end(bert);
    }),
  );
  const write = (n: number) => `a${n}: groupSet(input: { gid: "${gid}", name: "${n}" }) { __typename }`;
  const { status, data, errors } = await callerOf(other, db, bert).send(
    `mutation { ${Array.from({ length: 200 }, (_, n) => write(n)).join(' ')} }`,
  );
  await revoked;
  expect([status, data, errors?.[0]?.extensions?.['code']]).toEqual([401, null, 'UNAUTHENTICATED']);
  const [row] = await sql<{ version: number }>(db, 'select version from groups where gid = $1', [Number(gid)]);
  expect(row?.version).toBeGreaterThan(2);
  expect(row?.version).toBeLessThan(202);
});

test.each(['query', 'mutation'])('a %s whose body was long in coming', async (kind) => {
  const gid = await groupWith('carl');
  const carl = await app.user('carl');
  const query =
    kind === 'query'
      ? `{ group(gid: "${gid}") { members { edges { node { address } } } } }`
      : `mutation { groupRouteMessage(input: { gid: "${gid}", from: "carl" }) { __typename } }`;
  const body = JSON.stringify({ query });
  const { secret } =
    (await app.send('mutation { tokenAdd(input: {}) { ... on TokenAddPayload { secret token { id } } } }')).data?.tokenAdd ?? {};
  for (const token of [carl.token, secret]) {
    const sent = open({ token, headers: { 'Content-Type': 'application/json', 'Content-Length': String(body.length) } });
    sent.write(body.slice(0, 10));
    await sleep(200); // it is let in meanwhile
    await sql(db, 'update tokens set revoked_at = clock_timestamp()');
    await sql(db, 'update gateway_state set revocations = revocations + 1');
    await sleep(1_000);
    const answer = answerOf(sent);
    sent.end(body.slice(10));
    const { status, text } = await answer;
    expect(status).toBe(401);
    expect(text).not.toContain('carl');
    await sql(db, 'update tokens set revoked_at = null');
    await sql(db, 'update gateway_state set revocations = revocations + 1');
  }
});
