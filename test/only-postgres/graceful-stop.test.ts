import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { postgresUrl } from '../setup/database.ts';
import { withClient } from '../setup/databases.ts';
import { post, startServer } from '../setup/server.ts';

const NAMES = '{ groups { edges { node { name } } } }';

test('a write that waits in the database is finished, beside the next gateway', async () => {
  const env = { DATABASE_URL: await postgresUrl() };
  const server = await startServer(env);
  const token = await server.firstToken();
  await post(server.url, token, 'mutation { groupAdd(input: {}) { __typename } }');
  await withClient(env.DATABASE_URL, async (client) => {
    const { rows } = await client.query('select gid, pg_advisory_lock(gid) from groups');
    const set = `mutation { groupSet(input: { gid: "${rows[0].gid}", name: "late" }) { ... on GroupSetPayload { group { name } } } }`;
    const answer = post(server.url, token, set);
    const waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while ((await client.query(waits)).rowCount === 0) await sleep(10);
    const ended = server.stop();
    await server.wrote(/"msg":"stopping"/);
    const next = await startServer(env);
    expect((await post(next.url, token, NAMES)).data).toEqual({ groups: { edges: [{ node: { name: null } }] } });
    await client.query('select pg_advisory_unlock_all()');
    expect(await answer).toEqual({ status: 200, data: { groupSet: { group: { name: 'late' } } } });
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect((await post(next.url, token, NAMES)).data).toEqual({ groups: { edges: [{ node: { name: 'late' } }] } });
  });
});
