import { requireScope } from '../access/viewer.ts';
import { encodeGroupCursor } from '../changes/log/cursor.ts';
import { messageTypeArgument } from '../groups/input/member-input.ts';
import { type GroupPageArgs, pageGroups } from '../groups/read/groups.ts';
import { Flag, levelsOf } from '../model/flags.ts';
import { readGid } from '../model/gid.ts';
import type { Group } from '../model/group.ts';
import { invalid } from '../model/issues.ts';
import type { Page } from '../model/page.ts';
import { addressProblem } from '../model/text.ts';
import { GROUP_STATES, type GroupState, stateAt, type Validity } from '../model/validity.ts';
import { builder } from './builder.ts';
import { CallSettingsType } from './call-settings.ts';
import { connectionOf } from './connection.ts';
import type { Context, Loaders } from './context.ts';
import { forEachName } from './each.ts';
import { MemberConnection, memberPageArgs } from './member.ts';
import { type NamedLevels, namedLevels, Permissions } from './permissions.ts';
import { plainSettingFields } from './plain-settings.ts';
import { BY_MESSAGE_TYPE, GROUP_PAGE, MESSAGE_TYPES, NODE, PAGE } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { GroupRef, MemberRef, NO_PROMISE, OrderDirection } from './refs.ts';

const STATE_DESCRIPTIONS: Record<GroupState, string> = {
  SCHEDULED: 'It has not started yet.',
  ACTIVE: 'It is in force.',
  PAUSED: 'It is in force but not active: nothing may be sent.',
  EXPIRED: 'It has expired. It can still be read, edited and given a new validity.',
};

export const GroupStateType = builder.enumType('GroupState', {
  description:
    "Whether a group is in force, by the database's clock. In any state except ACTIVE nobody may send, receive, publish, subscribe or list.",
  values: forEachName(GROUP_STATES, (state) => ({ value: state, description: STATE_DESCRIPTIONS[state] })),
});

export const ValidityType = builder.objectRef<Validity>('Validity').implement({
  description: 'When a group is in force.',
  fields: (t) => ({
    startsAt: t.expose('startsAt', { type: 'DateTime', description: 'When it starts.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it expires.' }),
    extension: t.exposeInt('extension', {
      nullable: true,
      description:
        'A message that is routed less than this many seconds before the expiry moves the expiry to this many seconds and one minute after the message; null: off.',
    }),
  }),
});

async function levelsOfType(load: Loaders, gid: number, messageType: number): Promise<NamedLevels | null> {
  const levels = (await load.types.load(gid)).get(messageType);
  return levels ? namedLevels({ ...levels, pub: 2, sub: 2, list: 2 }) : null;
}

builder.node(GroupRef, {
  description: 'A group of the app. An application sees all of them, a user those that it is a member of.',
  id: { resolve: ({ gid }) => gid, parse: (text) => readGid(text).number },
  loadManyWithoutCache: (gids, { load }) => Promise.all(gids.map((gid) => load.group.load(gid))),
  fields: (t) => ({
    gid: t.exposeID('gid', { description: 'Its number as a decimal string: at least 1000, below 2⁵³, never used again.' }),
    ...plainSettingFields(t),
    state: t.field({
      type: GroupStateType,
      description: "Whether it is in force, by the database's clock when it was read.",
      resolve: (group) => stateAt(group, group.readAt),
    }),
    flags: t.exposeInt('flags', {
      description:
        'The bitmask that `permissions`, `storesMessages`, `loopsBack` and `membersMayLeave` are read from: 0x1/0x2 send, 0x10/0x20 recv, 0x100/0x200 pub, 0x1000/0x2000 sub, 0x10000/0x20000 list (selected/anyone), 0x40 not stored, 0x80 loopback, 0x40000 no leaving, 0x8 members are added automatically (kept, without effect).',
    }),
    validity: t.field({ type: ValidityType, description: 'When it is in force.', resolve: (group) => group }),
    permissions: t.field({
      type: Permissions,
      nullable: true,
      description: `Who may do what. null: there is no set of its own for that message type, so the group’s own holds. ${WEIGHS.byMessageType}`,
      args: {
        messageType: t.arg.int({ defaultValue: 0, description: "0: the group's own set; above 0: that of a message type." }),
      },
      extensions: BY_MESSAGE_TYPE,
      // What is at hand is no promise: that would cost several times as much.
      resolve: ({ gid, flags }, args, { load }) => {
        const messageType = messageTypeArgument(args.messageType);
        return messageType === 0 ? namedLevels(levelsOf(flags)) : levelsOfType(load, gid, messageType);
      },
    }),
    messageTypes: t.field({
      type: ['Int'],
      description: `The message types that have a set of their own, in ascending order; at most 1,000, unless the gateway is set otherwise. ${WEIGHS.messageTypes}`,
      extensions: MESSAGE_TYPES,
      resolve: async ({ gid }, _, { load }) => [...(await load.types.load(gid)).keys()],
    }),
    storesMessages: t.boolean({
      description: 'Whether messages are to be stored.',
      resolve: ({ flags }) => !(flags & Flag.NOT_STORED),
    }),
    loopsBack: t.boolean({
      description: 'Whether the sender gets a copy.',
      resolve: ({ flags }) => Boolean(flags & Flag.LOOPBACK),
    }),
    membersMayLeave: t.boolean({
      description: 'Whether members may remove themselves; owners always may.',
      resolve: ({ flags }) => !(flags & Flag.NO_LEAVING),
    }),
    callSettings: t.field({ type: CallSettingsType, description: 'The settings of its calls.', resolve: ({ call }) => call }),
    memberCount: t.exposeInt('memberCount', { description: 'The exact number of members.' }),
    members: t.field({
      type: MemberConnection,
      description: `Its members. ${WEIGHS.page}`,
      args: memberPageArgs,
      extensions: PAGE,
      resolve: async ({ gid }, args, { load }) => connectionOf(await load.members(gid, args), load),
    }),
    member: t.field({
      type: MemberRef,
      nullable: true,
      description: `One member; null: the address is none. ${WEIGHS.lookUp}`,
      args: { address: t.arg.string({ required: true, description: 'The address.' }) },
      extensions: NODE,
      resolve: async ({ gid }, { address }, { load }) => {
        const problem = addressProblem(address);
        if (problem) invalid(['address'], problem);
        return (await load.member.load({ gid, address })) ?? null;
      },
    }),
    viewerMember: t.field({
      type: MemberRef,
      nullable: true,
      description: `The viewer's own membership, with its permissions and rights; null: an application, which is no member. ${WEIGHS.lookUp}`,
      extensions: NODE,
      resolve: async ({ gid }, _, { viewer: { address }, load }) =>
        address === null ? null : ((await load.member.load({ gid, address })) ?? null),
    }),
    version: t.exposeInt('version', { description: 'The number of its change records, for `ifVersion`.' }),
    cursor: t.field({
      type: 'Cursor',
      description: "The position of `version` in the group's change stream.",
      resolve: (group) => encodeGroupCursor(group),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When it last changed: the time of its last change record.',
    }),
  }),
});

