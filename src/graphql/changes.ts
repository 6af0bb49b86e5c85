import { typesIn } from '../changes/log/recorded-types.ts';
import {
  CHANGE_KINDS,
  type ChangeKind,
  MEMBERS_A_RECORD,
  type RecordedMember,
  type RecordedSettings,
  type RecordedType,
} from '../changes/log/records.ts';
import type { ChangeEvent } from '../changes/streams/events.ts';
import { messageTypeArgument } from '../groups/input/member-input.ts';
import { GroupNotFoundError } from '../model/errors.ts';
import { Flag, levelsOf } from '../model/flags.ts';
import { entryPermissions, permissionsOf } from '../model/member-permissions.ts';
import { rightsOf } from '../model/rights.ts';
import { builder } from './builder.ts';
import { CallSettingsType } from './call-settings.ts';
import { forEachName } from './each.ts';
import { ValidityType } from './group.ts';
import { AdminRights, MemberPermissionsType, type NamedLevels, namedLevels, Permissions } from './permissions.ts';
import { plainSettingFields } from './plain-settings.ts';
import { BY_MESSAGE_TYPE, LOADED, MESSAGE_TYPES, priced, RIGHTS_OF_MEMBER } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { GroupRef } from './refs.ts';

type RecordOfKind<Kind extends ChangeKind> = Extract<Extract<ChangeEvent, { type: 'change' }>['record'], { kind: Kind }>;

const KIND_DESCRIPTIONS: Record<ChangeKind, string> = {
  GROUP_ADDED: 'The group was created.',
  GROUP_UPDATED: "The group's settings changed.",
  GROUP_DELETED: 'The group was deleted.',
  GROUP_STARTED: 'The group started.',
  GROUP_EXPIRED: 'The group expired.',
  MEMBERS_ADDED: 'Members joined.',
  MEMBERS_UPDATED: 'Permissions, rights or entries of members changed.',
  MEMBERS_REMOVED: 'Members left.',
};

export const GroupChangeKindType = builder.enumType('GroupChangeKind', {
  description: 'The kinds of change records.',
  values: forEachName(Object.keys(CHANGE_KINDS) as ChangeKind[], (kind) => ({
    value: kind,
    description: KIND_DESCRIPTIONS[kind],
  })),
});

function levelsOfType(types: readonly RecordedType[], messageType: number): NamedLevels | null {
  const [, send, recv] = types.find(([type]) => type === messageType) ?? [];
  if (send === undefined || recv === undefined) return null;
  return namedLevels({ send: send as 0, recv: recv as 0, pub: 2, sub: 2, list: 2 });
}

export const GroupSettingsType = builder.objectRef<RecordedSettings>('GroupSettings').implement({
  description: "A group's settings as they were at that version.",
  fields: (t) => ({
    ...plainSettingFields(t),
    flags: t.exposeInt('flags', { description: 'The bitmask, as in Group.flags.' }),
    validity: t.field({
      type: ValidityType,
      description: 'When the group was to be in force.',
      resolve: ({ startsAt, expiresAt, extension }) => ({
        startsAt: new Date(startsAt),
        expiresAt: new Date(expiresAt),
        extension,
      }),
    }),
    permissions: t.field({
      type: Permissions,
      nullable: true,
      description: `Who might do what. null: there was no set of its own for that message type. ${WEIGHS.byMessageType}`,
      extensions: BY_MESSAGE_TYPE,
      args: {
        messageType: t.arg.int({ defaultValue: 0, description: "0: the group's own set; above 0: that of a message type." }),
      },
      // What is at hand is no promise: that would cost several times as much.
      resolve: (settings, args, { load }) => {
        const messageType = messageTypeArgument(args.messageType);
        if (messageType === 0) return namedLevels(levelsOf(settings.flags));
        const types = typesIn(settings, (key) => load.typesAt.load(key));
        return types instanceof Promise
          ? types.then((found) => levelsOfType(found, messageType))
          : levelsOfType(types, messageType);
      },
    }),
    messageTypes: t.field({
      type: ['Int'],
      description: `The message types that had a set of their own, in ascending order; at most 1,000, unless the gateway is set otherwise. ${WEIGHS.messageTypes}`,
      extensions: MESSAGE_TYPES,
      resolve: async (settings, _, { load }) => (await typesIn(settings, (key) => load.typesAt.load(key))).map(([type]) => type),
    }),
    storesMessages: t.boolean({
      description: 'Whether messages were to be stored.',
      resolve: ({ flags }) => !(flags & Flag.NOT_STORED),
    }),
    loopsBack: t.boolean({
      description: 'Whether the sender got a copy.',
      resolve: ({ flags }) => Boolean(flags & Flag.LOOPBACK),
    }),
    membersMayLeave: t.boolean({
      description: 'Whether members might remove themselves.',
      resolve: ({ flags }) => !(flags & Flag.NO_LEAVING),
    }),
    callSettings: t.field({ type: CallSettingsType, description: 'The settings of its calls.', resolve: ({ call }) => call }),
  }),
});

