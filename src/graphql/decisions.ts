import { requireScope } from '../access/viewer.ts';
import { checkQuestion, decideChecks, MAX_CHECKS } from '../groups/read/permission-checks.ts';
import { DECISION_REASONS, type Decision, type DecisionReason, type DecisionRule, decide } from '../model/decision.ts';
import { GroupNotFoundError } from '../model/errors.ts';
import type { ActionName } from '../model/flags.ts';
import { Issues } from '../model/issues.ts';
import { builder } from './builder.ts';
import { connectionOf, PAGE_ARGS } from './connection.ts';
import { MemberConnection } from './member.ts';
import { DECISION, DECISIONS, PAGE, priced } from './price/field-price.ts';
import { WEIGHS } from './price/weights.ts';
import { GroupRef } from './refs.ts';

const action = (value: ActionName, description: string) => ({ value, description });

export const ActionType = builder.enumType('Action', {
  description: 'What an address may do in a group. PUB, SUB and LIST do not depend on the message type.',
  values: {
    SEND: action('send', 'Send a message.'),
    RECV: action('recv', 'Receive a message; in a round-robin group, be the one that receives it in turn.'),
    PUB: action('pub', 'Publish audio and video in a call of the group.'),
    SUB: action('sub', 'Subscribe to audio and video in a call of the group.'),
    LIST: action('list', "See who is in the group's call."),
  } as const,
});

const DecisionReasonType = builder.enumType('DecisionReason', {
  description: 'The rule that decided: the first that refuses; if none does, the narrowest that allows.',
  values: Object.fromEntries(DECISION_REASONS.map(([name, description]) => [name, { description }])) as Record<
    DecisionReason,
    { description: string }
  >,
});

const DecisionRuleType = builder.objectRef<DecisionRule>('DecisionRule').implement({
  description: 'A rule that was checked for a decision.',
  fields: (t) => ({
    rule: t.exposeString('rule', {
      description:
        'Which rule: `state`; a level of the group, like `permissions.send`; a level of a message type, like `permissions(7).send`.',
    }),
    passed: t.exposeBoolean('passed', { description: 'Whether the rule allows it.' }),
    detail: t.exposeString('detail', { description: 'What was found, in English, for a log or a developer.' }),
  }),
});

export const PermissionDecision = builder.objectRef<Decision>('PermissionDecision').implement({
  description: 'Whether an address may do something in a group now, and why.',
  fields: (t) => ({
    allowed: t.exposeBoolean('allowed', { description: 'Whether the address may do it.' }),
    reason: t.field({ type: DecisionReasonType, description: 'The rule that decided.', resolve: ({ reason }) => reason }),
    rules: t.field({
      type: [DecisionRuleType],
      extensions: priced({ items: 3 }),
      description:
        "Every rule that was checked, in order: the state, the group's level, the level of the message type. None is checked after the first that refuses.",
      resolve: ({ rules }) => rules,
    }),
  }),
});

const TEXTS = {
  address: 'The address, whether or not it is a member.',
  action: 'The action.',
  messageType: 'The message type, 0 to 2³¹−1; 0 is the ordinary one.',
};

const PermissionCheck = builder.inputType('PermissionCheck', {
  description: 'The question whether an address may do something in a group.',
  fields: (t) => ({
    gid: t.id({ required: true, description: 'The number of the group.' }),
    address: t.string({ required: true, description: TEXTS.address }),
    action: t.field({ type: ActionType, required: true, description: TEXTS.action }),
    messageType: t.int({ description: `${TEXTS.messageType} Default 0.` }),
  }),
});

builder.objectFields(GroupRef, (t) => ({
  permission: t.field({
    type: PermissionDecision,
    description: `Whether an address may do something in the group now, and why. ${WEIGHS.decision}`,
    args: {
      address: t.arg.string({ required: true, description: TEXTS.address }),
      action: t.arg({ type: ActionType, required: true, description: TEXTS.action }),
      messageType: t.arg.int({ defaultValue: 0, description: TEXTS.messageType }),
    },
    extensions: DECISION,
    resolve: async (group, { address, action, ...args }, { load }) => {
      const issues = new Issues();
      const messageType = checkQuestion(issues, { address, ...args });
      issues.settle();
      const standing = await load.standing.load({ gid: group.gid, address, messageType });
      if (!standing) throw new GroupNotFoundError(group.gid);
      return decide({ ...standing, action, messageType });
    },
  }),
  allowed: t.field({
    type: MemberConnection,
    description: `The members for whom \`permission\` says yes now, by address. Its cursors are those of \`members\` by ADDRESS. In a round-robin group RECV lists who may come to be the one receiver. ${WEIGHS.page}`,
    args: {
      action: t.arg({ type: ActionType, required: true, description: 'The action.' }),
      messageType: t.arg.int({ defaultValue: 0, description: TEXTS.messageType }),
      except: t.arg.string({ description: "An address to leave out, like the sender's." }),
      first: t.arg.int({ description: 'How many, 1 to 1,000; default 50.' }),
      after: t.arg.string({ description: PAGE_ARGS.after }),
    },
    extensions: PAGE,
    resolve: async (group, args, { load }) => connectionOf(await load.allowed(group, args), load),
  }),
}));

builder.queryFields((t) => ({
  permissions: t.field({
    type: [PermissionDecision],
    nullable: { list: false, items: true },
    description: `Whether addresses may do something in groups now, and why: the answers in the order of the checks; null where the group does not exist, or the viewer may not see it. A user may ask about its own address also in a group that it is not in, where a level is ANYONE. ${WEIGHS.decisions}`,
    args: {
      checks: t.arg({ type: [PermissionCheck], required: true, description: `The questions, at most ${MAX_CHECKS}.` }),
    },
    extensions: DECISIONS,
    resolve: (_, { checks }, { db, viewer }) => {
      requireScope(viewer, 'READ');
      return decideChecks(db, viewer, checks);
    },
  }),
}));
