import { type AddedToken, addToken, revokeToken, revokeTokensOf } from '../access/manage-tokens.ts';
import { pageTokens } from '../access/read-tokens.ts';
import { InvalidInputError, NotAllowedError, TokenNotFoundError } from '../model/errors.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { PAGE } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { ScopeType, TokenType } from './viewer.ts';

const TokenConnection = builder.connectionObject(
  { type: TokenType, name: 'TokenConnection', description: 'A page of tokens.' },
  { name: 'TokenEdge', description: 'A token in a page.' },
);

const TokenFilter = builder.inputType('TokenFilter', {
  description: 'Which tokens are listed.',
  fields: (t) => ({ address: t.string({ description: 'Those that speak for this user.' }) }),
});

const TokenAddInput = builder.inputType('TokenAddInput', {
  description: 'A new token.',
  fields: (t) => ({
    address: t.string({
      description: 'The user that it speaks for, who need not be known yet. Left out: an application token, above all rights.',
    }),
    label: t.string({ description: 'What to call it in lists, at most 256 characters.' }),
    scopes: t.field({
      type: [ScopeType],
      description:
        "What it is for, at least one, never more than the caller's own; TOKENS is for application tokens only. Left out: READ and WRITE for a user, the caller's own for an application.",
    }),
    expiresIn: t.int({ description: 'Seconds until it ends, 1 to 2³¹−1; null or left out: it does not end.' }),
  }),
});

const TokenAddPayload = builder.objectRef<AddedToken>('TokenAddPayload').implement({
  description: 'A token was made.',
  fields: (t) => ({
    token: t.expose('token', { type: TokenType, description: 'The token as lists show it.' }),
    secret: t.exposeString('secret', {
      description: 'What is sent as `Authorization: Bearer …`. It is shown this once, and cannot be found out again.',
    }),
  }),
});

const TokenRevokePayload = builder.objectRef<{ id: string }>('TokenRevokePayload').implement({
  description: 'A token was revoked: within a second no gateway lets it in.',
  fields: (t) => ({ id: t.exposeID('id', { description: 'Its id.' }) }),
});

const TokenRevokeAllPayload = builder.objectRef<{ revoked: number }>('TokenRevokeAllPayload').implement({
  description: "A user's tokens were revoked: within a second no gateway lets one in.",
  fields: (t) => ({ revoked: t.exposeInt('revoked', { description: 'How many still held; 0: there was none.' }) }),
});

builder.queryFields((t) => ({
  tokens: t.field({
    type: TokenConnection,
    description: `The app's tokens that are neither revoked nor expired, in the order in which they were made; never their secrets. For application tokens with the scope TOKENS, which needs no READ here. ${WEIGHS.page}`,
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: TokenFilter, description: 'Which tokens; all where it is left out.' }),
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
    description: 'Revokes every token that speaks for a user. For application tokens with the scope TOKENS.',
    args: { address: t.arg.string({ required: true, description: 'The user.' }) },
    errors: {
      types: [InvalidInputError, NotAllowedError],
      union: { name: 'TokenRevokeAllResult', description: 'How many were revoked, or why not.' },
    },
    resolve: (_, { address }, { db, viewer }) => revokeTokensOf(db, viewer, address),
  }),
}));
