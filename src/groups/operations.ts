import { tokenHolds } from '../access/token-rows.ts';
import { requireScope, type Viewer } from '../access/viewer.ts';
import { encodeGroupCursor } from '../changes/log/cursor.ts';
import { SETTINGS_COLUMNS, SETTINGS_TYPES, settingsValues } from '../changes/log/group-row.ts';
import { recordedTypes } from '../changes/log/recorded-types.ts';
import { recordedSettings } from '../changes/log/records.ts';
import type { Database } from '../db/client.ts';
import { statement, type Tx } from '../db/sql.ts';
import { bool, date, int2, int4, int8, text, uuid } from '../db/types.ts';
import { gatewayState, groups } from '../generated/tables.ts';
import { GroupNotFoundError, UnauthenticatedError } from '../model/errors.ts';
import { readGid } from '../model/gid.ts';
import { GROUP_LIMITS, type Group, type GroupLimits, type GroupSettings } from '../model/group.ts';
import { Issues, MAX_INT, type Path } from '../model/issues.ts';
import { couldNeed, NEEDS_MODIFY, NEEDS_REMOVE } from '../model/may.ts';
import { ALL_RIGHTS } from '../model/rights.ts';
import { changedFields, changedSettings, givesSettings, newSettings, type SettingsInput } from '../model/settings.ts';
import { withCreator } from './input/creator.ts';
import { checkMembersEdit, type MembersEdit, type MembersInput, messageTypeOf } from './input/member-input.ts';
import {
  CLEARABLE,
  checkSettings,
  type GivenMembers,
  type GroupAddInput,
  type GroupDelInput,
  type GroupEditMembersInput,
  type GroupSetInput,
} from './input/operation-input.ts';
import { findGroup, findTypes } from './read/groups.ts';
import { editMembers } from './write/edit-members.ts';
import { editTypeEntries, tooManyTypes } from './write/edit-type-entries.ts';
import { GroupWrite } from './write/group-write.ts';
import { firstOutcome, idempotentRequest, keepOutcome, type MemberCounts, NO_COUNTS } from './write/idempotency.ts';
import { membersNotNamed } from './write/replace-members.ts';
import { type WriteRequest, type WriteResult, writeGroup } from './write/transaction.ts';

/** A group after a write, and the position of that write in its change stream. */
export interface GroupChanged {
  group: Group;
  cursor: string;
}

const INPUT: Path = ['input'];

const OPEN = statement({
  name: 'group_open',
  parameters: [int4, uuid],
  columns: {
    gid: groups.gid[1],
    generation: gatewayState.generation[1],
    at: date,
    pg_advisory_xact_lock: text,
    token_holds: bool,
  },
  text: `with id as materialized (select nextval('groups_gid_seq') as gid)
    select id.gid, s.generation, date_trunc('milliseconds', clock_timestamp()) as at, pg_advisory_xact_lock(id.gid)::text,
      ${tokenHolds('$1', '$2::uuid')} as token_holds
    from id, gateway_state s`,
});
const parameters = (from: number) => SETTINGS_COLUMNS.map((_, index) => `$${from + index}`).join(', ');
const INSERT = statement({
  name: 'group_insert',
  parameters: [int4, int8, int4, date, ...SETTINGS_TYPES],
  columns: {},
  text: `insert into groups (app_id, gid, generation, created_at, updated_at, xid, ${SETTINGS_COLUMNS.join(', ')})
    values ($1, $2, $3, $4, $4, pg_current_xact_id()::text::bigint, ${parameters(5)})`,
});
const UPDATE = statement({
  name: 'group_update',
  parameters: [int4, int8, ...SETTINGS_TYPES],
  columns: {},
  text: `update groups set (${SETTINGS_COLUMNS.join(', ')}) = (${parameters(3)}) where app_id = $1 and gid = $2`,
});
const PUT_TYPE = statement({
  name: 'group_type_put',
  parameters: [int4, int8, int4, int2, int2],
  columns: {},
  text: `insert into group_types (app_id, gid, message_type, send, recv) values ($1, $2, $3, $4, $5)
    on conflict (app_id, gid, message_type) do update set send = excluded.send, recv = excluded.recv`,
});
const DROP_TYPE = statement({
  name: 'group_type_drop',
  parameters: [int4, int8, int4],
  columns: {},
  text: 'delete from group_types where app_id = $1 and gid = $2 and message_type = $3',
});
const BURY = statement({
  name: 'group_bury',
  parameters: [int4, int8, date, int4],
  columns: {},
  text: `update groups set deleted_at = $3, start_due = null, expiry_due = null,
      ended_xid = pg_current_xact_id()::text::bigint, ended_generation = $4
    where app_id = $1 and gid = $2`,
});

