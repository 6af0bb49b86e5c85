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
import { type Context, createLoaders, loadersWithoutMembers } from './context.ts';
import { GroupAddInput, GroupDelInput, GroupEditMembersInput, GroupSetInput } from './group-inputs.ts';
import { WRITES_MEMBERS } from './price/field-price.ts';
import { GroupRef } from './refs.ts';

const TEXTS = {
  group: 'The group as it is after the operation.',
  cursor: "The position of the operation's last change in the group's change stream, or the current position if nothing changed.",
};

const GroupAddPayload = builder.objectRef<GroupChanged>('GroupAddPayload').implement({
  description: 'The group was created.',
  fields: (t) => ({
    group: t.expose('group', { type: GroupRef, description: TEXTS.group }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

const GroupSetPayload = builder.objectRef<GroupChanged>('GroupSetPayload').implement({
  description: 'The group was changed, or already was as requested.',
  fields: (t) => ({
    group: t.expose('group', { type: GroupRef, description: TEXTS.group }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

const GroupDelPayload = builder.objectRef<{ gid: string; cursor: string }>('GroupDelPayload').implement({
  description: 'The group was deleted.',
  fields: (t) => ({
    gid: t.exposeID('gid', { description: 'Its number, which is never used again.' }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

const GroupEditMembersPayload = builder.objectRef<GroupChanged & MemberCounts>('GroupEditMembersPayload').implement({
  description: 'Members were changed. With a message type the counts are of entries.',
  fields: (t) => ({
    group: t.expose('group', { type: GroupRef, description: TEXTS.group }),
    added: t.exposeInt('added', { description: 'How many were added.' }),
    updated: t.exposeInt('updated', { description: 'How many existed and changed.' }),
    removed: t.exposeInt('removed', { description: 'How many were removed.' }),
    unchanged: t.exposeInt('unchanged', { description: 'How many existed and already were as requested.' }),
    cursor: t.expose('cursor', { type: 'Cursor', description: TEXTS.cursor }),
  }),
});

/** Gives the context fresh loaders: what was read before a mutation is stale after it. */
export function withFreshLoaders(context: Context): Context {
  context.load = createLoaders(context.db, context.viewer);
  return context;
}

/** Puts the group of a payload into the loaders, so that fields of its members find it without reading it again. */
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
      'Creates a group with its first members. Needs the scope CREATE_GROUPS. A user who creates a group is its owner and first member.',
    args: { input: t.arg({ type: GroupAddInput, required: true, description: 'The new group.' }) },
    extensions: WRITES_MEMBERS,
    errors: {
      types: [InvalidInputError, GroupNotFoundError, NotAllowedError, IdempotencyConflictError],
      union: result('GroupAddResult', 'The new group'),
    },
    resolve: (_, { input }, context) => {
      const { db, viewer, limits } = withFreshLoaders(context);
      return primed(context, addGroup(db, viewer, input, limits));
    },
  }),
  groupSet: t.field({
    type: GroupSetPayload,
    description:
      "Changes a group's settings, permissions and members. Needs the scope WRITE. A user needs `modify` for settings, and for members the same rights as in groupEditMembers.",
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
      const { db, viewer, limits } = withFreshLoaders(context);
      return primed(context, setGroup(db, viewer, input, limits));
    },
  }),
  groupDel: t.field({
    type: GroupDelPayload,
    description: 'Deletes a group: from then on no read finds it. Needs the scope WRITE, and a user needs `remove`.',
    args: { input: t.arg({ type: GroupDelInput, required: true, description: 'The group.' }) },
    errors: {
      types: [InvalidInputError, GroupNotFoundError, NotAllowedError, VersionConflictError, IdempotencyConflictError],
      union: result('GroupDelResult', 'The deleted group'),
    },
    resolve: (_, { input }, context) => {
      const { db, viewer } = withFreshLoaders(context);
      return deleteGroup(db, viewer, input);
    },
  }),
  groupEditMembers: t.field({
    type: GroupEditMembersPayload,
    description:
      'Adds, changes and removes members, or their entries for a message type. Needs the scope WRITE, and a user needs the right of AdminRights for each part of the change; parts that change nothing need none. Without any right a user may leave (unless `membersMayLeave` is false and it is not an owner) and give up its own rights. A user can neither remove the last owner nor take its ownership: LastOwner. A user that leaves gets the group as it was then, without its members.',
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
      union: result('GroupEditMembersResult', 'The result of the change'),
    },
    resolve: async (_, { input }, context) => {
      const { db, viewer, limits } = withFreshLoaders(context);
      const payload = await primed(context, editGroupMembers(db, viewer, input, limits));
      if (payload.viewerLeft) context.load = loadersWithoutMembers(db, viewer);
      return payload;
    },
  }),
}));
