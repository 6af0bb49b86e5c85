import { pageUsers, seesUsers, type User } from '../access/users.ts';
import { requireScope, requireTokens } from '../access/viewer.ts';
import { type DeletedUser, deleteUser } from '../groups/write/delete-user.ts';
import { InvalidInputError, NotAllowedError } from '../model/errors.ts';
import { invalid } from '../model/issues.ts';
import { addressProblem } from '../model/text.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { GroupConnection, groupConnection, groupPageArgs } from './group.ts';
import { GROUP_PAGE, NODE, PAGE } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { TokenConnection } from './tokens.ts';

const UserRef = builder.objectRef<User>('User');

builder.node(UserRef, {
  description:
    'An address of the app that has, or had, a token. Seen by application tokens with the scope TOKENS. One without a token is no user, be it a member of groups.',
  id: { resolve: ({ address }) => address, parse: (address) => address },
  loadManyWithoutCache: (addresses, { viewer, load }) =>
    Promise.all(addresses.map((address) => (seesUsers(viewer) ? load.user.load(address) : undefined))),
  fields: (t) => ({
    uid: t.exposeID('uid', { description: 'Its number, a decimal string: never used again. The op endpoint knows users by it.' }),
    address: t.exposeString('address', { description: "The user's name within the app: 1 to 256 characters; case counts." }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it got its number: with its first token.' }),
    active: t.exposeBoolean('active', { description: 'Whether it has a token that is neither revoked nor expired.' }),
    groups: t.field({
      type: GroupConnection,
      description: `The groups that it is a member of. With \`filter: { member }\` those that both are in. Needs the scope READ, too. ${WEIGHS.page}`,
      args: groupPageArgs,
      extensions: GROUP_PAGE,
      resolve: async ({ address }, args, { viewer, load }) => {
        requireScope(viewer, 'READ');
        return groupConnection(await load.groupsOf(address, args), load);
      },
    }),
    tokens: t.field({
      type: TokenConnection,
      description: `Its tokens that are neither revoked nor expired, in the order in which they were made. ${WEIGHS.page}`,
      args: t.arg.connectionArgs(),
      extensions: PAGE,
      resolve: async ({ address }, args, { load }) => connectionOf(await load.tokensOf(address, args), load),
    }),
  }),
});

const UserConnection = builder.connectionObject(
  { type: UserRef, name: 'UserConnection', description: 'A page of users.' },
  { name: 'UserEdge', description: 'A user in a page.' },
);

const UserFilter = builder.inputType('UserFilter', {
  description: 'Which users are listed.',
  fields: (t) => ({
    addressStartsWith: t.string({ description: 'Those whose address begins with this; case counts.' }),
  }),
});

const UserDelInput = builder.inputType('UserDelInput', {
  description: 'A user that goes.',
  fields: (t) => ({ address: t.string({ required: true, description: 'Its address.' }) }),
});

const UserDelPayload = builder.objectRef<DeletedUser>('UserDelPayload').implement({
  description: 'A user went, or has gone before: its tokens are revoked, and it is out of its groups but for those that remain.',
  fields: (t) => ({
    address: t.exposeString('address', { description: 'Its address.' }),
    revoked: t.exposeInt('revoked', { description: 'How many tokens still held; 0: there was none.' }),
    left: t.exposeInt('left', { description: 'How many groups it was taken out of; at most 10,000.' }),
    remaining: t.exposeInt('remaining', { description: 'How many groups it is still in; above 0: call again.' }),
  }),
});

builder.queryFields((t) => ({
  users: t.field({
    type: UserConnection,
    description: `The app's users, by address. For application tokens with the scope TOKENS, which needs no READ here except for their groups. ${WEIGHS.page}`,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: UserFilter, description: 'Which users; all where it is left out.' }),
    },
    extensions: PAGE,
    resolve: async (_, args, { db, viewer, load }) => connectionOf(await pageUsers(db, viewer, args), load),
  }),
  user: t.field({
    type: UserRef,
    nullable: true,
    description: `One user; null: the address has, and had, no token. For application tokens with the scope TOKENS. ${WEIGHS.lookUp}`,
    args: { address: t.arg.string({ required: true, description: 'Its address.' }) },
    extensions: NODE,
    resolve: async (_, { address }, { viewer, load }) => {
      requireTokens(viewer);
      const problem = addressProblem(address);
      if (problem) invalid(['address'], problem);
      return (await load.user.load(address)) ?? null;
    },
  }),
}));

builder.mutationFields((t) => ({
  userDel: t.field({
    type: UserDelPayload,
    description:
      "Revokes a user's tokens, then takes it out of its groups in the order of gids, each in a transaction of its own, so that after a failure, or where groups remain, the same call goes on. For application tokens with the scopes TOKENS and WRITE.",
    args: { input: t.arg({ type: UserDelInput, required: true, description: 'The user.' }) },
    errors: {
      types: [InvalidInputError, NotAllowedError],
      union: { name: 'UserDelResult', description: 'What was done, or why not.' },
    },
    resolve: (_, { input }, { db, viewer }) => deleteUser(db, viewer, input),
  }),
}));
