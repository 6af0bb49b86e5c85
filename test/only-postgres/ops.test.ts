/** What of the op endpoint takes several connections, or many transactions. */
import { expect, test } from 'vitest';
import { type OpApp, openOps, SENTENCE } from '../ops/setup.ts';
import { sql } from '../setup/database.ts';
import { callerOf } from '../setup/gateway.ts';

const ops = await openOps();
const { db } = ops.gateway;

const BUSY = 'There is too much to do just now, and the same request may be sent again.';
const SLOW = expect.stringMatching(/^The database took too long; the log has it under the request id [\da-f-]{36}\.$/);

/** As many writes as the gateway takes on wait for the group, until the returned function is called. */
function fillQueue(app: OpApp, gid: number): () => Promise<void> {
  const key = `${app.viewer.appId}:${gid}`;
  let release = () => {};
  const held = db.exclusive(key, () => new Promise<void>((resolve) => (release = resolve)));
  const waiting = Array.from({ length: 1_000 }, () => db.exclusive(key, async () => {}));
  return async () => {
    release();
    await Promise.all([held, ...waiting]);
  };
}

test('RATELIMIT while more writes wait for a group than the gateway takes on; afterwards all is well', async () => {
  const app = await ops.app();
  const gid: number = (await app.json({ op: 'groupadd', group: { members: { m: 'ann' } } }))['group'].gid;
  const release = fillQueue(app, gid);
  for (const [op, group] of Object.entries({
    groupset: { gid, name: 'N' },
    groupdel: { gid },
    groupeditmembers: { gid, members: { m: 'bob' } },
  })) {
    expect(await app.json({ op, group })).toEqual({ op, result: false, error: 'RATELIMIT', error_description: BUSY });
  }
  expect(await app.json({ op: 'groupget', group: { gid } })).toMatchObject({ result: true });
  await release();
  expect(await app.state(gid)).toMatchObject({ version: 2, members: [['ann', 31, 0]] });
  expect(await app.json({ op: 'groupdel', group: { gid } })).toEqual({ op: 'groupdel', result: true, group: { gid } });
});

test('userdel that fails halfway has ended the tokens and left the groups before; sent again, it goes on', async () => {
  const app = await ops.app();
  const gids: number[] = [];
  for (let index = 0; index < 3; index++) {
    gids.push((await app.json({ op: 'groupadd', group: { members: { m: 'ann,bob' } } }))['group'].gid);
  }
  const { token } = (await app.json({ op: 'useradd', user: { address: 'ann' } }))['user'];
  const ann = callerOf(ops.gateway, db, { viewer: app.viewer, token });
  const address = async () => (await ann.send('{ viewer { address } }')).data?.['viewer']?.address;
  const states = () => Promise.all(gids.map((gid) => app.state(gid)));
  const left = { version: 3, records: 3, memberCount: 1, members: [['bob', 31, 0]] };
  const untouched = {
    ...{ version: 2, records: 2, memberCount: 2 },
    members: [
      ['ann', 31, 0],
      ['bob', 31, 0],
    ],
  };
  const request = { op: 'userdel', user: { address: 'ann' } };
  expect(await address()).toBe('ann');

  const release = fillQueue(app, gids[1] as number);
  expect(await app.json(request)).toEqual({ op: 'userdel', result: false, error: 'RATELIMIT', error_description: BUSY });
  expect(await address()).toBeUndefined();
  expect(await states()).toMatchObject([left, untouched, untouched]);
  await release();
  expect(await states()).toMatchObject([left, untouched, untouched]);
  expect(await app.json(request)).toEqual({ op: 'userdel', result: true, user: { address: 'ann' } });
  expect(await states()).toMatchObject([left, left, left]);
  expect(await address()).toBeUndefined();
  const removals = await sql(
    db,
    `select gid, data->'addresses' as addresses from changes where app_id = $1 and kind = 8 order by id`,
    [app.viewer.appId],
  );
  expect(removals).toEqual(gids.map((gid) => ({ gid, addresses: ['ann'] })));
});

test('SERVERERROR when the database takes too long, with nothing written', async () => {
  const slow = await openOps({ statementTimeout: 200 });
  const app = await slow.app();
  const gid: number = (await app.json({ op: 'groupadd' }))['group'].gid;
  const blocker = slow.gateway.db.openAnother({ statementTimeout: 10_000 });
  await blocker.transaction(async (tx) => {
    await sql(tx, 'select pg_advisory_xact_lock($1)::text', [gid]);
    expect(await app.json({ op: 'groupset', group: { gid, name: 'N' } })).toEqual({
      ...{ op: 'groupset', result: false, error: 'SERVERERROR', error_description: SLOW },
    });
  });
  await blocker.close();
  expect(await app.state(gid)).toMatchObject({ version: 1, records: 1 });
});

test('a form replaces up to 100,000 members, not more', async () => {
  const app = await ops.app();
  const { gid } = (await app.json({ op: 'groupadd', group: { members: { m: 'ann' } } }))['group'];
  const fill = (from: number, to: number) =>
    sql(
      db,
      `insert into members (app_id, gid, address, join_number, joined_version, xid, generation, joined_at, updated_at)
      select app_id, gid, 'u' || n, 1 + n, joined_version, xid, generation, joined_at, updated_at
      from members, generate_series($2::int, $3::int) n where gid = $1 and address = 'ann'`,
      [gid, from, to],
    );
  await fill(1, 100_000);
  expect(await app.form({ op: 'groupset', gid, m: 'ann', name: 'N' })).toEqual({
    op: 'groupset',
    result: false,
    error: 'BADPARA',
    error_description: SENTENCE,
  });
  expect(await app.state(gid)).toMatchObject({ version: 2, records: 2 });
  await sql(db, `delete from members where gid = $1 and address = 'u100000'`, [gid]);
  await sql(db, 'update groups set member_count = 100000, joins = 100001 where gid = $1', [gid]);
  expect(await app.form({ op: 'groupset', gid, m: 'ann', name: 'N' })).toEqual({ op: 'groupset', result: true, group: { gid } });
  expect(await app.state(gid)).toMatchObject({ version: 103, records: 103, memberCount: 1, members: [['ann', 31, 0]] });
});

test('userdel of one who is in more groups than a page has', async () => {
  const app = await ops.app();
  const { gid } = (await app.json({ op: 'groupadd', group: { members: { m: 'ann,bob' } } }))['group'];
  const columns = async (table: string) => {
    const rows = await sql<{ name: string }>(
      db,
      `select quote_ident(column_name) as name from information_schema.columns where table_name = $1 and column_name <> 'gid'`,
      [table],
    );
    return rows.map(({ name }) => name).join(', ');
  };
  const [groups, members] = [await columns('groups'), await columns('members')];
  await sql(db, `insert into groups (${groups}) select ${groups} from groups, generate_series(1, 1004) where gid = $1`, [gid]);
  await sql(
    db,
    `insert into members (gid, ${members}) select g.gid, ${members.replaceAll(/\w+/g, 'm.$&')} from members m, groups g
    where m.gid = $1 and g.app_id = m.app_id and g.gid <> m.gid`,
    [gid],
  );
  expect(await app.json({ op: 'userdel', user: { address: 'ann' } })).toMatchObject({ result: true });
  const left = await sql(db, 'select address, count(*)::int as groups from members where app_id = $1 group by address', [
    app.viewer.appId,
  ]);
  expect(left).toEqual([{ address: 'bob', groups: 1_005 }]);
});
