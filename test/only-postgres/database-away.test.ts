import { expect, inject, test } from 'vitest';
import { openTestDatabase } from '../setup/database.ts';
import { withClient } from '../setup/databases.ts';
import { gatewayOn } from '../setup/gateway.ts';
import { listen } from '../setup/listener.ts';

test('while the database is away the gateway is well, not ready, and serves again when it is back', async () => {
  const lost: Error[] = [];
  const db = await openTestDatabase({ onError: (error) => lost.push(error) });
  const gateway = gatewayOn(db);
  const { token, viewer } = await gateway.caller();
  const server = await listen(gateway);
  const body = { query: '{ viewer { app { name } } groups { edges { node { gid } } } }' };
  const statuses = async () => {
    const answers = [
      { method: 'GET', path: '/healthz' },
      { method: 'GET', path: '/readyz' },
      { token, body },
    ].map(server.send);
    return (await Promise.all(answers)).map(({ status }) => status);
  };
  expect(await statuses()).toEqual([200, 200, 200]);

  const name = new URL(db.url).pathname.slice(1);
  await withClient(inject('postgres').url, async (client) => {
    await client.query(`alter database ${name} allow_connections false`);
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    await expect.poll(() => lost.length).toBeGreaterThan(0);
    expect(await server.send({ method: 'GET', path: '/readyz' })).toMatchObject({ status: 503, text: 'not ready\n' });
    expect((await statuses())[0]).toBe(200);
    const { json } = await server.send({ token, body });
    expect(json.errors[0]).toMatchObject({
      message: 'Something went wrong inside the gateway',
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    });
    await client.query(`alter database ${name} allow_connections true`);
  });
  expect(await statuses()).toEqual([200, 200, 200]);
  expect((await server.send({ token, body })).json).toEqual({
    data: { viewer: { app: { name: viewer.appName } }, groups: { edges: [] } },
  });
});
