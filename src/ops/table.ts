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
import type { Cost } from '../model/points.ts';
import { OpError, wrong } from './codes.ts';
import { countOf, gidOf, groupAddInput, groupEditMembersInput, groupSetInput, needed, wantedUsers } from './decode.ts';
import { groupOnWire, memberOnWire, userOnWire } from './encode.ts';
import { AFTER, GID, nameOf, readField, readFields, USER } from './fields.ts';
import { addressesOf, reading, writing } from './price.ts';
import type { Wire } from './wire.ts';

export interface OpContext {
  viewer: Viewer;
  /** The database, once an op of this cost may run. */
  begin(cost: Cost): Promise<Database>;
  limits: GroupLimits;
}

/** An op: what its token is to be for, and what it does. Its answer is what goes beside `op` and `result`. */
export interface Op {
  scopes: readonly Scope[];
  run(context: OpContext, wire: Wire): Promise<object>;
}

const gidAnswer = ({ gid }: Pick<Group, 'gid'>) => ({ group: { gid } });

async function groupAdd({ begin, viewer, limits }: OpContext, wire: Wire): Promise<object> {
  const input = groupAddInput(wire);
  const db = await begin(writing(addressesOf(input)));
  return gidAnswer((await addGroup(db, viewer, input, limits)).group);
}

async function groupSet({ begin, viewer, limits }: OpContext, wire: Wire): Promise<object> {
  const input = groupSetInput(wire);
  const db = await begin(writing(addressesOf(input)));
  return gidAnswer((await setGroup(db, viewer, input, limits)).group);
}

async function groupDel({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const input = { gid: gidOf(wire) };
  const { gid } = await deleteGroup(await begin(writing()), viewer, input);
  return gidAnswer({ gid: Number(gid) });
}

async function groupEditMembers({ begin, viewer, limits }: OpContext, wire: Wire): Promise<object> {
  const input = groupEditMembersInput(wire);
  const db = await begin(writing(addressesOf(input)));
  return gidAnswer((await editGroupMembers(db, viewer, input, limits)).group);
}

async function seenGroup(db: Database, viewer: Viewer, gid: string): Promise<Group> {
  const group = await findGroup(db, viewer, readGid(gid).number);
  if (!group) throw new GroupNotFoundError(gid);
  return group;
}

async function groupGet({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const wanted = gidOf(wire);
  return { group: groupOnWire(await seenGroup(await begin(reading()), viewer, wanted)) };
}

async function groupGetMembers({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const count = countOf(wire);
  const after = readField(wire, AFTER);
  const wanted = gidOf(wire);
  const db = await begin(reading(count));
  const { gid, memberCount } = await seenGroup(db, viewer, wanted);
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

async function groupsGet({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const gid = readField(wire, GID);
  const count = countOf(wire);
  const cursor = gid === undefined ? undefined : cursorAfterGid(gid);
  const db = await begin(reading(count));
  const groups = await takePages(count, cursor, (args) => pageGroups(db, viewer, args));
  return { groups: groups.map(groupOnWire) };
}

async function appStats({ begin, viewer }: OpContext): Promise<object> {
  await begin(reading());
  return { app: { name: viewer.appName, aid: viewer.appId } };
}

/** The user that a request names by its uid, its address, or both. A uid of 0, as members without one have it, names none. */
interface NamedUser {
  uid?: number;
  address?: string;
}

function userNamed(wire: Wire): NamedUser {
  const uid = readField(wire, USER.uid) || undefined;
  return uid === undefined ? { address: needed(wire, USER.address) } : { uid, address: readField(wire, USER.address) };
}

async function namedUser(
  db: Database,
  viewer: Viewer,
  wire: Wire,
  { uid, address }: NamedUser,
): Promise<{ address: string; user?: User }> {
  if (uid === undefined) return { address: address as string };
  const user = (await findUserByUid(db, viewer, uid)) ?? noUser();
  if (address !== undefined && address !== user.address) {
    throw new OpError('BADPARA', wrong(nameOf(wire, USER.uid), 'is not that of the address'));
  }
  return { address: user.address, user };
}

function noUser(): never {
  throw new OpError('BADUSER', 'This app has no such user.');
}

async function makeToken({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const named = userNamed(wire);
  const minutes = readField(wire, USER.expiry);
  const db = await begin(writing());
  const { address } = await namedUser(db, viewer, wire, named);
  const { uid, secret } = await replaceUserToken(db, viewer, { address, minutes });
  return { user: { uid, address, token: secret } };
}

async function userSet({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const named = userNamed(wire);
  const { remove, active } = readFields(wire, { remove: USER.remove, active: USER.active });
  const db = await begin(writing());
  const { address } = await namedUser(db, viewer, wire, named);
  if (remove || active === false) await revokeTokensOf(db, viewer, address);
  return { user: { address } };
}

async function userDel({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const named = userNamed(wire);
  const db = await begin(writing());
  const { address } = await namedUser(db, viewer, wire, named);
  while ((await deleteUser(db, viewer, { address })).remaining > 0);
  return { user: { address } };
}

async function userGet({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const named = userNamed(wire);
  const db = await begin(reading());
  const { address, user } = await namedUser(db, viewer, wire, named);
  const found = user ?? (await findUsers(db, viewer, [address])).get(address) ?? noUser();
  return { user: userOnWire(found) };
}

async function usersGet({ begin, viewer }: OpContext, wire: Wire): Promise<object> {
  const count = countOf(wire);
  const after = readField(wire, AFTER);
  const filter = wantedUsers(wire);
  const cursor = after === undefined ? undefined : cursorAfterUser(after);
  const db = await begin(reading(count));
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
