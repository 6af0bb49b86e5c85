import { revokeTokensOf } from '../access/manage-tokens.ts';
import { replaceUserToken } from '../access/op-tokens.ts';
import { requireScope, type Scope, type Viewer } from '../access/viewer.ts';
import type { Database } from '../db/client.ts';
import { addGroup, deleteGroup, editGroupMembers, setGroup } from '../groups/operations.ts';
import { cursorBehindGid, findGroup, pageGroups } from '../groups/read/groups.ts';
import { cursorBehindAddress, pageMembers } from '../groups/read/members.ts';
import { takePages } from '../groups/read/take-pages.ts';
import { leaveAllGroups } from '../groups/write/leave-all.ts';
import { GroupNotFoundError } from '../model/errors.ts';
import { readGid } from '../model/gid.ts';
import type { Group } from '../model/group.ts';
import { countOf, gidOf, groupAddInput, groupEditMembersInput, groupSetInput, needed } from './decode.ts';
import { groupOnWire, memberOnWire } from './encode.ts';
import { AFTER, GID, readField, readFields, USER } from './fields.ts';
import type { Wire } from './wire.ts';

export interface OpContext {
  db: Database;
  viewer: Viewer;
}

/** An op: what its token is to be for, and what it does. Its answer is what goes beside `op` and `result`. */
export interface Op {
  scopes: readonly Scope[];
  run(context: OpContext, wire: Wire): Promise<object>;
}

const gidAnswer = ({ gid }: Pick<Group, 'gid'>) => ({ group: { gid } });

async function groupAdd({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  return gidAnswer((await addGroup(db, viewer, groupAddInput(wire))).group);
}

async function groupSet({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  return gidAnswer((await setGroup(db, viewer, groupSetInput(wire))).group);
}

async function groupDel({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  const { gid } = await deleteGroup(db, viewer, { gid: gidOf(wire) });
  return gidAnswer({ gid: Number(gid) });
}

async function groupEditMembers({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  return gidAnswer((await editGroupMembers(db, viewer, groupEditMembersInput(wire))).group);
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
  const { gid } = await seenGroup(context, wire);
  const { db, viewer } = context;
  const cursor = after === undefined ? undefined : cursorBehindAddress(gid, after);
  const members = await takePages(count, cursor, (args) => pageMembers(db, viewer.appId, gid, args));
  return { ...gidAnswer({ gid }), count: members.length, members: members.map(memberOnWire) };
}

async function groupsGet({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  const gid = readField(wire, GID);
  const cursor = gid === undefined ? undefined : cursorBehindGid(gid);
  const groups = await takePages(countOf(wire), cursor, (args) => pageGroups(db, viewer, args));
  return { groups: groups.map(groupOnWire) };
}

async function appStats({ viewer }: OpContext): Promise<object> {
  return { app: { name: viewer.appName, aid: viewer.appId } };
}

async function makeToken({ db, viewer }: OpContext, wire: Wire): Promise<object> {
  const address = needed(wire, USER.address);
  const minutes = readField(wire, USER.expiry);
  const { uid, secret } = await replaceUserToken(db, viewer, { address, minutes });
  return { user: { uid, address, token: secret } };
}

async function userSet(context: OpContext, wire: Wire): Promise<object> {
  const address = needed(wire, USER.address);
  const { remove, active } = readFields(wire, { remove: USER.remove, active: USER.active });
  if (remove || active === false) await revokeTokensOf(context.db, context.viewer, address);
  return { user: { address } };
}

async function userDel(context: OpContext, wire: Wire): Promise<object> {
  const address = needed(wire, USER.address);
  await revokeTokensOf(context.db, context.viewer, address);
  await leaveAllGroups(context.db, context.viewer, address);
  return { user: { address } };
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
  }),
);

/** @throws NotAllowedError before anything else is looked at */
export function requireScopes(op: Op, viewer: Viewer): void {
  for (const scope of op.scopes) requireScope(viewer, scope);
}
