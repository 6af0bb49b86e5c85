/**
 * The PostgreSQL database of a test file: one that an earlier file of this process had, emptied. One whose schema was changed
 * is not lent again. On a server that is not the tests' own each is new, for to empty one takes its owner's rights.
 */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { atEnd } from './at-end.ts';
import { databaseUrl, withClient } from './databases.ts';
import { emptying, type Rows, schemaOf } from './emptying.ts';

/** A few files have as many as they have tests. */
const MOST_KEPT = 8;

const kept: string[] = [];
/** What each is like when it is new. */
let like: { schema: string; empty: string } | undefined;

/** The URL of a database that nothing else uses until the end of the file's tests. */
export async function postgresUrl(empty = false): Promise<string> {
  const { url, template, prefix, own } = inject('postgres');
  const lent = empty ? undefined : await emptied();
  if (lent) return lent;
  const name = `${prefix}_${randomBytes(5).toString('hex')}`;
  await withClient(url, (client) => client.query(`create database ${name} ${empty ? '' : `template ${template}`}`));
  const made = databaseUrl(url, name);
  if (own && !empty) {
    like ??= await withClient(made, async (client) => ({
      schema: await schemaOf(rowsOf(client)),
      empty: await emptying(rowsOf(client)),
    }));
  }
  return giveBackAtEnd(made, own && !empty);
}

function giveBackAtEnd(lent: string, again: boolean): string {
  atEnd(async () => {
    if (again && kept.length < MOST_KEPT) kept.push(lent);
    else await drop(lent);
  });
  return lent;
}

const drop = (lent: string) =>
  withClient(inject('postgres').url, (client) =>
    client.query(`drop database if exists ${new URL(lent).pathname.slice(1)} with (force)`),
  );

function rowsOf(client: pg.Client): Rows {
  return async (text) => (await client.query(text)).rows;
}

// What the file left behind may still be in the midst of something.
const ALONE = `select pg_terminate_backend(pid, 10000) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

/** False: its schema is not that of a new one, or nobody gets in. */
function wasEmptied(lent: string): Promise<boolean> {
  const emptied = async (client: pg.Client) => {
    await client.query(ALONE);
    if (!like || (await schemaOf(rowsOf(client))) !== like.schema) return false;
    await client.query(like.empty);
    return true;
  };
  return withClient(lent, emptied).catch(() => false);
}

async function emptied(): Promise<string | undefined> {
  for (let next = kept.pop(); next; next = kept.pop()) {
    if (await wasEmptied(next)) return giveBackAtEnd(next, true);
    await drop(next);
  }
  return undefined;
}