/**
 * Creates a group with its first members. A user who creates it is its owner and first member.
 * @throws NotAllowedError (CREATE_GROUPS), InvalidInputError, IdempotencyConflictError; GroupNotFoundError when the request is a
 * repetition and its group is gone
 */
export async function addGroup(db: Database, viewer: Viewer, input: GroupAddInput, limits = GROUP_LIMITS): Promise<GroupChanged> {
  requireScope(viewer, 'CREATE_GROUPS');
  const issues = new Issues();
  issues.noNulls(input, INPUT, CLEARABLE);
  issues.idempotencyKey(input.idempotencyKey, [...INPUT, 'idempotencyKey']);
  const messageType = messageTypeOf(issues, input.messageType, [...INPUT, 'messageType']);
  const settings = checkSettings(issues, input, messageType, INPUT);
  const given = membersEdit({ messageType, add: input.members, addPath: [...INPUT, 'members'] });
  checkMembersEdit(issues, given, []);
  const edit = withCreator(issues, viewer, given);
  issues.settle();

  const request = idempotency(viewer, 'groupAdd', input);
  const create = async (tx: Tx): Promise<WriteResult> => {
    const first = request && (await firstOutcome(tx, request));
    if (first) return first;
    const write = await openGroup(tx, viewer, settings, messageType);
    const counts = await applyEdit(write, edit, limits);
    await write.flush();
    const { gid, version, mark } = write.group;
    const outcome = { ...counts, position: { gid, version, mark } };
    if (request) await keepOutcome(tx, request, outcome);
    return { ...outcome, group: write.group };
  };
  const queue = JSON.stringify(['groupAdd', viewer.appId, viewer.address, request?.key]);
  const result = await (request ? db.exclusive(queue, create) : db.transaction(create));
  return changedGroup(db, viewer, result);
}

async function openGroup(tx: Tx, viewer: Viewer, input: SettingsInput, messageType: number): Promise<GroupWrite> {
  const [opened] = await tx.query(OPEN, [viewer.appId, viewer.token.id]);
  if (!opened) throw new Error('The database has no gateway_state row');
  if (!opened.token_holds) throw new UnauthenticatedError();
  const { gid, generation, at } = opened;
  const settings = newSettings(input, messageType, at);
  await tx.query(INSERT, [viewer.appId, gid, generation, at, ...settingsValues(settings, at)]);
  const { types, ...own } = settings;
  for (const [type, { send, recv }] of types) await tx.query(PUT_TYPE, [viewer.appId, gid, type, send, recv]);
  const group: Group = { gid, ...own, memberCount: 0, version: 0, mark: 0, createdAt: at, updatedAt: at, readAt: at };
  const head = { appId: viewer.appId, gid, generation, actor: viewer.address, at, version: 0, mark: 0, memberCount: 0, joins: 0 };
  const creator = viewer.address === null ? null : { address: viewer.address, rights: ALL_RIGHTS };
  const write = new GroupWrite(tx, group, head, creator);
  await write.record({ kind: 'GROUP_ADDED', settings: recordedSettings({ ...own, types }), memberCount: 0 });
  return write;
}

