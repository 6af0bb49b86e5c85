/**
 * A database for a test file, PGlite or PostgreSQL by the project that runs it:
 *
 *     import { createViewer, openTestDatabase } from './setup/database.ts';
 *
 *     const db = await openTestDatabase();             // migrated, empty, closed after the file's tests
 *     const { viewer, token } = await createViewer(db);  // an app of its own: tests of one file need no other database
 *
 *     await sql(db, 'select * from changes where gid = $1', [gid]);
 *
 * Inside a test, `await using db = await openTestDatabase({ observe })` closes it with the test.
 */
import { randomBytes } from 'node:crypto';
import type { PGlite } from '@electric-sql/pglite';
import { inject } from 'vitest';
import { addApp } from '../../src/access/apps.ts';
import { Authenticator, hashSecret, newSecret } from '../../src/access/tokens.ts';
import { SCOPES, type Scope, scopeBits, type Viewer } from '../../src/access/viewer.ts';
import type { Database, DatabaseOptions } from '../../src/db/client.ts';
import { openEmbedded } from '../../src/db/embedded.ts';
import { openPostgres } from '../../src/db/postgres.ts';
import type { Sql, Statement } from '../../src/db/sql.ts';
import { atEnd } from './at-end.ts';
import { databaseUrl, withClient } from './databases.ts';
import { lendPGlite, unmigratedPGlite } from './pglite.ts';
import { noting } from './ran.ts';

export interface TestDatabaseOptions extends Partial<DatabaseOptions> {
  /** PostgreSQL only. */
  poolSize?: number;
  /** PostgreSQL only. */
  onError?: (error: Error) => void;
  /** Not migrated. */
  empty?: boolean;
}

export interface TestDatabase extends Database, AsyncDisposable {
  /** PostgreSQL only: for `DATABASE_URL` of a gateway in another process. */
  readonly url: string;
  /** PostgreSQL only: the same database as another gateway sees it. */
  openAnother(options?: TestDatabaseOptions): Database;
  /** The embedded database itself. */
  readonly pglite?: PGlite;
}

export const databaseKind = inject('databaseKind');

function withDefaults(options: TestDatabaseOptions): DatabaseOptions {
  const { observe, statementTimeout = 10_000, transactionTimeout = 30_000, shares } = options;
  return { observe: noting(databaseKind, observe), statementTimeout, transactionTimeout, shares };
}

/** A database that nothing else uses. */
export async function openTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  if (databaseKind === 'postgres') return openOnPostgres(await postgresUrl(options.empty), options);
  const pglite = options.empty ? await unmigratedPGlite() : await lendPGlite();
  const db = await openEmbedded({ data: pglite, ...withDefaults(options) });
  const onlyPostgres = () => {
    throw new Error('PGlite is in this process, with one connection; put the test into test/only-postgres');
  };
  return testDatabase(db, onlyPostgres, onlyPostgres, pglite);
}

function openOnPostgres(url: string, options: TestDatabaseOptions): TestDatabase {
  const open = (changed: TestDatabaseOptions = {}) =>
    openPostgres({ url, poolSize: 10, ...options, ...changed, ...withDefaults({ ...options, ...changed }) });
  return testDatabase(
    open(),
    () => url,
    (changed) => {
      const db = open(changed);
      return { ...db, close: atEnd(db.close) };
    },
  );
}

function testDatabase(db: Database, url: () => string, openAnother: TestDatabase['openAnother'], pglite?: PGlite): TestDatabase {
  const close = atEnd(() => db.close());
  return {
    ...db,
    pglite,
    close,
    get url() {
      return url();
    },
    openAnother,
    [Symbol.asyncDispose]: close,
  };
}

/** A statement for one use, which the server does not keep under a name. The test declares the type of its rows. */
export function sql<Row>(db: Sql, text: string, values: readonly unknown[] = []): Promise<Row[]> {
  const statement: Statement<readonly unknown[], unknown> = { name: '', text, parameters: [], columns: {} };
  return db.query(statement, values) as Promise<Row[]>;
}

/** PostgreSQL only: the URL of a new database, which is dropped after the file's tests. */
export async function postgresUrl(empty = false): Promise<string> {
  const { url, template, prefix } = inject('postgres');
  const name = `${prefix}_${randomBytes(5).toString('hex')}`;
  await withClient(url, (client) => client.query(`create database ${name} ${empty ? '' : `template ${template}`}`));
  atEnd(() => withClient(url, async (client) => void (await client.query(`drop database ${name} with (force)`))));
  return databaseUrl(url, name);
}

export interface TestViewer {
  viewer: Viewer;
  token: string;
}

/** A new app and its application token, as the gateway authenticates it. */
export async function createViewer(db: Database, appName = `app-${randomBytes(5).toString('hex')}`): Promise<TestViewer> {
  const token = await addApp(db, appName);
  return { viewer: await viewerOf(db, token), token };
}

/** A user token of the app of another viewer. */
export async function createUser(
  db: Database,
  app: Viewer,
  address: string,
  scopes: readonly Scope[] = SCOPES,
): Promise<TestViewer> {
  const token = newSecret();
  const hash = new Uint8Array(hashSecret(token));
  await db.prisma.token.create({ data: { appId: app.appId, hash, address, scopes: scopeBits(scopes) } });
  return { viewer: await viewerOf(db, token), token };
}

async function viewerOf(db: Database, token: string): Promise<Viewer> {
  const viewer = await new Authenticator(db).authenticate(`Bearer ${token}`);
  if (!viewer) throw new Error('The token that was just made is not valid');
  return viewer;
}
