import { statement } from '../../db/sql.ts';
import { int4, int8, textArray } from '../../db/types.ts';
import { LastOwnerError } from '../../model/errors.ts';
import { Flag } from '../../model/flags.ts';
import { addNeeds, NO_NEEDS, needsToChange } from '../../model/may.ts';
import { hasRight, rightBit } from '../../model/rights.ts';
import type { GroupWrite } from './group-write.ts';
import type { MemberBits, MembersPlan } from './members-plan.ts';

const OTHER_OWNER = statement({
  name: 'members_other_owner',
  parameters: [int4, int8, textArray],
  columns: {},
  text: `select from members where app_id = $1 and gid = $2 and rights <> 0 and rights & ${rightBit('owner')} <> 0
    and address <> all($3::text[]) limit 1`,
});

/**
 * Checks that the user may make the changes of an edit of members. An application may do everything.
 * @param found the members that the edit names, before it
 * @throws NotAllowedError, LastOwnerError
 */
export async function checkEdit(write: GroupWrite, found: ReadonlyMap<string, MemberBits>, plan: MembersPlan): Promise<void> {
  const { actor } = write;
  if (!actor) return;
  const membersMayLeave = !(write.group.flags & Flag.NO_LEAVING);
  let needs = NO_NEEDS;
  const change = (address: string, after: MemberBits | null) => {
    needs = addNeeds(needs, needsToChange(actor, { address, before: found.get(address) ?? null, after }, membersMayLeave));
  };
  for (const member of plan.added) change(member.address, member);
  for (const member of plan.updated) change(member.address, member);
  for (const address of plan.removed) change(address, null);
  write.demand(needs);
  await keepAnOwner(write, found, plan);
}

/** No user may leave a group without an owner; what counts is the state after the whole request. */
async function keepAnOwner(write: GroupWrite, found: ReadonlyMap<string, MemberBits>, plan: MembersPlan): Promise<void> {
  const isOwner = (member: MemberBits | undefined) => hasRight(member?.rights ?? 0, 'owner');
  const named = [...plan.added, ...plan.updated];
  if (named.some(isOwner)) return;
  const lost = [...plan.updated.map(({ address }) => address), ...plan.removed].filter((address) => isOwner(found.get(address)));
  if (lost.length === 0) return;
  const others = await write.tx.query(OTHER_OWNER, [write.appId, write.gid, lost]);
  if (others.length === 0) throw new LastOwnerError();
}