/**
 * Changes a group's settings and members; what is not given stays.
 * @throws NotAllowedError (WRITE, or a right that the user lacks), InvalidInputError, GroupNotFoundError,
 * VersionConflictError, IdempotencyConflictError, NotAMemberError (an entry for a message type needs a membership),
 * LastOwnerError (for a user)
 */
export async function setGroup(db: Database, viewer: Viewer, input: GroupSetInput, limits = GROUP_LIMITS): Promise<GroupChanged> {
  requireScope(viewer, 'WRITE');
  const issues = checkTarget(input, CLEARABLE);
  const messageType = messageTypeOf(issues, input.messageType, [...INPUT, 'messageType']);
  const settings = checkSettings(issues, input, messageType, INPUT);
  const edit: MembersEdit = {
    ...membersEdit({ messageType, add: input.members, addPath: [...INPUT, 'members'], remove: input.remove }),
    replace: input.replaceMembers,
  };
  checkMembersEdit(issues, edit, [...INPUT, 'remove']);
  issues.settle();
  const could = couldNeed({ ...partsOf(edit), settings: givesSettings(settings) });
  const result = await writeGroup(writeRequest(db, viewer, 'groupSet', input, could), async (write) => {
    await changeSettings(write, settings, messageType, limits);
    return applyEdit(write, edit, limits);
  });
  return changedGroup(db, viewer, result);
}

async function changeSettings(
  write: GroupWrite,
  input: SettingsInput,
  messageType: number,
  { maxMessageTypes }: GroupLimits,
): Promise<void> {
  const { tx, appId, gid, at } = write;
  const types = (await findTypes(tx, appId, [gid])).get(gid) ?? new Map();
  const before: GroupSettings = { ...write.group, types };
  const after = changedSettings(before, input, messageType, at);
  const fields = changedFields(before, after);
  if (fields.length === 0) return;
  write.demand(NEEDS_MODIFY);
  const { types: newTypes, ...own } = after;
  // One that has more, from before there was a limit, or from when it was higher, may change them and drop them.
  if (newTypes.size > Math.max(types.size, maxMessageTypes)) tooManyTypes(maxMessageTypes, 'a set of their own');
  write.begin();
  await tx.query(UPDATE, [appId, gid, ...settingsValues(own, at)]);
  const [oldLevels, levels] = [types.get(messageType), newTypes.get(messageType)];
  if (levels && levels !== oldLevels) await tx.query(PUT_TYPE, [appId, gid, messageType, levels.send, levels.recv]);
  if (oldLevels && !levels) await tx.query(DROP_TYPE, [appId, gid, messageType]);
  write.group = { ...write.group, ...own };
  const { memberCount } = write.group;
  const { sets, types: recorded } = await recordedTypes(tx, write, types, newTypes);
  const recordedAfter = { ...recordedSettings(after), types: recorded };
  await write.record({ kind: 'GROUP_UPDATED', settings: recordedAfter, changed: fields, sets, memberCount });
}

/**
 * Deletes a group. No read finds it from then on.
 * @throws NotAllowedError (WRITE, or a user without `remove`), InvalidInputError, GroupNotFoundError,
 * VersionConflictError, IdempotencyConflictError
 */
export async function deleteGroup(db: Database, viewer: Viewer, input: GroupDelInput): Promise<{ gid: string; cursor: string }> {
  requireScope(viewer, 'WRITE');
  checkTarget(input).settle();
  const result = await writeGroup(writeRequest(db, viewer, 'groupDel', input, NEEDS_REMOVE.acts), async (write) => {
    write.demand(NEEDS_REMOVE);
    write.begin();
    await write.tx.query(BURY, [write.appId, write.gid, write.at, write.head.generation]);
    await write.record({ kind: 'GROUP_DELETED', memberCount: write.group.memberCount });
    return NO_COUNTS;
  });
  return { gid: input.gid, cursor: encodeGroupCursor(result.position) };
}

