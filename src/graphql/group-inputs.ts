import { CLEARABLE_SETTINGS } from '../model/plain-settings.ts';
import { builder } from './builder.ts';
import { CallSettingsInputType } from './call-settings.ts';
import { AdminRightsInputType, MemberPermissionsInputType, PermissionsInputType } from './permissions.ts';
import { plainSettingInputs } from './plain-settings.ts';

const ValidityInput = builder.inputType('ValidityInput', {
  description: 'When the group is in force, in seconds from 0 to 2³¹−1. What is left out stays.',
  fields: (t) => ({
    start: t.int({
      description:
        'Seconds from now until it starts. 0: now for a group that has not started, else no change. Without `duration` the length stays.',
    }),
    duration: t.int({
      description:
        'Seconds from the start, or from now if that is later. 0: the default of 365 days for a new group, no change for another.',
    }),
    extension: t.int({ description: 'Seconds by which activity extends it; null or 0: off.' }),
  }),
});

const MembersInput = builder.inputType('MembersInput', {
  description: 'Addresses, with the permissions and rights that all of them get.',
  fields: (t) => ({
    addresses: t.stringList({
      required: true,
      description:
        'Each has 1 to 256 characters without comma, control character, or space at either end. Each may occur once in a request, which takes at most 100,000.',
    }),
    permissions: t.field({
      type: MemberPermissionsInputType,
      description: 'Their own permissions; for a new member those left out are true.',
    }),
    admin: t.field({
      type: AdminRightsInputType,
      description: 'Their rights; for a new member those left out are false. Not with a message type.',
    }),
  }),
});

const TEXTS = {
  flags:
    'The bitmask of Group.flags; `permissions` and the three switches are applied after it. Unknown bits, and both bits of one pair, are refused.',
  storesMessages: 'Whether messages are to be stored.',
  loopsBack: 'Whether the sender gets a copy.',
  membersMayLeave: 'Whether members may remove themselves; owners always may.',
  gid: 'The number of the group.',
  ifVersion: 'The operation happens only if the group is at this version; else VersionConflict.',
  idempotencyKey:
    '1 to 255 printable ASCII characters: a repetition with the same key within 24 hours gets the first answer and changes nothing.',
};

export const GroupAddInput = builder.inputType('GroupAddInput', {
  description: 'A new group. All fields are optional.',
  fields: (t) => ({
    ...plainSettingInputs(t, 'new'),
    flags: t.int({ description: TEXTS.flags }),
    validity: t.field({ type: ValidityInput, description: 'Default: from now, for 365 days, without extension.' }),
    permissions: t.field({ type: PermissionsInputType, description: 'Who may do what. Default: all members.' }),
    storesMessages: t.boolean({ description: `${TEXTS.storesMessages} Default true.` }),
    loopsBack: t.boolean({ description: `${TEXTS.loopsBack} Default false.` }),
    membersMayLeave: t.boolean({ description: `${TEXTS.membersMayLeave} Default true.` }),
    callSettings: t.field({ type: CallSettingsInputType, description: 'The settings of its calls.' }),
    members: t.field({ type: [MembersInput], description: 'Its first members.' }),
    idempotencyKey: t.string({ description: TEXTS.idempotencyKey }),
  }),
});

export const GroupSetInput = builder.inputType('GroupSetInput', {
  description: `Changes of a group: only what is given changes. null clears ${CLEARABLE_SETTINGS.join(' and ')}; other fields refuse null unless they say otherwise.`,
  fields: (t) => ({
    gid: t.id({ required: true, description: TEXTS.gid }),
    ...plainSettingInputs(t, 'changed'),
    flags: t.int({ description: `${TEXTS.flags} Not with a message type.` }),
    validity: t.field({ type: ValidityInput, description: 'When it is in force.' }),
    callSettings: t.field({ type: CallSettingsInputType, description: 'The settings of its calls.' }),
    storesMessages: t.boolean({ description: TEXTS.storesMessages }),
    loopsBack: t.boolean({ description: TEXTS.loopsBack }),
    membersMayLeave: t.boolean({ description: TEXTS.membersMayLeave }),
    messageType: t.int({
      description:
        'What `permissions` and `members` apply to. 0, the default: the group and its members; above 0: the set and the entries of that message type.',
    }),
    permissions: t.field({
      type: PermissionsInputType,
      description: 'Who may do what. null with a message type above 0 drops its set.',
    }),
    members: t.field({ type: [MembersInput], description: 'Members to add, or to change if they exist.' }),
    ifVersion: t.int({ description: TEXTS.ifVersion }),
    idempotencyKey: t.string({ description: TEXTS.idempotencyKey }),
  }),
});

export const GroupDelInput = builder.inputType('GroupDelInput', {
  description: 'The group to delete.',
  fields: (t) => ({
    gid: t.id({ required: true, description: TEXTS.gid }),
    ifVersion: t.int({ description: TEXTS.ifVersion }),
    idempotencyKey: t.string({ description: TEXTS.idempotencyKey }),
  }),
});

export const GroupEditMembersInput = builder.inputType('GroupEditMembersInput', {
  description: 'Changes of the members of a group, or of their entries for a message type: all of them or none.',
  fields: (t) => ({
    gid: t.id({ required: true, description: TEXTS.gid }),
    messageType: t.int({
      description: '0, the default: the members; above 0: their entries for that message type, which only members can have.',
    }),
    add: t.field({ type: [MembersInput], description: 'To add, or to change if they exist.' }),
    update: t.field({
      type: [MembersInput],
      description: 'To change; an address that is not a member, or has no entry, is NotAMember.',
    }),
    remove: t.stringList({
      description: 'To remove; addresses that are not members are ignored. With a message type only the entry is removed.',
    }),
    ifVersion: t.int({ description: TEXTS.ifVersion }),
    idempotencyKey: t.string({ description: TEXTS.idempotencyKey }),
  }),
});
