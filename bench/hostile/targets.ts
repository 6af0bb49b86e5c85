/** What attacks are aimed at: a crowded app with users who have rights, or none, and another app beside it. */
import { addApp } from '../../src/access/apps.ts';
import { addToken } from '../../src/access/manage-tokens.ts';
import { Authenticator } from '../../src/access/tokens.ts';
import type { Viewer } from '../../src/access/viewer.ts';
import type { Database } from '../../src/db/client.ts';
import { addGroup, editGroupMembers } from '../../src/groups/operations.ts';
import { withClient } from '../../test/setup/databases.ts';
import type { BenchDatabase } from '../database.ts';

export interface Targets {
  /** Of the gateway's `/graphql`. */
  url: string;
  /** A token of the application, which may do everything in its app. */
  application: string;
  /** A token of a user who is a member of all groups, and the owner of `own`. */
  user: string;
  /** A token of a user who is a member of all of `own`, and has no right there. */
  member: string;
  /** Groups with 1,000 and 100,000 members. */
  thousand: string;
  large: string;
  own: string[];
  /** The other app: a token of its application, and a group in it. */
  other: { token: string; gid: string };
}

/** In the crowded app: what `nameContains` has to look through. */
const NAMED_GROUPS = 200_000;
const OWN_GROUPS = 10;
const USER = 'mallory';
const MEMBER = 'plain';

const addresses = (count: number, name = 'member') =>
  Array.from({ length: count }, (_, n) => `${name}-${String(n).padStart(6, '0')}`);

/** A group that was made as callers make one. Returns its gid. */
async function makeGroup(db: Database, viewer: Viewer, name: string, members: number): Promise<string> {
  const { group } = await addGroup(db, viewer, { name, members: [{ addresses: [MEMBER] }] });
  const gid = String(group.gid);
  await editGroupMembers(db, viewer, { gid, add: [{ addresses: [USER], admin: { owner: true } }] });
  if (members > 0) await editGroupMembers(db, viewer, { gid, add: [{ addresses: addresses(members - 2) }] });
  return gid;
}

/** Groups of the user that differ by their numbers alone, so that every trigram of a name stands in each of them. */
async function nameGroups(url: string, appId: number): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(
      `with made as (
         insert into groups (app_id, name, name_folded, starts_at, expires_at, expiry_due, xid, generation, created_at, updated_at,
           member_count, joins)
         select $1, 'group number ' || n, 'group number ' || n, now(), now() + interval '1 year', now() + interval '1 year',
           pg_current_xact_id()::text::bigint, s.generation, now(), now(), 1, 1
         from generate_series(1, $2) n, gateway_state s
         returning app_id, gid, xid, generation)
       insert into members (app_id, gid, address, join_number, joined_version, xid, generation, joined_at, updated_at)
       select app_id, gid, $3, 1, 0, xid, generation, now(), now() from made`,
      [appId, NAMED_GROUPS, USER],
    );
    await client.query('vacuum analyze'); // as autovacuum does
  });
}

export async function makeTargets({ db, url }: BenchDatabase): Promise<Omit<Targets, 'url'>> {
  const authenticator = new Authenticator(db);
  const viewerOf = async (token: string) => (await authenticator.authenticate(`Bearer ${token}`)) as Viewer;
  const application = await addApp(db, 'crowded');
  const viewer = await viewerOf(application);
  const tokenOf = async (address: string) => (await addToken(db, viewer, { address })).secret;
  const own = [];
  for (let n = 0; n < OWN_GROUPS; n++) own.push(await makeGroup(db, viewer, `own ${n}`, 0));
  const thousand = await makeGroup(db, viewer, 'a thousand', 1_000);
  const large = await makeGroup(db, viewer, 'a hundred thousand', 100_000);
  await nameGroups(url, viewer.appId);
  const otherToken = await addApp(db, 'other');
  const { group } = await addGroup(db, await viewerOf(otherToken), { name: 'other', members: [{ addresses: addresses(50) }] });
  return {
    application,
    user: await tokenOf(USER),
    member: await tokenOf(MEMBER),
    thousand,
    large,
    own,
    other: { token: otherToken, gid: String(group.gid) },
  };
}
