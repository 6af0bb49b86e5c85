import type { Database } from '../db/client.ts';
import { sqlState } from '../db/driver-errors.ts';
import type { RecordsTx } from '../db/records.ts';
import { statement, type Tx } from '../db/sql.ts';
import { text } from '../db/types.ts';
import { readClock, revokeWhere } from './token-changes.ts';
import { hashSecret, newSecret } from './tokens.ts';
import { SCOPES, scopeBits } from './viewer.ts';

/** The app cannot be added, found or deleted; the message says why. */
export class AppError extends Error {
  override name = 'AppError';
}

export const DEFAULT_APP = 'default';
const ALL_SCOPES = scopeBits(SCOPES);
const FOREIGN_KEY_FAILED = '23503';

const LOCK = statement({
  name: 'apps_lock',
  parameters: [],
  columns: { locked: text },
  text: "select pg_advisory_xact_lock(hashtext('rollcall'), hashtext('apps'))::text as locked",
});

/** One change of apps and tokens at a time, on all gateways. */
function locked<T>(db: Database, run: (tx: RecordsTx, now: Date, sql: Tx) => Promise<T>): Promise<T> {
  return db.recordsTransaction(async (tx, sql) => {
    await sql.query(LOCK);
    return run(tx, await readClock(sql), sql);
  });
}

async function liveApp(tx: RecordsTx, name: string): Promise<{ id: number; name: string }> {
  const app = await tx.app.findUnique({ where: { name } });
  if (!app) throw new AppError(`There is no app ${JSON.stringify(name)}`);
  if (app.deletedAt) throw new AppError(`The app ${name} is being deleted; run delete again to finish it`);
  return app;
}

async function createToken(tx: RecordsTx, appId: number): Promise<string> {
  const secret = newSecret();
  await tx.token.create({ data: { appId, hash: new Uint8Array(hashSecret(secret)), scopes: ALL_SCOPES } });
  return secret;
}

/** Makes an app and returns its first token's secret, which is shown this once. */
export function addApp(db: Database, name: string): Promise<string> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new AppError(
      'The name of an app is 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit',
    );
  }
  return locked(db, async (tx) => {
    if (await tx.app.findUnique({ where: { name } })) throw new AppError(`There is an app ${name} already`);
    const app = await tx.app.create({ data: { name } });
    return createToken(tx, app.id);
  });
}

/** Makes another application token for an app and returns its secret. */
export function addAppToken(db: Database, name: string): Promise<string> {
  return locked(db, async (tx) => createToken(tx, (await liveApp(tx, name)).id));
}

export interface AppSummary {
  name: string;
  createdAt: Date;
  tokens: number;
  groups: number;
}

export async function listApps(db: Database): Promise<AppSummary[]> {
  const apps = await db.records((records) =>
    records.app.findMany({
      where: { deletedAt: null },
      orderBy: { name: 'asc' },
      include: { _count: { select: { tokens: { where: { revokedAt: null } }, groups: { where: { deletedAt: null } } } } },
    }),
  );
  return apps.map(({ name, createdAt, _count }) => ({ name, createdAt, ...(_count as { tokens: number; groups: number }) }));
}

/** Shuts an app: its tokens are gone, its groups invisible. What it holds is deleted apart. Returns its id. */
export function closeApp(db: Database, name: string): Promise<number> {
  return locked(db, async (tx, now, sql) => {
    const app = await tx.app.findUnique({ where: { name } });
    if (!app) throw new AppError(`There is no app ${JSON.stringify(name)}`);
    await tx.app.update({ where: { id: app.id }, data: { deletedAt: app.deletedAt ?? now } });
    await revokeWhere(tx, sql, { appId: app.id }, now);
    return app.id;
  });
}

/** Takes away the row of a closed app, unless it holds groups: a request that was under way may have made one. */
export async function removeApp(db: Database, id: number): Promise<boolean> {
  try {
    await db.records((records) => records.app.deleteMany({ where: { id } }));
    return true;
  } catch (error) {
    if (sqlState(error) === FOREIGN_KEY_FAILED) return false;
    throw error;
  }
}

/** The secret of a token for the app `default`, to be shown once, when the database has no token yet. */
export function makeFirstToken(db: Database): Promise<string | undefined> {
  return locked(db, async (tx) => {
    if ((await tx.token.count()) > 0) return undefined;
    const app = await tx.app.upsert({ where: { name: DEFAULT_APP }, create: { name: DEFAULT_APP }, update: {} });
    return createToken(tx, app.id);
  });
}

/**
 * Makes `appToken` a token of the app `default`, in place of an earlier value of APP_TOKEN.
 * @throws AppError
 */
export function setAppToken(db: Database, appToken: string): Promise<void> {
  return locked(db, async (tx, now, sql) => {
    await tx.app.upsert({ where: { name: DEFAULT_APP }, create: { name: DEFAULT_APP }, update: {} });
    const app = await liveApp(tx, DEFAULT_APP);
    const hash = new Uint8Array(hashSecret(appToken));
    const old = await tx.token.findUnique({ where: { hash } });
    if (old && (old.appId !== app.id || old.address !== null)) {
      throw new AppError('APP_TOKEN is the token of another app, or of a user');
    }
    await revokeWhere(tx, sql, { appId: app.id, origin: 'environment', NOT: { hash } }, now);
    // Whatever it was before, it is the environment's now: valid for all, until another value comes.
    const data = { scopes: ALL_SCOPES, origin: 'environment', expiresAt: null, revokedAt: null };
    if (old) await tx.token.update({ where: { appId_id: { appId: app.id, id: old.id } }, data });
    else await tx.token.create({ data: { appId: app.id, hash, label: 'APP_TOKEN', ...data } });
  });
}