export const ChangedMember = builder.objectRef<RecordedMember>('ChangedMember').implement({
  description: 'A member, or its entry for a message type, as it was at that version. For members that left see MembersRemoved.',
  fields: (t) => ({
    address: t.string({ description: 'The address.', resolve: ([address]) => address }),
    messageType: t.int({
      description: '0: the member itself; above 0: its entry for that message type.',
      resolve: ([, type]) => type,
    }),
    present: t.boolean({ description: 'false: the entry was removed.', resolve: ([, , present]) => present }),
    permissions: t.field({
      type: MemberPermissionsType,
      description: 'Its own permissions, or those of the entry, of which only `send` and `recv` have a meaning.',
      resolve: ([, type, , bits]) => (type === 0 ? permissionsOf(bits) : entryPermissions(0, bits)),
    }),
    admin: t.field({
      type: AdminRights,
      description: `What it may do to the group. ${WEIGHS.rights}`,
      extensions: RIGHTS_OF_MEMBER,
      resolve: ([, , , , rights]) => rightsOf(rights),
    }),
  }),
});

const TYPE_NAMES: Record<ChangeKind, string> = {
  GROUP_ADDED: 'GroupAdded',
  GROUP_UPDATED: 'GroupUpdated',
  GROUP_DELETED: 'GroupDeleted',
  GROUP_STARTED: 'GroupStarted',
  GROUP_EXPIRED: 'GroupExpired',
  MEMBERS_ADDED: 'MembersAdded',
  MEMBERS_UPDATED: 'MembersUpdated',
  MEMBERS_REMOVED: 'MembersRemoved',
};

function typeNameOf(event: ChangeEvent): string {
  if (event.type === 'change') return TYPE_NAMES[event.record.kind];
  return { snapshot: 'GroupSnapshot', ready: 'Ready', checkpoint: 'Checkpoint' }[event.type];
}

/** The most that a record has, and a part of a snapshot. */
const MEMBERS = priced({ items: MEMBERS_A_RECORD, usually: 10, nodes: true });
/** The names of what changed: every field of GroupSettings, and those of one message type. */
const CHANGED = priced({ items: 50 });

const eventGid = (event: ChangeEvent) => (event.type === 'change' ? event.record.gid : event.gid);
const eventVersion = (event: ChangeEvent) => (event.type === 'change' ? event.record.version : event.version);
const TEXTS = {
  gid: 'The number of the group.',
  version: "The number of the record in the group's log.",
  due: 'When it was due; the record may be a little later.',
  group: `The group as it is now; null for whom may not see it now. ${WEIGHS.loaded}`,
  memberCount: 'How many members the group had after this record.',
  settings: 'The settings as they were at that version.',
};

export const GroupChange = builder.interfaceRef<ChangeEvent>('GroupChange').implement({
  description: 'An event in a stream of changes.',
  resolveType: typeNameOf,
  fields: (t) => ({
    cursor: t.expose('cursor', {
      type: 'Cursor',
      description:
        'The position after this event: a stream that continues from here delivers every later event once and in order.',
    }),
    gid: t.id({ nullable: true, description: `${TEXTS.gid} null on Ready and Checkpoint of appChanges.`, resolve: eventGid }),
    version: t.int({
      nullable: true,
      description: `${TEXTS.version} null on Ready and Checkpoint of appChanges.`,
      resolve: eventVersion,
    }),
    at: t.field({
      type: 'DateTime',
      description: "When it happened, by the database's clock.",
      resolve: (event) => (event.type === 'change' ? event.record.at : event.at),
    }),
    actor: t.string({
      nullable: true,
      description: 'The user who made the change; null: the application, or the gateway itself.',
      resolve: (event) => (event.type === 'change' ? event.record.actor : null),
    }),
  }),
});

/** A type for the events of one kind, whose gid and version are never null. */
function changeType<Kind extends ChangeKind>(kind: Kind, description: string) {
  return builder.objectRef<ChangeEvent>(TYPE_NAMES[kind]).implement({
    description,
    interfaces: [GroupChange],
    isTypeOf: (event) => typeNameOf(event as ChangeEvent) === TYPE_NAMES[kind],
    fields: (t) => ({
      gid: t.id({ description: TEXTS.gid, resolve: (event) => eventGid(event) as number }),
      version: t.int({ description: TEXTS.version, resolve: (event) => eventVersion(event) as number }),
    }),
  });
}

