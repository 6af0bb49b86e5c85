import type { Viewer } from '../../access/viewer.ts';
import { recordedTypes } from '../../changes/log/recorded-types.ts';
import { recordedSettings } from '../../changes/log/records.ts';
import type { Database } from '../../db/client.ts';
import { statement } from '../../db/sql.ts';
import { date, int4, int8 } from '../../db/types.ts';
import { gidOf } from '../../model/gid.ts';
import type { Group, GroupSettings } from '../../model/group.ts';
import { changedFields } from '../../model/settings.ts';
import { stateAt } from '../../model/validity.ts';
import { findTypes } from '../read/groups.ts';
import { NO_COUNTS } from '../write/idempotency.ts';
import { writeGroup } from '../write/transaction.ts';

/** Seconds added to a group's extension, so that activity writes at most once in this time. */
const SPARE = 60;

const EXTEND = statement({
  name: 'group_extend',
  parameters: [int4, int8, date],
  columns: {},
  text: 'update groups set expires_at = $3, expiry_due = $3 where app_id = $1 and gid = $2',
});

/** The new expiry of a group with activity at `now`; undefined: no change. */
export function extendedExpiry(
  group: Pick<GroupSettings, 'active' | 'startsAt' | 'expiresAt' | 'extension'>,
  now: Date,
): Date | undefined {
  const { extension, expiresAt } = group;
  if (extension === null || stateAt(group, now) !== 'ACTIVE') return undefined;
  const due = now.getTime() + extension * 1000;
  return expiresAt.getTime() < due ? new Date(due + SPARE * 1000) : undefined;
}

/**
 * Extends the validity of a group in which a message is routed, if it has an extension and expires within it. This is a change
 * of the group, with its record, in a transaction of its own, at most once a minute.
 * @throws GroupNotFoundError
 */
export async function extendByActivity(db: Database, viewer: Viewer, group: Group): Promise<void> {
  if (!extendedExpiry(group, group.readAt)) return;
  const { gid } = group;
  await writeGroup({ db, viewer, gid: gidOf(gid) }, async (write) => {
    const { tx, appId, at } = write;
    const expiresAt = extendedExpiry(write.group, at);
    if (!expiresAt) return NO_COUNTS;
    const types = (await findTypes(tx, appId, [gid])).get(gid) ?? new Map();
    const before: GroupSettings = { ...write.group, types };
    const after: GroupSettings = { ...before, expiresAt };
    await tx.query(EXTEND, [appId, gid, expiresAt]);
    write.group = { ...write.group, expiresAt };
    const { memberCount } = write.group;
    const changed = changedFields(before, after);
    const { types: recorded } = await recordedTypes(tx, write, types, types);
    const settings = { ...recordedSettings(after), types: recorded };
    await write.record({ kind: 'GROUP_UPDATED', settings, changed, memberCount });
    return NO_COUNTS;
  });
}
