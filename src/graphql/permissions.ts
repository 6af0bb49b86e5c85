import { ACTIONS, AUDIENCES, type Audience, type Levels, RECEIVE_MODES, type ReceiveMode } from '../model/flags.ts';
import type { MemberPermissions } from '../model/member-permissions.ts';
import { RIGHT_NAMES, RIGHTS, type Rights } from '../model/rights.ts';
import { builder } from './builder.ts';
import { forEachName } from './each.ts';

export const AudienceType = builder.enumType('Audience', {
  description: 'Who may do something in a group. The numbers are those of the storage and of the op endpoint.',
  values: {
    MEMBERS: { description: 'Every member (0).' },
    SELECTED: { description: 'Members whose own permission for it is true (1).' },
    ANYONE: { description: 'Anyone, member or not (2).' },
  } as const,
});

export const ReceiveModeType = builder.enumType('ReceiveMode', {
  description: 'Who receives the messages of a group. The numbers are those of the storage and of the op endpoint.',
  values: {
    MEMBERS: { description: 'Every member (0).' },
    SELECTED: { description: 'Members whose own permission `recv` is true (1).' },
    ROUND_ROBIN: { description: 'One member for each message, in turn (2).' },
  } as const,
});

const ABOUT = {
  send: 'sending messages',
  recv: 'receiving messages',
  pub: "publishing audio and video in the group's calls",
  sub: "subscribing to audio and video in the group's calls",
  list: "seeing who is in the group's call",
};

/** A group's levels, or those of one message type, by name. */
export interface NamedLevels {
  send: Audience;
  recv: ReceiveMode;
  pub: Audience;
  sub: Audience;
  list: Audience;
}

export function namedLevels({ send, recv, pub, sub, list }: Levels): NamedLevels {
  return { send: AUDIENCES[send], recv: RECEIVE_MODES[recv], pub: AUDIENCES[pub], sub: AUDIENCES[sub], list: AUDIENCES[list] };
}

export const Permissions = builder.objectRef<NamedLevels>('Permissions').implement({
  description:
    'Who may do what in a group. For a message type, `send` and `recv` restrict further what the group itself allows; `pub`, `sub` and `list` do not depend on the message type and are shown as ANYONE.',
  fields: (t) => ({
    send: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.send}.`, resolve: ({ send }) => send }),
    recv: t.field({ type: ReceiveModeType, description: `Who is allowed: ${ABOUT.recv}.`, resolve: ({ recv }) => recv }),
    pub: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.pub}.`, resolve: ({ pub }) => pub }),
    sub: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.sub}.`, resolve: ({ sub }) => sub }),
    list: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.list}.`, resolve: ({ list }) => list }),
  }),
});

export const PermissionsInputType = builder.inputType('PermissionsInput', {
  description: 'Who may do what; what is left out stays. With a message type above 0 only `send` and `recv` may be given.',
  fields: (t) => ({
    send: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.send}.` }),
    recv: t.field({ type: ReceiveModeType, description: `Who is allowed: ${ABOUT.recv}.` }),
    pub: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.pub}.` }),
    sub: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.sub}.` }),
    list: t.field({ type: AudienceType, description: `Who is allowed: ${ABOUT.list}.` }),
  }),
});

export const MemberPermissionsType = builder.objectRef<MemberPermissions>('MemberPermissions').implement({
  description: "A member's own permissions. Each counts only if the group's level for it is SELECTED.",
  fields: (t) =>
    forEachName(ACTIONS, (action) => t.exposeBoolean(action, { description: `Whether it is selected for ${ABOUT[action]}.` })),
});

export const MemberPermissionsInputType = builder.inputType('MemberPermissionsInput', {
  description:
    "A member's own permissions; what is left out stays, and is true for a new member. With a message type above 0 only `send` and `recv` may be given.",
  fields: (t) => forEachName(ACTIONS, (action) => t.boolean({ description: `Whether it is selected for ${ABOUT[action]}.` })),
});

const RIGHT_DESCRIPTIONS = Object.fromEntries(RIGHTS) as Record<keyof Rights, string>;
const sentence = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}.`;

export const AdminRights = builder.objectRef<Rights>('AdminRights').implement({
  description: 'What a member may do to the group as a user. An owner has every right; application tokens need no rights.',
  fields: (t) =>
    forEachName(RIGHT_NAMES, (right) => t.exposeBoolean(right, { description: sentence(RIGHT_DESCRIPTIONS[right]) })),
});

export const AdminRightsInputType = builder.inputType('AdminRightsInput', {
  description:
    'Rights to give (true) and to take (false); what is left out stays. `admin: true` gives the role and the rights it stands for, except those set to false; `admin: false` takes them, except those set to true. A false together with `owner: true` is INVALID_INPUT.',
  fields: (t) => forEachName(RIGHT_NAMES, (right) => t.boolean({ description: sentence(RIGHT_DESCRIPTIONS[right]) })),
});
