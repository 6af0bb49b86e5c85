import { requireScope, type Viewer } from '../../access/viewer.ts';
import type { Database } from '../../db/client.ts';
import { GroupNotFoundError } from '../../model/errors.ts';
import { MAX_PAGE } from '../../model/page.ts';
import { editGroupMembers } from '../operations.ts';
import { pageGroups } from '../read/groups.ts';

/**
 * Removes an address from every group of the app, in the order of gids, each in a transaction of its own: repeated after a
 * failure, it continues with the remaining groups.
 * @throws NotAllowedError (WRITE), InvalidInputError
 */
export async function leaveAllGroups(db: Database, viewer: Viewer, address: string): Promise<void> {
  requireScope(viewer, 'WRITE');
  for (let after: string | undefined; ; ) {
    const page = await pageGroups(db, viewer, { first: MAX_PAGE, after, filter: { member: address } });
    for (const { gid } of page.items) {
      await editGroupMembers(db, viewer, { gid: String(gid), remove: [address] }).catch((error: unknown) => {
        if (!(error instanceof GroupNotFoundError)) throw error; // deleted in between
      });
    }
    const last = page.items.at(-1);
    if (!last || page.items.length < MAX_PAGE) return;
    after = page.cursorOf(last);
  }
}
