import type { Database } from '../../db/client.ts';
import { statement } from '../../db/sql.ts';
import { pick } from '../../db/table.ts';
import { groups } from '../../generated/tables.ts';
import { GroupNotFoundError } from '../../model/errors.ts';
import { settleDue } from './transaction.ts';

const BATCH = 200;
const DUE = pick(groups, '', ['appId', 'gid']);
const FIND = statement({
  name: 'due_find',
  parameters: [],
  columns: DUE.columns,
  text: `select app_id, gid from (
      (select app_id, gid, start_due as due from groups where start_due <= clock_timestamp() and deleted_at is null order by start_due limit ${BATCH})
      union
      (select app_id, gid, expiry_due from groups where expiry_due <= clock_timestamp() and deleted_at is null order by expiry_due limit ${BATCH})
    ) d order by due limit ${BATCH}`,
});

/**
 * Records starts and expiries of groups that nobody writes to. Every gateway does this; the group's lock lets one be first, and
 * the others find nothing due. Returns the number of groups it found.
 */
export async function sweepDue(db: Database): Promise<number> {
  const due = (await db.query(FIND)).map(DUE.decode);
  for (const { appId, gid } of due) {
    await settleDue(db, appId, gid).catch((error: unknown) => {
      if (!(error instanceof GroupNotFoundError)) throw error; // deleted meanwhile
    });
  }
  return due.length;
}
