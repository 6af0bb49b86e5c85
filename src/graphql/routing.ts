import { type RoutedMessage, recipientsOf, routeMessage } from '../groups/routing/route-message.ts';
import { MessageRefusedError } from '../model/decision.ts';
import { GroupNotFoundError, IdempotencyConflictError, InvalidInputError, NotAllowedError } from '../model/errors.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { PermissionDecision } from './decisions.ts';
import { ErrorInterface } from './errors.ts';
import { result, withFreshLoaders } from './group-mutations.ts';
import { MemberConnection } from './member.ts';
import { NODE, PAGE } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { MemberRef } from './refs.ts';

const GroupRouteMessageInput = builder.inputType('GroupRouteMessageInput', {
  description: 'A message that an address wants to send; the gateway does not get its text.',
  fields: (t) => ({
    gid: t.id({ required: true, description: 'The number of the group.' }),
    from: t.string({ required: true, description: "The sender's address, whether or not it is a member." }),
    messageType: t.int({ description: 'The message type, 0 to 2³¹−1; 0, the default, is the ordinary one.' }),
    among: t.stringList({
      description:
        'Round robin: only one of these addresses is chosen, for example of those that are online; at most 5,000, each once. Ignored in other groups.',
    }),
    idempotencyKey: t.string({
      description:
        "The message's id, 1 to 255 printable ASCII characters: a repetition within 10 minutes gets the same receiver and takes no turn. If that receiver has left meanwhile, the message is routed anew and takes a turn. Another input with the same id, even only another `among`, is IdempotencyConflict.",
    }),
  }),
});

builder.objectType(MessageRefusedError, {
  name: 'MessageRefused',
  description: 'The sender may not send this message. No turn was taken.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ decision: t.expose('decision', { type: PermissionDecision, description: 'The decision about SEND.' }) }),
});

const RoutedMessageType = builder.objectRef<RoutedMessage>('RoutedMessage').implement({
  description: 'The message may be sent: where it goes.',
  fields: (t) => ({
    store: t.exposeBoolean('store', { description: 'Whether the message is to be stored.' }),
    loopback: t.exposeBoolean('loopback', { description: 'Whether the sender gets a copy; it is never among the receivers.' }),
    receiver: t.field({
      type: MemberRef,
      nullable: true,
      description: `The one receiver of a round-robin group; null: the group is none, or nobody can be chosen now, and then \`recipients\` is empty. ${WEIGHS.lookUp}`,
      extensions: NODE,
      resolve: ({ receiver }) => receiver ?? null,
    }),
    recipients: t.field({
      type: MemberConnection,
      description: `The first page of those who receive it, by address, without the sender; of a round-robin group only the receiver. Further pages come from \`Group.allowed(action: RECV, messageType:, except:, after:)\` with the cursors of this one: nobody routes again for a page. ${WEIGHS.page}`,
      args: { first: t.arg.int({ description: 'How many, 1 to 1,000; default 50.' }) },
      extensions: PAGE,
      resolve: async (routed, { first }, { db, viewer, load }) =>
        connectionOf(await recipientsOf(db, viewer, routed, first), load),
    }),
  }),
});

builder.mutationFields((t) => ({
  groupRouteMessage: t.field({
    type: RoutedMessageType,
    description:
      'Decides whether a message may be sent, and where it goes; in a round-robin group it takes the turn of the one receiver. Counts as activity for `Validity.extension`. For application tokens with the scope WRITE; a user gets NotAllowed with `right: "application"`.',
    args: { input: t.arg({ type: GroupRouteMessageInput, required: true, description: 'The message.' }) },
    errors: {
      types: [MessageRefusedError, NotAllowedError, GroupNotFoundError, InvalidInputError, IdempotencyConflictError],
      union: result('GroupRouteMessageResult', 'Where the message goes'),
    },
    resolve: (_, { input }, context) => {
      const { db, viewer } = withFreshLoaders(context);
      return routeMessage(db, viewer, input);
    },
  }),
}));