/**
 * Adds, changes and removes members, or their entries for one message type: all of it or none. `viewerLeft`: the user who
 * asked is no longer a member.
 * @throws NotAllowedError (WRITE, or a right that the user lacks), InvalidInputError, GroupNotFoundError,
 * VersionConflictError, IdempotencyConflictError, NotAMemberError, LastOwnerError (for a user)
 */
export async function editGroupMembers(
  db: Database,
  viewer: Viewer,
  input: GroupEditMembersInput,
  limits = GROUP_LIMITS,
): Promise<GroupChanged & MemberCounts & { viewerLeft: boolean }> {
  requireScope(viewer, 'WRITE');
  const issues = checkTarget(input, ['messageType']);
  const edit = membersEdit({
    messageType: messageTypeOf(issues, input.messageType, [...INPUT, 'messageType']),
    add: input.add,
    addPath: [...INPUT, 'add'],
    update: input.update,
    remove: input.remove,
  });
  checkMembersEdit(issues, edit, [...INPUT, 'remove']);
  issues.settle();
  const could = couldNeed({ ...partsOf(edit), settings: false });
  const request = writeRequest(db, viewer, 'groupEditMembers', input, could);
  const result = await writeGroup(request, (write) => applyEdit(write, edit, limits));
  const { added, updated, removed, unchanged } = result;
  // A repetition returns the group as it is now, in which the user may be a member again.
  const viewerLeft =
    result.group !== undefined && edit.messageType === 0 && viewer.address !== null && edit.remove.includes(viewer.address);
  return { ...(await changedGroup(db, viewer, result)), added, updated, removed, unchanged, viewerLeft };
}

async function applyEdit(write: GroupWrite, given: MembersEdit, limits: GroupLimits): Promise<MemberCounts> {
  const edit = given.replace ? { ...given, remove: await membersNotNamed(write, given) } : given;
  return edit.messageType > 0 ? editTypeEntries(write, edit, limits) : editMembers(write, edit);
}

function membersEdit(given: {
  messageType?: number;
  add?: readonly GivenMembers[] | null | undefined;
  addPath: Path;
  update?: readonly GivenMembers[] | null | undefined;
  remove?: readonly string[] | null | undefined;
}): MembersEdit {
  return {
    messageType: given.messageType ?? 0,
    add: (given.add ?? []) as readonly MembersInput[],
    update: (given.update ?? []) as readonly MembersInput[],
    remove: given.remove ?? [],
    addPath: given.addPath,
    updatePath: [...INPUT, 'update'],
  };
}

function partsOf({ add, update, remove, replace }: MembersEdit) {
  return { adds: add.length > 0, updates: update.length > 0, removes: remove.length > 0 || replace === true };
}

/** Checks what all writes to an existing group have. A malformed gid is not an issue: it is answered like an unknown one. */
function checkTarget(input: GroupDelInput, mayBeNull: readonly string[] = []): Issues {
  const issues = new Issues();
  issues.noNulls(input, INPUT, mayBeNull);
  issues.range(input.ifVersion, 0, MAX_INT, [...INPUT, 'ifVersion']);
  issues.idempotencyKey(input.idempotencyKey, [...INPUT, 'idempotencyKey']);
  return issues;
}

function idempotency(viewer: Viewer, operation: string, input: { idempotencyKey?: string | null }) {
  return input.idempotencyKey == null ? undefined : idempotentRequest(viewer, operation, input.idempotencyKey, input);
}

function writeRequest(db: Database, viewer: Viewer, operation: string, input: GroupDelInput, could: number): WriteRequest {
  return {
    db,
    viewer,
    gid: readGid(input.gid),
    idempotency: idempotency(viewer, operation, input),
    ifVersion: input.ifVersion ?? undefined,
    could,
  };
}

/** The payload; a repetition gets the group as it is now. */
async function changedGroup(db: Database, viewer: Viewer, result: WriteResult): Promise<GroupChanged> {
  const { gid } = result.position;
  const group = result.group ?? (await findGroup(db, viewer, gid));
  if (!group) throw new GroupNotFoundError(gid);
  return { group, cursor: encodeGroupCursor(result.position) };
}
