import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closeApp } from '../src/access/apps.ts';
import { addToken, revokeToken, revokeTokensOf, type TokenAddInput } from '../src/access/manage-tokens.ts';
import { createStandings } from '../src/access/token-standing.ts';
import { Authenticator } from '../src/access/tokens.ts';
import type { Viewer } from '../src/access/viewer.ts';
import type { Given, Sql, Statement } from '../src/db/sql.ts';
import { createViewer, openTestDatabase, sql } from './setup/database.ts';
import { eventually } from './setup/eventually.ts';

const db = await openTestDatabase();

interface Line extends Sql {
  count(name: string): number;
  /** Keeps answers from coming home until the returned function is called. */
  hold(name: string): () => void;
  /** What happens ahead of each statement of that name. */
  before(name: string, run: () => Promise<void>): void;
  cut(yes: boolean): void;
}

/** The database, with a hand on the line. */
function tapped(): Line {
  const ahead = new Map<string, () => Promise<void>>();
  const ran: string[] = [];
  const held = new Map<string, Promise<void>>();
  let isCut = false;
  return {
    async query<Values extends readonly unknown[], Row>(statement: Statement<Values, Row>, ...given: Given<Values>) {
      ran.push(statement.name);
      if (isCut) throw new Error('the line is cut');
      await ahead.get(statement.name)?.();
      const rows = await db.query(statement, ...given);
      await held.get(statement.name);
      return rows;
    },
    count: (name) => ran.filter((each) => each === name).length,
    hold(name) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(name, promise);
      return () => {
        held.delete(name);
        resolve();
      };
    },
    before(name, run) {
      ahead.set(name, run);
    },
    cut(yes) {
      isCut = yes;
    },
  };
}

function authenticatorOn(on: Sql, onError?: (error: unknown) => void, started = true): Authenticator {
  const authenticator = new Authenticator(on, { onError });
  if (started) authenticator.start();
  onTestFinished(() => authenticator.close());
  return authenticator;
}

async function tokenOf(viewer: Viewer, input: TokenAddInput = { address: 'anna' }) {
  const { secret, token } = await addToken(db, viewer, input);
  return { id: token.id, header: `Bearer ${secret}`, secret };
}

