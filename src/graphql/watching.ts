import { LRUCache } from 'lru-cache';
import { databaseOf, requireScope } from '../access/viewer.ts';
import type { ChangeRecord } from '../changes/log/read.ts';
import type { ChangeEvent } from '../changes/streams/events.ts';
import { MEMBERSHIP_CHANGE_KINDS, type MembershipChangeKind } from '../changes/streams/membership-states.ts';
import { watchApp } from '../changes/streams/watch-app.ts';
import { watchGroup } from '../changes/streams/watch-group.ts';
import { type MembershipEvent, watchMemberships } from '../changes/streams/watch-memberships.ts';
import { NotAllowedError } from '../model/errors.ts';
import { readGid } from '../model/gid.ts';
import { invalid } from '../model/issues.ts';
import { addressProblem } from '../model/text.ts';
import { builder } from './builder.ts';
import { ChangedMember, GroupChange } from './changes.ts';
import { type Context, createLoaders, type Loaders } from './context.ts';
import { forEachName } from './each.ts';
import { LOADED } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { GroupRef } from './refs.ts';

const KIND_DESCRIPTIONS: Record<MembershipChangeKind, string> = {
  JOINED: 'The address became a member, or is one when the stream begins with a snapshot.',
  UPDATED: 'Its permissions, rights or entries changed.',
  LEFT: 'The address is no longer a member.',
  GROUP_DELETED: 'The group was deleted.',
  GROUP_EXPIRED: 'The group expired.',
  READY: 'Everything up to here was delivered; what comes now is live.',
  CHECKPOINT: 'Nothing happened for a while, and nothing was missed.',
};

const MembershipChangeKindType = builder.enumType('MembershipChangeKind', {
  description: 'What happened to a membership.',
  values: forEachName(MEMBERSHIP_CHANGE_KINDS, (kind) => ({ value: kind, description: KIND_DESCRIPTIONS[kind] })),
});

const MembershipChange = builder.objectRef<MembershipEvent>('MembershipChange').implement({
  description: 'The latest state of a membership: several changes may be merged into one, the last is never lost.',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'Cursor', description: 'The position after this event, to continue from.' }),
    kind: t.field({ type: MembershipChangeKindType, description: 'What happened.', resolve: ({ kind }) => kind }),
    gid: t.exposeID('gid', { nullable: true, description: 'The group; null on READY and CHECKPOINT.' }),
    group: t.field({
      type: GroupRef,
      nullable: true,
      description: `The group as it is now; null where there is none, or for whom may not see it now. ${WEIGHS.loaded}`,
      extensions: LOADED,
      resolve: async ({ gid }, _, { load }) => (gid === null ? null : ((await load.group.load(gid)) ?? null)),
    }),
    member: t.field({
      type: ChangedMember,
      nullable: true,
      description: 'The member; null if the address is no longer one, or if nothing about it changed.',
      resolve: ({ member }) => member,
    }),
    at: t.expose('at', { type: 'DateTime', description: "When it happened, by the database's clock." }),
    actor: t.exposeString('actor', {
      nullable: true,
      description: 'The user who made the change; null: the application, the gateway itself, or not known.',
    }),
  }),
});

/** How long the watchers of a record share what one of them read for it, in milliseconds: it must be the current state. */
const SHARED_FOR = 1_000;
/** Entries expire by themselves, even when nothing more is delivered: a record may stay in its ring for long. */
const shared = new LRUCache<ChangeRecord, Loaders>({ ttl: SHARED_FOR, ttlAutopurge: true });

/** The loaders for a record. Its watchers get the same object from the ring; applications see the same, and share them. */
function loadersOf(record: ChangeRecord, { db, viewer }: Context): Loaders {
  if (viewer.address !== null) return createLoaders(db, viewer);
  // For all of its watchers, whichever of them leaves.
  const found = shared.get(record);
  if (found) return found;
  const load = createLoaders(databaseOf(db, viewer), viewer);
  shared.set(record, load);
  return load;
}

/** Prepares the context for an event: loaders with nothing from before it, and its cursor for the transport. */
function delivered<Event extends ChangeEvent | MembershipEvent>(event: Event, context: Context): Event {
  context.load = 'record' in event ? loadersOf(event.record, context) : createLoaders(context.db, context.viewer);
  context.cursor = event.cursor;
  return event;
}

/** Where a stream begins: a cursor in the Last-Event-ID of an SSE client that reconnects overrides the arguments. */
function startOf(context: Context, { after, snapshot }: { after?: string | null; snapshot?: boolean | null }) {
  if (context.lastEventId) return { after: context.lastEventId, snapshot: false };
  if (after != null && snapshot) invalid(['snapshot'], 'cannot be given together with after');
  return { after, snapshot: snapshot ?? false };
}

const AFTER = 'The cursor of the last event that was processed: every later event is delivered once and in order.';

builder.subscriptionType({
  description:
    'Streams of changes, by WebSocket (graphql-transport-ws) or server-sent events. They need a token with the scope READ.',
  fields: (t) => ({
    groupChanges: t.field({
      type: GroupChange,
      description: 'The changes of one group: after the cursor `after`, from a snapshot on, or from now on (Ready comes first).',
      args: {
        gid: t.arg.id({ required: true, description: 'The number of the group.' }),
        after: t.arg({ type: 'Cursor', description: `${AFTER} Not together with \`snapshot\`.` }),
        snapshot: t.arg.boolean({ defaultValue: false, description: 'Begin with all members, in parts of at most 1,000.' }),
      },
      subscribe: (_, { gid, ...args }, context) => {
        requireScope(context.viewer, 'READ');
        return watchGroup(context.hub, context.viewer, { gid: readGid(gid), ...startOf(context, args) });
      },
      resolve: (event, _, context) => delivered(event, context),
    }),
    membershipChanges: t.field({
      type: MembershipChange,
      description: 'The groups that one address is in. A user may only watch itself.',
      args: {
        address: t.arg.string({ description: 'The address; a user may leave it out.' }),
        after: t.arg({ type: 'Cursor', description: `${AFTER} Not together with \`snapshot\`.` }),
        snapshot: t.arg.boolean({ defaultValue: false, description: 'Begin with one JOINED for each group that it is in.' }),
      },
      subscribe: (_, { address, ...args }, context) => {
        requireScope(context.viewer, 'READ');
        const followed = address ?? context.viewer.address;
        if (followed === null) invalid(['address'], 'must be given with an application token');
        const problem = addressProblem(followed);
        if (problem) invalid(['address'], problem);
        if (context.viewer.address !== null && context.viewer.address !== followed) throw new NotAllowedError('application');
        return watchMemberships(context.hub, context.viewer, { address: followed, ...startOf(context, args) });
      },
      resolve: (event, _, context) => delivered(event, context),
    }),
    appChanges: t.field({
      type: GroupChange,
      description: 'The changes of all groups of the app, each group’s in order; application tokens only.',
      args: { after: t.arg({ type: 'Cursor', description: AFTER }) },
      subscribe: (_, args, context) => {
        requireScope(context.viewer, 'READ');
        if (context.viewer.address !== null) throw new NotAllowedError('application');
        return watchApp(context.hub, context.viewer, startOf(context, args).after);
      },
      resolve: (event, _, context) => delivered(event, context),
    }),
  }),
});
