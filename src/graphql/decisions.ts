import { requireScope } from '../access/viewer.ts';
import { checkQuestion, decideChecks, MAX_CHECKS } from '../groups/read/permission-checks.ts';
import { DECISION_REASONS, type Decision, type DecisionReason, type DecisionRule, decide } from '../model/decision.ts';
import type { ActionName } from '../model/flags.ts';
import { Issues } from '../model/issues.ts';
import { builder } from './builder.ts';
import { connectionOf, PAGE_ARGS } from './connection.ts';
import { NODE, pageComplexity } from './limits.ts';
import { MemberConnection } from './member.ts';
import { GroupRef } from './refs.ts';

const action = (value: ActionName, description: string) => ({ value, description });

export const ActionType = builder.enumType('Action', {
  description: 'What somebody may do in a group. PUB, SUB and LIST never look at the message type.',
  values: {
    SEND: action('send', 'Send a message.'),
    RECV: action('recv', 'Receive a message; in a round-robin group, come to be the one that receives it.'),
    PUB: action('pub', 'Publish audio and video in a call of the group.'),
    SUB: action('sub', 'Subscribe to audio and video in a call of the group.'),
    LIST: action('list', "See who is in the group's call."),
  } as const,
});

const DecisionReasonType = builder.enumType('DecisionReason', {
  description: 'The rule that settled a decision: the first no; without one, the narrowest yes.',
  values: Object.fromEntries(DECISION_REASONS.map(([name, description]) => [name, { description }])) as Record<
    DecisionReason,
    { description: string }
  >,
});

const DecisionRuleType = builder.objectRef<DecisionRule>('DecisionRule').implement({
  description: 'A rule that a decision looked at.',
  fields: (t) => ({
    rule: t.exposeString('rule', {
      description:
        'Which rule: `state`; a level of the group, like `permissions.send`; a level of a message type, like `permissions(7).send`.',
    }),
    passed: t.exposeBoolean('passed', { description: 'Whether it says yes.' }),
    detail: t.exposeString('detail', { description: 'What it found, in English, for a log or a developer.' }),
  }),
});

export const PermissionDecision = builder.objectRef<Decision>('PermissionDecision').implement({
  description: 'Whether somebody may do something in a group now, and why.',
  fields: (t) => ({
    allowed: t.exposeBoolean('allowed', { description: 'Whether it may.' }),
    reason: t.field({ type: DecisionReasonType, description: 'The rule that settled it.', resolve: ({ reason }) => reason }),
    rules: t.field({
      type: [DecisionRuleType],
      description:
        "Every rule looked at, in order: the state, the group's level, the level of the message type. None is looked at after the first no.",
      resolve: ({ rules }) => rules,
    }),
  }),
});

const TEXTS = {
  address: 'The address, a member or not.',
  action: 'What it wants to do.',
  messageType: 'The message type, 0 to 2³¹−1; 0 is the ordinary one.',
};

const PermissionCheck = builder.inputType('PermissionCheck', {
  description: 'A question: may this address do this in this group?',
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
    nullable: true,
    description:
      'Whether an address may do something in the group now, and why; null where the viewer does not see the group any more, and asks about another.',
    args: {
      address: t.arg.string({ required: true, description: TEXTS.address }),
      action: t.arg({ type: ActionType, required: true, description: TEXTS.action }),
      messageType: t.arg.int({ defaultValue: 0, description: TEXTS.messageType }),
    },
    complexity: NODE,
    resolve: async (group, { address, action, ...args }, { load }) => {
      const issues = new Issues();
      const messageType = checkQuestion(issues, { address, ...args });
      issues.settle();
      const standing = await load.standing.load({ gid: group.gid, address, messageType });
      return standing && decide({ ...standing, action, messageType });
    },
  }),
  allowed: t.field({
    type: MemberConnection,
    description:
      'The members for whom `permission` says yes now, by address. Its cursors are those of `members` by ADDRESS. In a round-robin group RECV lists who may come to be the one receiver.',
    args: {
      action: t.arg({ type: ActionType, required: true, description: 'What they may do.' }),
      messageType: t.arg.int({ defaultValue: 0, description: TEXTS.messageType }),
      except: t.arg.string({ description: 'An address to leave out, like that of a sender.' }),
      first: t.arg.int({ description: 'How many, 1 to 1,000; default 50.' }),
      after: t.arg.string({ description: PAGE_ARGS.after }),
    },
    complexity: pageComplexity,
    resolve: async (group, args, { load }) => connectionOf(await load.allowed(group, args)),
  }),
}));

builder.queryFields((t) => ({
  permissions: t.field({
    type: [PermissionDecision],
    nullable: { list: false, items: true },
    description:
      'Whether addresses may do something in groups now, and why: the answers in the order of the checks; null where the group does not exist, or the viewer may not see it. A user may ask about its own address also in a group that it is not in, where a level is ANYONE.',
    args: {
      checks: t.arg({ type: [PermissionCheck], required: true, description: `The questions, at most ${MAX_CHECKS}.` }),
    },
    complexity: ({ checks }) => ({ field: checks.length * NODE, multiplier: checks.length }),
    resolve: (_, { checks }, { db, viewer }) => {
      requireScope(viewer, 'READ');
      return decideChecks(db, viewer, checks);
    },
  }),
}));
