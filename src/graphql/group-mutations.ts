import { addGroup, deleteGroup, editGroupMembers, type GroupChanged, setGroup } from '../groups/operations.ts';
import type { MemberCounts } from '../groups/write/idempotency.ts';
import {
  GroupNotFoundError,
  IdempotencyConflictError,
  InvalidInputError,
  LastOwnerError,
  NotAllowedError,
  NotAMemberError,
  VersionConflictError,
} from '../model/errors.ts';
import { builder } from './builder.ts';
import { type Context, createLoaders, seeNoMembers } from './context.ts';
import { GroupAddInput, GroupDelInput, GroupEditMembersInput, GroupSetInput } from './group-inputs.ts';
import { WRITES_MEMBERS } from './price/field-price.ts';
import { GroupRef } from './refs.ts';

const TEXTS = {
  group: 'The group as it is after the operation.',
  cursor: "The position of the operation's last change in the group's change stream, or the present one where nothing changed.",
};

const GroupAddPayload = builder.objectRef<GroupChanged>('GroupAddPayload').implement({
  description: 'A group was made.',
  fields: (t) => ({
    group: t.expose('group', { type: GroupRef, description: TEXTS.group }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

const GroupSetPayload = builder.objectRef<GroupChanged>('GroupSetPayload').implement({
  description: 'A group was changed, or was as wanted already.',
  fields: (t) => ({
    group: t.expose('group', { type: GroupRef, description: TEXTS.group }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

const GroupDelPayload = builder.objectRef<{ gid: string; cursor: string }>('GroupDelPayload').implement({
  description: 'A group was deleted.',
  fields: (t) => ({
    gid: t.exposeID('gid', { description: 'Its number, which is never used again.' }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

const GroupEditMembersPayload = builder.objectRef<GroupChanged & MemberCounts>('GroupEditMembersPayload').implement({
  description: 'Members were changed. With a message type the counts count entries.',
  fields: (t) => ({
    group: t.expose('group', { type: GroupRef, description: TEXTS.group }),
    added: t.exposeInt('added', { description: 'How many are new.' }),
    updated: t.exposeInt('updated', { description: 'How many were there and changed.' }),
    removed: t.exposeInt('removed', { description: 'How many were there and are gone.' }),
    unchanged: t.exposeInt('unchanged', { description: 'How many were there and are as wanted already.' }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

/** The viewer, with fresh loaders: what was read before a mutation is stale after it. */
export function beginning(context: Context): Context {
  context.load = createLoaders(context.db, context.viewer);
  return context;
}

/** What the payload selects of the group's members finds the group that the operation left, without another reading. */
async function primed<Payload extends GroupChanged>({ load }: Context, written: Promise<Payload>): Promise<Payload> {
  const payload = await written;
  load.group.prime(payload.group.gid, payload.group);
  return payload;
}

export const result = (name: string, description: string) => ({ name, description: `${description}, or why not.` });

builder.mutationFields((t) => ({
  groupAdd: t.field({
    type: GroupAddPayload,
    description:
      'Makes a group, with its first members. Needs the scope CREATE_GROUPS. A user who makes a group is its owner and first member.',
    args: { input: t.arg({ type: GroupAddInput, required: true, description: 'The new group.' }) },
    extensions: WRITES_MEMBERS,
    errors: {
      types: [InvalidInputError, GroupNotFoundError, NotAllowedError, IdempotencyConflictError],
      union: result('GroupAddResult', 'The new group'),
    },
    resolve: (_, { input }, context) => {
      const { db, viewer } = beginning(context);
      return primed(context, addGroup(db, viewer, input));
    },
  }),
  groupSet: t.field({
    type: GroupSetPayload,
    description:
      "Changes a group's settings, permissions and members. Needs the scope WRITE, and of a user `modify` for settings; for members as groupEditMembers.",
    args: { input: t.arg({ type: GroupSetInput, required: true, description: 'The changes.' }) },
    extensions: WRITES_MEMBERS,
    errors: {
      types: [
        InvalidInputError,
        GroupNotFoundError,
        NotAllowedError,
        NotAMemberError,
        LastOwnerError,
        VersionConflictError,
        IdempotencyConflictError,
      ],
      union: result('GroupSetResult', 'The changed group'),
    },
    resolve: (_, { input }, context) => {
      const { db, viewer } = beginning(context);
      return primed(context, setGroup(db, viewer, input));
    },
  }),
  groupDel: t.field({
    type: GroupDelPayload,
    description: 'Deletes a group: it vanishes from every read at once. Needs the scope WRITE, and of a user `remove`.',
    args: { input: t.arg({ type: GroupDelInput, required: true, description: 'The group.' }) },
    errors: {
      types: [InvalidInputError, GroupNotFoundError, NotAllowedError, VersionConflictError, IdempotencyConflictError],
      union: result('GroupDelResult', 'The deleted group'),
    },
    resolve: (_, { input }, context) => {
      const { db, viewer } = beginning(context);
      return deleteGroup(db, viewer, input);
    },
  }),
  groupEditMembers: t.field({
    type: GroupEditMembersPayload,
    description:
      'Adds, changes and removes members, or their entries for a message type. Needs the scope WRITE, and of a user every right of AdminRights that a part of it calls for; what leaves things as they are needs none. On itself a user may, without any right, leave (unless `membersMayLeave` is false and it is no owner) and give up rights. The last owner neither leaves nor loses ownership by the hand of a user: LastOwner. Who leaves gets the group as it was then, without its members.',
    args: { input: t.arg({ type: GroupEditMembersInput, required: true, description: 'The changes.' }) },
    extensions: WRITES_MEMBERS,
    errors: {
      types: [
        InvalidInputError,
        GroupNotFoundError,
        NotAllowedError,
        NotAMemberError,
        LastOwnerError,
        VersionConflictError,
        IdempotencyConflictError,
      ],
      union: result('GroupEditMembersResult', 'What came of the members'),
    },
    resolve: async (_, { input }, context) => {
      const { db, viewer } = beginning(context);
      const payload = await primed(context, editGroupMembers(db, viewer, input));
      if (payload.viewerLeft) context.load = seeNoMembers(db, viewer);
      return payload;
    },
  }),
}));
