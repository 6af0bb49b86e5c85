import { revokeTokensOf } from '../access/manage-tokens.ts';
import { replaceUserToken } from '../access/op-tokens.ts';
import { countUsers, cursorAfterUser, findUids, findUserByUid, findUsers, pageUsers, type User } from '../access/users.ts';
import { requireScope, type Scope, type Viewer } from '../access/viewer.ts';
import type { Database } from '../db/client.ts';
import { addGroup, deleteGroup, editGroupMembers, setGroup } from '../groups/operations.ts';
import { cursorAfterGid, findGroup, pageGroups } from '../groups/read/groups.ts';
import { cursorAfterAddress, pageMembers } from '../groups/read/members.ts';
import { takePages } from '../groups/read/take-pages.ts';
import { deleteUser } from '../groups/write/delete-user.ts';
import { GroupNotFoundError } from '../model/errors.ts';
import { readGid } from '../model/gid.ts';
import type { Group, GroupLimits } from '../model/group.ts';
import { OpError, wrong } from './codes.ts';
import { countOf, gidOf, groupAddInput, groupEditMembersInput, groupSetInput, needed, wantedUsers } from './decode.ts';
import { groupOnWire, memberOnWire, userOnWire } from './encode.ts';
import { AFTER, GID, nameOf, readField, readFields, USER } from './fields.ts';
import type { Wire } from './wire.ts';

export interface OpContext {
  db: Database;
  viewer: Viewer;
  limits: GroupLimits;
}

/** An op: what its token is to be for, and what it does. Its answer is what goes beside `op` and `result`. */
export interface Op {
  scopes: readonly Scope[];
  run(context: OpContext, wire: Wire): Promise<object>;
}

const gidAnswer = ({ gid }: Pick<Group, 'gid'>) => ({ group: { gid } });

async function groupAdd({ db, viewer, limits }: OpContext, wire: Wire): Promise<object> {
  return gidAnswer((await addGroup(db, viewer, groupAddInput(wire), limits)).group);
}

async function groupSet({ db, viewer, limits }: OpContext, wire: Wire): Promise<object> {
  return gidAnswer((await setGroup(db, viewer, groupSetInput(wire), limits)).group);
}

