import { messageTypeArgument } from '../groups/input/member-input.ts';
import { GroupNotFoundError } from '../model/errors.ts';
import { readGid } from '../model/gid.ts';
import type { Member, MemberKey } from '../model/member.ts';
import { entryPermissions, permissionsOf } from '../model/member-permissions.ts';
import { rightsOf } from '../model/rights.ts';
import { addressProblem } from '../model/text.ts';
import { builder } from './builder.ts';
import type { Loaders } from './context.ts';
import { AdminRights, MemberPermissionsType } from './permissions.ts';
import { BY_MESSAGE_TYPE, LOADED, RIGHTS_OF_MEMBER } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { GroupRef, MemberRef, OrderDirection } from './refs.ts';

/** The group and the address in a member's id. A missing address becomes '', which no member has. */
function parseKey(id: string): MemberKey {
  const [gid = '', ...address] = id.split(':');
  return { gid: readGid(gid).number, address: address.join(':') };
}

/** The member, if the viewer sees its group. */
async function loadMember({ gid, address }: MemberKey, load: Loaders): Promise<Member | undefined> {
  const group = await load.group.load(gid);
  return group && !addressProblem(address) ? load.member.load({ gid, address }) : undefined;
}

async function permissionsOfEntry(load: Loaders, { gid, address, permissions }: Member, messageType: number) {
  return entryPermissions(permissions, await load.entry.load({ gid, address, messageType }));
}

builder.node(MemberRef, {
  description: 'An address in a group, with its own permissions and rights. Visible to viewers that see the group.',
  id: { resolve: ({ gid, address }) => `${gid}:${address}`, parse: parseKey },
  loadManyWithoutCache: (keys, { load }) => Promise.all(keys.map((key) => loadMember(key, load))),
  fields: (t) => ({
    address: t.exposeString('address', { description: "The user's name within the app: 1 to 256 characters, case-sensitive." }),
    group: t.field({
      type: GroupRef,
      description: `The group that it is a member of. ${WEIGHS.loaded}`,
      extensions: LOADED,
      resolve: async ({ gid }, _, { load }) => {
        const group = await load.group.load(gid);
        if (!group) throw new GroupNotFoundError(gid);
        return group;
      },
    }),
    permissions: t.field({
      type: MemberPermissionsType,
      description: `Its own permissions. They count where the group's level, or that of the message type, is SELECTED. ${WEIGHS.byMessageType}`,
      args: {
        messageType: t.arg.int({
          defaultValue: 0,
          description:
            '0: its own; above 0: those of its entry for that message type; without an entry `send` and `recv` are false.',
        }),
      },
      extensions: BY_MESSAGE_TYPE,
      // What is at hand is no promise: that would cost several times as much.
      resolve: (member, args, { load }) => {
        const messageType = messageTypeArgument(args.messageType);
        return messageType === 0 ? permissionsOf(member.permissions) : permissionsOfEntry(load, member, messageType);
      },
    }),
    admin: t.field({
      type: AdminRights,
      description: `What it may do to the group. ${WEIGHS.rights}`,
      extensions: RIGHTS_OF_MEMBER,
      resolve: ({ rights }) => rightsOf(rights),
    }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'When it became a member.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its permissions, rights or entries last changed.' }),
  }),
});

export const MemberConnection = builder.connectionObject(
  { type: MemberRef, name: 'MemberConnection', description: 'A page of members.' },
  { name: 'MemberEdge', description: 'A member in a page.' },
);

const MemberFilter = builder.inputType('MemberFilter', {
  description: 'Which members are listed: those that match every field that is given.',
  fields: (t) => ({
    addressStartsWith: t.string({ description: 'Addresses that begin with this, case-sensitive.' }),
    addresses: t.stringList({ description: 'These addresses, at most 1,000; those that are not members are left out.' }),
    admin: t.boolean({ description: 'Members with any right (true) or with none (false).' }),
  }),
});

const MemberOrderField = builder.enumType('MemberOrderField', {
  description: 'What members are ordered by. Paging meets every member exactly once, even while others join and leave.',
  values: {
    ADDRESS: { description: 'By address, by code point.' },
    JOINED_AT: { description: 'In the order of joining; within one request, in the order given there.' },
  } as const,
});

const MemberOrder = builder.inputType('MemberOrder', {
  description: 'The order of members; by address if left out.',
  fields: (t) => ({
    field: t.field({ type: MemberOrderField, required: true, description: 'What to order by.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'The direction.' }),
  }),
});

/** The arguments of every list of members. */
export const memberPageArgs = builder.args((t) => ({
  ...t.connectionArgs(),
  filter: t.field({ type: MemberFilter, description: 'Which members; all if left out.' }),
  orderBy: t.field({ type: MemberOrder, description: 'In which order; by address if left out.' }),
}));