/** The record of an event of that kind. */
function recordOf<Kind extends ChangeKind>(event: ChangeEvent): RecordOfKind<Kind> {
  return (event as Extract<ChangeEvent, { type: 'change' }>).record as RecordOfKind<Kind>;
}

for (const kind of ['GROUP_ADDED', 'GROUP_UPDATED'] as const) {
  builder.objectFields(changeType(kind, KIND_DESCRIPTIONS[kind]), (t) => ({
    settings: t.field({
      type: GroupSettingsType,
      description: TEXTS.settings,
      resolve: (event) => recordOf<typeof kind>(event).settings,
    }),
    group: t.field({
      type: GroupRef,
      nullable: true,
      description: TEXTS.group,
      extensions: LOADED,
      resolve: async (event, _, { load }) => (await load.group.load(recordOf<typeof kind>(event).gid)) ?? null,
    }),
    ...(kind === 'GROUP_UPDATED'
      ? {
          changed: t.stringList({
            extensions: CHANGED,
            description:
              'What changed: the dotted names of fields of GroupSettings, like `name`, `validity.expiresAt`, `permissions.send`, `permissions(7).send`, or `permissions(7)` where a set was dropped.',
            resolve: (event) => recordOf<'GROUP_UPDATED'>(event).changed,
          }),
        }
      : {}),
  }));
}

changeType('GROUP_DELETED', 'The group was deleted. Its stream completes after this.');

for (const kind of ['GROUP_STARTED', 'GROUP_EXPIRED'] as const) {
  builder.objectFields(changeType(kind, KIND_DESCRIPTIONS[kind]), (t) => ({
    due: t.field({ type: 'DateTime', description: TEXTS.due, resolve: (event) => new Date(recordOf<typeof kind>(event).due) }),
  }));
}

for (const kind of ['MEMBERS_ADDED', 'MEMBERS_UPDATED'] as const) {
  builder.objectFields(changeType(kind, KIND_DESCRIPTIONS[kind]), (t) => ({
    members: t.field({
      type: [ChangedMember],
      description: 'The members, at most 1,000.',
      extensions: MEMBERS,
      resolve: (event, _, { load }) => load.pace.of(recordOf<typeof kind>(event).members),
    }),
    memberCount: t.int({ description: TEXTS.memberCount, resolve: (event) => recordOf<typeof kind>(event).memberCount }),
  }));
}

builder.objectFields(changeType('MEMBERS_REMOVED', KIND_DESCRIPTIONS.MEMBERS_REMOVED), (t) => ({
  addresses: t.stringList({
    description: 'Their addresses, at most 1,000.',
    extensions: MEMBERS,
    resolve: (event) => recordOf<'MEMBERS_REMOVED'>(event).addresses,
  }),
  memberCount: t.int({ description: TEXTS.memberCount, resolve: (event) => recordOf<'MEMBERS_REMOVED'>(event).memberCount }),
}));

type Snapshot = Extract<ChangeEvent, { type: 'snapshot' }>;

builder.objectRef<Snapshot>('GroupSnapshot').implement({
  description: 'A part of the current state of a group: all parts together have all members. On part 1 drop what you have.',
  interfaces: [GroupChange],
  isTypeOf: (event) => typeNameOf(event as ChangeEvent) === 'GroupSnapshot',
  fields: (t) => ({
    gid: t.exposeID('gid', { description: TEXTS.gid }),
    version: t.exposeInt('version', {
      description: 'The version before the first part; later changes follow after the last part.',
    }),
    page: t.exposeInt('page', { description: 'The number of the part, beginning with 1.' }),
    settings: t.field({ type: GroupSettingsType, description: 'The settings.', resolve: ({ settings }) => settings }),
    group: t.field({
      type: GroupRef,
      description: `The group as it is now. ${WEIGHS.loaded}`,
      extensions: LOADED,
      resolve: async ({ gid }, _, { load }) => {
        const group = await load.group.load(gid);
        if (!group) throw new GroupNotFoundError(gid); // just deleted, or left: the change follows
        return group;
      },
    }),
    members: t.field({
      type: [ChangedMember],
      description: 'Members and their entries for message types, together at most 1,000.',
      extensions: MEMBERS,
      resolve: ({ members }, _, { load }) => load.pace.of(members),
    }),
  }),
});

for (const [name, description] of [
  ['Ready', 'Everything up to here was delivered; what comes now is live.'],
  ['Checkpoint', 'Nothing happened for a while, and nothing was missed.'],
] as const) {
  builder.objectRef<ChangeEvent>(name).implement({
    description,
    interfaces: [GroupChange],
    isTypeOf: (event) => typeNameOf(event as ChangeEvent) === name,
  });
}
