import { type AddedToken, addToken, revokeToken, revokeTokensOf } from '../access/manage-tokens.ts';
import { pageTokens } from '../access/read-tokens.ts';
import { InvalidInputError, NotAllowedError, TokenNotFoundError } from '../model/errors.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { PAGE } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { ScopeType, TokenType } from './viewer.ts';

export const TokenConnection = builder.connectionObject(
  { type: TokenType, name: 'TokenConnection', description: 'A page of tokens.' },
  { name: 'TokenEdge', description: 'A token in a page.' },
);

const TokenFilter = builder.inputType('TokenFilter', {
  description: 'Which tokens are listed.',
  fields: (t) => ({ address: t.string({ description: 'The tokens of this user.' }) }),
});

const TokenAddInput = builder.inputType('TokenAddInput', {
  description: 'A new token.',
  fields: (t) => ({
    address: t.string({
      description:
        'The user that it is for, which need not be a member of any group. Left out: an application token, which needs no rights.',
    }),
    label: t.string({ description: 'A name for lists, at most 256 characters.' }),
    scopes: t.field({
      type: [ScopeType],
      description:
        "Its scopes, at least one, never more than the caller's own; TOKENS is for application tokens only. Left out: READ and WRITE for a user, the caller's own for an application.",
    }),
    expiresIn: t.int({ description: 'Seconds until it expires, 1 to 2³¹−1; null or left out: it does not expire.' }),
  }),
});

const TokenAddPayload = builder.objectRef<AddedToken>('TokenAddPayload').implement({
  description: 'The token was made.',
  fields: (t) => ({
    token: t.expose('token', { type: TokenType, description: 'The token, as in lists.' }),
    secret: t.exposeString('secret', {
      description: 'The secret, to be sent as `Authorization: Bearer …`. It is shown only here and cannot be read again.',
    }),
  }),
});

const TokenRevokePayload = builder.objectRef<{ id: string }>('TokenRevokePayload').implement({
  description: 'The token was revoked: within a second every gateway refuses it.',
  fields: (t) => ({ id: t.exposeID('id', { description: 'Its id.' }) }),
});

const TokenRevokeAllPayload = builder.objectRef<{ revoked: number }>('TokenRevokeAllPayload').implement({
  description: "The user's tokens were revoked: within a second every gateway refuses them.",
  fields: (t) => ({ revoked: t.exposeInt('revoked', { description: 'How many were still valid.' }) }),
});

builder.queryFields((t) => ({
  tokens: t.field({
    type: TokenConnection,
    description: `The app's tokens that are neither revoked nor expired, in the order in which they were made; never their secrets. For application tokens with the scope TOKENS, which needs no READ here. ${WEIGHS.page}`,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: TokenFilter, description: 'Which tokens; all if left out.' }),
    },
    extensions: PAGE,
    resolve: async (_, args, { db, viewer, load }) => connectionOf(await pageTokens(db, viewer, args), load),
  }),
}));

builder.mutationFields((t) => ({
  tokenAdd: t.field({
    type: TokenAddPayload,
    description: 'Makes a token of the app. For application tokens with the scope TOKENS.',
    args: { input: t.arg({ type: TokenAddInput, required: true, description: 'The new token.' }) },
    errors: {
      types: [InvalidInputError, NotAllowedError],
      union: { name: 'TokenAddResult', description: 'The new token, or why not.' },
    },
    resolve: (_, { input }, { db, viewer }) => addToken(db, viewer, input),
  }),
  tokenRevoke: t.field({
    type: TokenRevokePayload,
    description: 'Revokes a token of the app. For application tokens with the scope TOKENS; any token may revoke itself.',
    args: { id: t.arg.id({ required: true, description: 'The `id` of the token.' }) },
    errors: {
      types: [TokenNotFoundError, NotAllowedError],
      union: { name: 'TokenRevokeResult', description: 'The revoked token, or why not.' },
    },
    resolve: (_, { id }, { db, viewer }) => revokeToken(db, viewer, id),
  }),
  tokenRevokeAll: t.field({
    type: TokenRevokeAllPayload,
    description: 'Revokes every token of a user. For application tokens with the scope TOKENS.',
    args: { address: t.arg.string({ required: true, description: 'The user.' }) },
    errors: {
      types: [InvalidInputError, NotAllowedError],
      union: { name: 'TokenRevokeAllResult', description: 'How many were revoked, or why not.' },
    },
    resolve: (_, { address }, { db, viewer }) => revokeTokensOf(db, viewer, address),
  }),
}));