async function groupDel({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  const { gid } = await deleteGroup(db, viewer, { gid: gidOf(wire) });
  return gidAnswer({ gid: Number(gid) });
}

async function groupEditMembers({ db, viewer, limits }: OpContext, wire: Wire): Promise<object> {
  return gidAnswer((await editGroupMembers(db, viewer, groupEditMembersInput(wire), limits)).group);
}

async function seenGroup({ db, viewer }: OpContext, wire: Wire): Promise<Group> {
  const gid = gidOf(wire);
  const group = await findGroup(db, viewer, readGid(gid).number);
  if (!group) throw new GroupNotFoundError(gid);
  return group;
}

async function groupGet(context: OpContext, wire: Wire): Promise<object> {
  return { group: groupOnWire(await seenGroup(context, wire)) };
}

async function groupGetMembers(context: OpContext, wire: Wire): Promise<object> {
  const count = countOf(wire);
  const after = readField(wire, AFTER);
  const { gid, memberCount } = await seenGroup(context, wire);
  const { db, viewer } = context;
  const cursor = after === undefined ? undefined : cursorAfterAddress(gid, after);
  const uids = new Map<string, number>();
  const members = await takePages(count, cursor, async (args) => {
    const page = await pageMembers(db, viewer.appId, gid, args);
    const addresses = page.items.map(({ address }) => address);
    for (const [address, uid] of await findUids(db, viewer.appId, addresses)) uids.set(address, uid);
    return page;
  });
  const rows = members.map((member) => memberOnWire(member, uids.get(member.address) ?? 0));
  return { gid, ...gidAnswer({ gid }), count: rows.length, total: memberCount, members: rows };
}

async function groupsGet({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  const gid = readField(wire, GID);
  const cursor = gid === undefined ? undefined : cursorAfterGid(gid);
  const groups = await takePages(countOf(wire), cursor, (args) => pageGroups(db, viewer, args));
  return { groups: groups.map(groupOnWire) };
}

async function appStats({ viewer }: OpContext): Promise<object> {
  return { app: { name: viewer.appName, aid: viewer.appId } };
}

/** The user that a request names by its uid, its address, or both. A uid of 0, as members without one have it, names none. */
async function namedUser({ db, viewer }: OpContext, wire: Wire): Promise<{ address: string; user?: User }> {
  const uid = readField(wire, USER.uid) || undefined;
  if (uid === undefined) return { address: needed(wire, USER.address) };
  const address = readField(wire, USER.address);
  const user = (await findUserByUid(db, viewer, uid)) ?? noUser();
  if (address !== undefined && address !== user.address) {
    throw new OpError('BADPARA', wrong(nameOf(wire, USER.uid), 'is not that of the address'));
  }
  return { address: user.address, user };
}

function noUser(): never {
  throw new OpError('BADUSER', 'This app has no such user.');
}

async function makeToken(context: OpContext, wire: Wire): Promise<object> {
  const { address } = await namedUser(context, wire);
  const minutes = readField(wire, USER.expiry);
  const { uid, secret } = await replaceUserToken(context.db, context.viewer, { address, minutes });
  return { user: { uid, address, token: secret } };
}

async function userSet(context: OpContext, wire: Wire): Promise<object> {
  const { address } = await namedUser(context, wire);
  const { remove, active } = readFields(wire, { remove: USER.remove, active: USER.active });
  if (remove || active === false) await revokeTokensOf(context.db, context.viewer, address);
  return { user: { address } };
}

async function userDel(context: OpContext, wire: Wire): Promise<object> {
  const { address } = await namedUser(context, wire);
  while ((await deleteUser(context.db, context.viewer, { address })).remaining > 0);
  return { user: { address } };
}

async function userGet(context: OpContext, wire: Wire): Promise<object> {
  const { address, user } = await namedUser(context, wire);
  const found = user ?? (await findUsers(context.db, context.viewer, [address])).get(address) ?? noUser();
  return { user: userOnWire(found) };
}

async function usersGet({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  const count = countOf(wire);
  const after = readField(wire, AFTER);
  const filter = wantedUsers(wire);
  const cursor = after === undefined ? undefined : cursorAfterUser(after);
  const users = await takePages(count, cursor, (args) => pageUsers(db, viewer, { ...args, filter }));
  const userscount = await countUsers(db, viewer, filter);
  return { users: users.map(userOnWire), count: users.length, userscount };
}

const op = (run: Op['run'], ...scopes: Scope[]): Op => ({ run, scopes });

/** Everything that the endpoint does. `message`, `otp` and the rest of the original's ops are none of a group gateway's. */
export const OPS: ReadonlyMap<string, Op> = new Map(
  Object.entries({
    groupadd: op(groupAdd, 'CREATE_GROUPS'),
    groupset: op(groupSet, 'WRITE'),
    groupdel: op(groupDel, 'WRITE'),
    groupeditmembers: op(groupEditMembers, 'WRITE'),
    groupgetmembers: op(groupGetMembers, 'READ'),
    getmembers: op(groupGetMembers, 'READ'),
    groupget: op(groupGet, 'READ'),
    groupsget: op(groupsGet, 'READ'),
    appstats: op(appStats, 'READ'),
    useradd: op(makeToken, 'TOKENS'),
    usertoken: op(makeToken, 'TOKENS'),
    userset: op(userSet, 'TOKENS'),
    userdel: op(userDel, 'TOKENS', 'WRITE'),
    userget: op(userGet, 'TOKENS'),
    usersget: op(usersGet, 'TOKENS'),
  }),
);

/** @throws NotAllowedError before anything else is looked at */
export function requireScopes(op: Op, viewer: Viewer): void {
  for (const scope of op.scopes) requireScope(viewer, scope);
}