export const GroupConnection = builder.connectionObject(
  { type: GroupRef, name: 'GroupConnection', description: 'A page of groups.' },
  { name: 'GroupEdge', description: 'A group in a page.' },
);

const GroupFilter = builder.inputType('GroupFilter', {
  description: 'Which groups are listed: those that match every field that is given.',
  fields: (t) => ({
    nameContains: t.string({ description: `A part of the name, 3 to 100 characters, in any case. ${WEIGHS.nameContains}` }),
    member: t.string({ description: 'An address: the groups that it is a member of.' }),
    state: t.field({ type: GroupStateType, description: 'The groups in this state.' }),
  }),
});

const GroupOrderField = builder.enumType('GroupOrderField', {
  description:
    'What groups are ordered by; ties by gid. With GID and CREATED_AT paging meets every group exactly once, even while others are added and deleted.',
  values: {
    GID: { description: 'By gid.' },
    NAME: { description: `By name, by code point; groups without a name first. ${NO_PROMISE}.` },
    CREATED_AT: { description: 'By the time of their creation.' },
    UPDATED_AT: { description: `By the time of the last change. ${NO_PROMISE}.` },
    MEMBER_COUNT: { description: `By the number of members. ${NO_PROMISE}.` },
  } as const,
});

const GroupOrder = builder.inputType('GroupOrder', {
  description: 'The order of groups; by gid if left out.',
  fields: (t) => ({
    field: t.field({ type: GroupOrderField, required: true, description: 'What to order by.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'The direction.' }),
  }),
});

/** The arguments of every list of groups. */
export const groupPageArgs = builder.args((t) => ({
  ...t.connectionArgs(),
  filter: t.field({ type: GroupFilter, description: 'Which groups; all if left out.' }),
  orderBy: t.field({ type: GroupOrder, description: 'In which order; by gid if left out.' }),
}));

/** A page of groups, put into the loaders: fields of members must not read again a group that may be deleted meanwhile. */
export function groupConnection(page: Page<Group>, load: Loaders) {
  for (const group of page.items) load.group.prime(group.gid, group);
  return connectionOf(page, load);
}

export async function groupPage(args: GroupPageArgs, { db, viewer, load }: Context) {
  return groupConnection(await pageGroups(db, viewer, args), load);
}

const gidArg = { required: true, description: 'The number of the group.' } as const;

builder.queryFields((t) => ({
  group: t.field({
    type: GroupRef,
    nullable: true,
    description: `One group; null: it does not exist, or the viewer may not see it. ${WEIGHS.lookUp}`,
    args: { gid: t.arg.id(gidArg) },
    extensions: NODE,
    resolve: async (_, { gid }, { viewer, load }) => {
      requireScope(viewer, 'READ');
      return (await load.group.load(readGid(gid).number)) ?? null;
    },
  }),
  groups: t.field({
    type: GroupConnection,
    description: `The groups that the viewer sees. ${WEIGHS.page}`,
    args: groupPageArgs,
    extensions: GROUP_PAGE,
    resolve: async (_, args, context) => {
      requireScope(context.viewer, 'READ');
      return groupPage(args, context);
    },
  }),
  groupGetMembers: t.field({
    type: MemberConnection,
    nullable: true,
    description: `A group's members; null: the group does not exist, or the viewer may not see it. ${WEIGHS.page}`,
    args: { gid: t.arg.id(gidArg), ...memberPageArgs },
    extensions: PAGE,
    resolve: async (_, { gid, ...args }, { viewer, load }) => {
      requireScope(viewer, 'READ');
      const group: Group | undefined = await load.group.load(readGid(gid).number);
      return group ? connectionOf(await load.members(group.gid, args), load) : null;
    },
  }),
}));
