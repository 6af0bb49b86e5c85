import { revokeTokensOf } from '../../access/manage-tokens.ts';
import { requireScope, requireTokens, type Viewer } from '../../access/viewer.ts';
import type { Database } from '../../db/client.ts';
import { type Sql, statement } from '../../db/sql.ts';
import { int4, int8, text } from '../../db/types.ts';
import { GroupNotFoundError } from '../../model/errors.ts';
import { Issues } from '../../model/issues.ts';
import { MAX_PAGE } from '../../model/page.ts';
import { editGroupMembers } from '../operations.ts';
import { pageGroups } from '../read/groups.ts';

/** What deleting a user did, and what it left to another call. */
export interface DeletedUser {
  address: string;
  /** How many of its tokens still held. */
  revoked: number;
  /** How many groups it was taken out of. */
  left: number;
  /** How many groups it is still in. */
  remaining: number;
}

/** The most groups that one call takes a user out of. */
const MAX_LEFT = 10_000;

const COUNT = statement({
  name: 'groups_count_of_member',
  parameters: [int4, text],
  columns: { count: int8 },
  text: `select count(*) from members m join groups g on g.app_id = m.app_id and g.gid = m.gid
    where m.app_id = $1 and m.address = $2 and g.deleted_at is null`,
});

/**
 * Revokes an address's tokens, then takes it out of the groups of the app, in the order of gids, each in a transaction of its
 * own with its record. Begun again after a failure, or where groups remain, it goes on with those that are left.
 * @throws NotAllowedError (TOKENS, WRITE, or "application" for a user), InvalidInputError
 */
export async function deleteUser(
  db: Database,
  viewer: Viewer,
  { address }: { address: string },
  most = MAX_LEFT,
): Promise<DeletedUser> {
  requireTokens(viewer);
  requireScope(viewer, 'WRITE');
  const issues = new Issues();
  issues.address(address, ['input', 'address']);
  issues.settle();
  const { revoked } = await revokeTokensOf(db, viewer, address);
  let left = 0;
  for (let after: string | undefined, tried = 0; ; ) {
    const first = Math.min(MAX_PAGE, most - tried);
    if (first === 0) return { address, revoked, left, remaining: await countGroups(db, viewer, address) };
    const page = await pageGroups(db, viewer, { first, after, filter: { member: address } });
    for (const { gid } of page.items) left += await leave(db, viewer, gid, address);
    tried += page.items.length;
    const last = page.items.at(-1);
    if (!last || page.items.length < first) return { address, revoked, left, remaining: 0 };
    after = page.cursorOf(last);
  }
}

/** 1, or 0 where the group, or the membership, went in between. */
async function leave(db: Database, viewer: Viewer, gid: number, address: string): Promise<number> {
  try {
    return (await editGroupMembers(db, viewer, { gid: String(gid), remove: [address] })).removed;
  } catch (error) {
    if (error instanceof GroupNotFoundError) return 0;
    throw error;
  }
}

async function countGroups(sql: Sql, { appId }: Viewer, address: string): Promise<number> {
  const [row] = await sql.query(COUNT, [appId, address]);
  return row?.count ?? 0;
}
