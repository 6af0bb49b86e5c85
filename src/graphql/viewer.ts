import { findToken } from '../access/read-tokens.ts';
import { requireScope, SCOPES, type Scope, type Viewer, type ViewerToken } from '../access/viewer.ts';
import { builder } from './builder.ts';
import { forEachName } from './each.ts';
import { GroupConnection, groupPage, groupPageArgs } from './group.ts';
import { GROUP_PAGE, priced } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';

const SCOPE_DESCRIPTIONS: Record<Scope, string> = {
  READ: 'Queries and subscriptions. The fields of a payload need no READ.',
  WRITE: 'groupSet, groupDel, groupEditMembers and groupRouteMessage.',
  CREATE_GROUPS: 'groupAdd, which needs no other scope.',
  TOKENS: 'Making, listing and revoking tokens; users, and userDel together with WRITE; application tokens only.',
};

export const ScopeType = builder.enumType('Scope', {
  description: 'What a token may be used for.',
  values: forEachName(SCOPES, (scope) => ({ value: scope, description: SCOPE_DESCRIPTIONS[scope] })),
});

const SCOPE_LIST = priced({ items: SCOPES.length });

const App = builder.objectRef<{ id: number; name: string }>('App').implement({
  description: 'A tenant: groups, members and tokens belong to one app, and apps cannot see each other.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Its number.' }),
    name: t.exposeString('name', { description: 'Its name, unique on this gateway.' }),
  }),
});

export const TokenType = builder.objectRef<ViewerToken>('Token').implement({
  description: 'A token, without its secret, which is shown only when it is made.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Its id, which is not secret.' }),
    label: t.exposeString('label', { nullable: true, description: 'The name that it was given.' }),
    address: t.exposeString('address', {
      nullable: true,
      description: 'The user that it is for; null: an application token.',
    }),
    scopes: t.field({
      type: [ScopeType],
      description: 'What it is for.',
      extensions: SCOPE_LIST,
      resolve: ({ scopes }) => [...scopes],
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, description: 'When it expires; null: never.' }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last used, to about a minute; null: not known.',
    }),
  }),
});

const ViewerType = builder.objectRef<Viewer>('Viewer').implement({
  description: 'The caller, as identified by the token.',
  fields: (t) => ({
    app: t.field({ type: App, description: 'The app.', resolve: ({ appId, appName }) => ({ id: appId, name: appName }) }),
    address: t.exposeString('address', { nullable: true, description: "The user's address; null: an application token." }),
    scopes: t.field({
      type: [ScopeType],
      description: 'What the token is for.',
      extensions: SCOPE_LIST,
      resolve: ({ scopes }) => [...scopes],
    }),
    token: t.field({ type: TokenType, description: 'The token itself.', resolve: (viewer, _, { db }) => findToken(db, viewer) }),
    groups: t.field({
      type: GroupConnection,
      description: `The groups that the viewer sees: an application all of its app, a user those that it is a member of. ${WEIGHS.page}`,
      args: groupPageArgs,
      extensions: GROUP_PAGE,
      resolve: (_, args, context) => groupPage(args, context),
    }),
  }),
});

builder.queryFields((t) => ({
  viewer: t.field({
    type: ViewerType,
    description: 'The caller.',
    resolve: (_, __, { viewer }) => {
      requireScope(viewer, 'READ');
      return viewer;
    },
  }),
}));
