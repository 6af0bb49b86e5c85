import { requireScope } from '../access/viewer.ts';
import { messageTypeArgument } from '../groups/input/member-input.ts';
import type { PermissionState } from '../groups/permission-answers.ts';
import { watchPermissions } from '../groups/watch-permissions.ts';
import { ACTIONS, type ActionName } from '../model/flags.ts';
import { readGid } from '../model/gid.ts';
import { invalid } from '../model/issues.ts';
import { addressProblem } from '../model/text.ts';
import { builder } from './builder.ts';
import { PermissionDecision } from './decisions.ts';
import { forEachName } from './each.ts';

const ABOUT: Record<ActionName, string> = {
  send: 'send a message',
  recv: 'receive a message, or be the one that does in turn',
  pub: 'publish audio and video',
  sub: 'subscribe to audio and video',
  list: 'see who is in the call',
};

const PermissionStateType = builder.objectRef<PermissionState>('PermissionState').implement({
  description: 'What an address may do in a group at one time.',
  fields: (t) => ({
    gid: t.exposeID('gid', { description: 'The number of the group.' }),
    address: t.exposeString('address', { description: 'The address.' }),
    messageType: t.exposeInt('messageType', { description: 'The message type.' }),
    at: t.expose('at', { type: 'DateTime', description: "The time of these decisions, by the database's clock." }),
    ...forEachName(ACTIONS, (action) =>
      t.field({
        type: PermissionDecision,
        description: `Whether it may ${ABOUT[action]}, and why.`,
        resolve: (state) => state[action],
      }),
    ),
  }),
});

builder.subscriptionFields((t) => ({
  permissionChanges: t.field({
    type: PermissionStateType,
    description:
      'What an address may do in a group: now, then whenever a decision changes, for whatever reason. Several changes may be merged into one state, the last is never lost; the current state is repeated about every 30 seconds. There is no cursor: subscribe again.',
    args: {
      gid: t.arg.id({ required: true, description: 'The number of the group.' }),
      address: t.arg.string({ description: 'The address, whether or not it is a member; a user may leave it out.' }),
      messageType: t.arg.int({ defaultValue: 0, description: 'The message type, 0 to 2³¹−1; 0 is the ordinary one.' }),
    },
    subscribe: (_, { gid, address, ...args }, { hub, viewer }) => {
      requireScope(viewer, 'READ');
      const asked = address ?? viewer.address;
      if (asked === null) invalid(['address'], 'must be given with an application token');
      const problem = addressProblem(asked);
      if (problem) invalid(['address'], problem);
      const messageType = messageTypeArgument(args.messageType);
      return watchPermissions(hub, viewer, { gid: readGid(gid), address: asked, messageType });
    },
    resolve: (state) => state,
  }),
}));