describe('who is let in', async () => {
  const { viewer, token } = await createViewer(db);

  test('a token, whatever the case of Bearer', async () => {
    const authenticator = authenticatorOn(db);
    for (const header of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}  `]) {
      expect(await authenticator.authenticate(header)).toMatchObject({ appId: viewer.appId, address: null });
    }
  });

  test('no truncated, overlong, altered or absent token', async () => {
    const authenticator = authenticatorOn(db);
    const wrong = [
      ...[undefined, null, '', 'Bearer', 'Bearer ', token, `Basic ${token}`, `Bearer ${token} x`, `Bearer\n${token}`],
      ...[`Bearer ${token.slice(0, -1)}`, `Bearer ${token}x`, `Bearer ${token.slice(9)}`, `Bearer ${token.toUpperCase()}`],
      ...[`Bearer ${token.padEnd(201, 'x')}`, `Bearer ${'x'.repeat(1_000_000)}`, `Bearer ${'\u0000'.repeat(10)}`],
    ];
    for (const header of wrong) expect(await authenticator.authenticate(header), header?.slice(0, 80)).toBeNull();
    expect(await authenticator.authenticate(`Bearer ${token}`)).not.toBeNull();
  });

  test('no token of a deleted app, cached or not', async () => {
    const name = `gone-${crypto.randomUUID()}`;
    const gone = await createViewer(db, name);
    const user = await tokenOf(gone.viewer);
    const authenticator = authenticatorOn(db);
    expect(await authenticator.authenticate(user.header)).not.toBeNull();
    await closeApp(db, name);
    await eventually(
      () => authenticator.authenticate(user.header),
      (found) => found === null,
    );
    expect(await authenticator.authenticate(`Bearer ${gone.token}`)).toBeNull();
    expect(await authenticatorOn(db).authenticate(user.header)).toBeNull();
  });

  test("no expired token, by the database's clock, cached or not", async () => {
    const authenticator = authenticatorOn(db);
    const { header, id } = await tokenOf(viewer, { address: 'anna', expiresIn: 2 });
    const left = async () => {
      const [row] = await sql<{ ms: number }>(
        db,
        'select (extract(epoch from expires_at - clock_timestamp()) * 1000)::float as ms from tokens where id = $1',
        [id],
      );
      return row?.ms ?? 0;
    };
    for (;;) {
      const before = await left();
      const found = await authenticator.authenticate(header);
      const after = await left();
      if (after > 0) expect(found).not.toBeNull();
      if (before <= 0) expect(found).toBeNull();
      if (before <= -200) break;
      await sleep(5);
    }
    expect(await authenticatorOn(db).authenticate(header)).toBeNull();
  });
});

// What was known before is worth nothing then, however busy the machine is: nothing is taken from it without a later reading.
const A_SECOND = 1_000;

describe('what is kept of a token', async () => {
  const { viewer } = await createViewer(db);

  test('a token in use is looked up once while nothing is revoked', async () => {
    const line = tapped();
    const authenticator = authenticatorOn(line);
    const { header } = await tokenOf(viewer);
    await authenticator.refresh();
    const until = performance.now() + 2_500;
    let asked = 0;
    for (; performance.now() < until; asked++) {
      expect(await authenticator.authenticate(header)).toMatchObject({ address: 'anna' });
      await sleep(10);
    }
    expect(asked).toBeGreaterThan(30);
    // Once, unless the machine is so busy that a reading of the counter came late.
    expect(line.count('token_find')).toBeLessThanOrEqual(3);
    expect(line.count('token_revocations')).toBeGreaterThanOrEqual(3);
  });

  test('a token that is none is looked up each time', async () => {
    const line = tapped();
    const authenticator = authenticatorOn(line, undefined, false);
    for (let i = 0; i < 3; i++) expect(await authenticator.authenticate('Bearer nothing')).toBeNull();
    expect(line.count('token_find')).toBe(3);
  });

  test('a revocation is known to every gateway within a second', async () => {
    const gateways = [authenticatorOn(db), authenticatorOn(db), authenticatorOn(db)];
    for (let round = 0; round < 3; round++) {
      const { header, id } = await tokenOf(viewer);
      for (const gateway of gateways) expect(await gateway.authenticate(header)).not.toBeNull();
      await (round === 1 ? revokeTokensOf(db, viewer, 'anna') : revokeToken(db, viewer, id));
      await sleep(A_SECOND);
      expect(await Promise.all(gateways.map((gateway) => gateway.authenticate(header)))).toEqual([null, null, null]);
    }
  });

  test('a revocation is known at once where a hint of it came', async () => {
    const authenticator = authenticatorOn(db);
    const { header, id } = await tokenOf(viewer);
    expect(await authenticator.authenticate(header)).not.toBeNull();
    await revokeToken(db, viewer, id);
    await authenticator.refresh();
    expect(await authenticator.authenticate(header)).toBeNull();
  });

  test('a token that is revoked while it is looked up is not let in, nor kept', async () => {
    const line = tapped();
    const authenticator = authenticatorOn(line);
    await authenticator.refresh();
    const { header, id } = await tokenOf(viewer);
    const release = line.hold('token_find');
    const found = authenticator.authenticate(header);
    await eventually(
      () => line.count('token_find'),
      (count) => count === 1,
    );
    await sleep(100); // the row is found, and on its way
    await revokeToken(db, viewer, id);
    await authenticator.refresh();
    release();
    expect(await found).toBeNull();
    expect(await authenticator.authenticate(header)).toBeNull();
  });

  test('what was looked up while tokens were being revoked all the time is not kept', async () => {
    const line = tapped();
    const authenticator = authenticatorOn(line, undefined, false);
    const { header } = await tokenOf(viewer);
    const others = await Promise.all(Array.from({ length: 5 }, () => tokenOf(viewer)));
    line.before('token_find', async () => {
      await revokeToken(db, viewer, others.pop()?.id ?? '');
      await authenticator.refresh();
    });
    expect(await authenticator.authenticate(header)).toMatchObject({ address: 'anna' });
    const asked = line.count('token_find');
    expect(asked).toBeGreaterThan(1);
    line.before('token_find', async () => {});
    expect(await authenticator.authenticate(header)).toMatchObject({ address: 'anna' });
    expect(line.count('token_find')).toBe(asked + 1);
  });

  test('nobody gets in on what is remembered while the database is away', async () => {
    const line = tapped();
    const errors: unknown[] = [];
    const authenticator = authenticatorOn(line, (error) => errors.push(error));
    const { header, id } = await tokenOf(viewer);
    const other = await tokenOf(viewer, { address: 'bert' });
    for (const each of [header, other.header]) expect(await authenticator.authenticate(each)).not.toBeNull();
    line.cut(true);
    await revokeToken(db, viewer, id);
    const ask = (each: string) =>
      authenticator.authenticate(each).then(
        (found) => (found ? 'in' : 'out'),
        () => 'error',
      );
    await sleep(A_SECOND);
    for (const each of [header, other.header]) expect(await ask(each)).toBe('error');
    await sleep(A_SECOND);
    expect(errors).toHaveLength(1);
    line.cut(false);
    expect(await ask(header)).toBe('out');
    expect(await ask(other.header)).toBe('in');
    await eventually(
      () => line.count('token_revocations'),
      (count) => count > 3,
    );
  });

  test('without the readings, a token is kept for a second at most', async () => {
    const authenticator = authenticatorOn(db, undefined, false);
    const { header, id } = await tokenOf(viewer);
    expect(await authenticator.authenticate(header)).not.toBeNull();
    await revokeToken(db, viewer, id);
    await sleep(A_SECOND);
    expect(await authenticator.authenticate(header)).toBeNull();
  });
});

describe('lastUsedAt', async () => {
  const { viewer } = await createViewer(db);
  const lastUsed = async (id: string) =>
    (await sql<{ at: Date | null }>(db, 'select last_used_at as at from tokens where id = $1', [id]))[0]?.at ?? null;

  test('is written once for many requests and tokens, and not again within a minute', async () => {
    const tokens = [await tokenOf(viewer), await tokenOf(viewer), await tokenOf(viewer)];
    const unused = await tokenOf(viewer);
    const line = tapped();
    const first = new Authenticator(line);
    for (let i = 0; i < 20; i++) for (const { header } of tokens) await first.authenticate(header);
    expect(line.count('token_use')).toBe(0);
    await first.close();
    expect(line.count('token_use')).toBe(1);
    const times = await Promise.all(tokens.map(({ id }) => lastUsed(id)));
    for (const time of times) expect(Math.abs(Date.now() - (time?.getTime() ?? 0))).toBeLessThan(60_000);
    expect(await lastUsed(unused.id)).toBeNull();

    const second = new Authenticator(line);
    for (const { header } of tokens) await second.authenticate(header);
    await second.close();
    expect(line.count('token_use')).toBe(1);
    expect(await Promise.all(tokens.map(({ id }) => lastUsed(id)))).toEqual(times);

    await sql(db, "update tokens set last_used_at = last_used_at - interval '2 minutes' where id = $1", [tokens[0]?.id]);
    const third = new Authenticator(line);
    for (const { header } of tokens) await third.authenticate(header);
    await third.close();
    expect(line.count('token_use')).toBe(2);
    const after = await Promise.all(tokens.map(({ id }) => lastUsed(id)));
    expect(after.slice(1)).toEqual(times.slice(1));
    expect(after[0]?.getTime()).toBeGreaterThanOrEqual(times[0]?.getTime() ?? 0);
  });

  test('is written while the gateway runs', async () => {
    const authenticator = authenticatorOn(db);
    const { header, id } = await tokenOf(viewer);
    await authenticator.authenticate(header);
    await eventually(
      () => lastUsed(id),
      (at) => at !== null,
      20_000,
    );
  });
});

describe('the standing of a token', async () => {
  const name = `checked-${crypto.randomUUID()}`;
  const { viewer } = await createViewer(db, name);
  const viewerOf = async (authenticator: Authenticator, header: string) => (await authenticator.authenticate(header)) as Viewer;

  test('tells valid, revoked and expired tokens apart, many in one statement', async () => {
    const line = tapped();
    const authenticator = authenticatorOn(line, undefined, false);
    const [valid, revoked, expired, both] = [1, 2, 3, 4].map(() => tokenOf(viewer));
    const viewers: Viewer[] = [];
    for (const token of [valid, revoked, expired, both]) viewers.push(await viewerOf(authenticator, (await token)?.header ?? ''));
    const standing = createStandings(line);
    expect(await standing(viewers[0] as Viewer)).toBe('valid');
    for (const token of [revoked, both]) await revokeToken(db, viewer, (await token)?.id ?? '');
    for (const token of [expired, both]) {
      await sql(db, 'update tokens set expires_at = created_at where id = $1', [(await token)?.id]);
    }
    const asked = line.count('token_standing');
    const many = await Promise.all([...viewers, ...viewers].map((each) => standing(each)));
    expect(many.slice(0, 4)).toEqual(['valid', 'revoked', 'expired', 'revoked']);
    expect(many.slice(4)).toEqual(many.slice(0, 4));
    expect(line.count('token_standing')).toBe(asked + 1);
  });

  test('a token whose app was deleted is revoked', async () => {
    const held = await viewerOf(authenticatorOn(db), (await tokenOf(viewer)).header);
    const standing = createStandings(db);
    expect(await standing(held)).toBe('valid');
    await closeApp(db, name);
    expect(await standing(held)).toBe('revoked');
  });
});

test('who is being shut out makes no successor', async () => {
  const { viewer } = await createViewer(db);
  const { id, header } = await tokenOf(viewer, {});
  const held = (await new Authenticator(db).authenticate(header)) as Viewer;
  await revokeToken(db, viewer, id);
  const count = async () => (await sql(db, 'select from tokens where app_id = $1', [viewer.appId])).length;
  const before = await count();
  await expect(addToken(db, held, {})).rejects.toMatchObject({ code: 'NOT_ALLOWED', right: 'TOKENS' });
  expect(await count()).toBe(before);
});
