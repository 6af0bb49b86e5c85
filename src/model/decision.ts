import { DomainError } from './errors.ts';
import { type ActionName, AUDIENCES, type Level, levelsOf, RECEIVE_MODES } from './flags.ts';
import type { GroupSettings, TypeLevels } from './group.ts';
import { permissionBit } from './member-permissions.ts';
import { type GroupState, stateAt } from './validity.ts';

/** The reasons of a decision with their meaning: first those that allow, from the widest to the narrowest. */
export const DECISION_REASONS = [
  ['ANYONE', 'Yes: anyone may.'],
  ['MEMBER', 'Yes: every member may, or may be the one in turn.'],
  ['SELECTED_MEMBER', 'Yes: only selected members may, and the member is selected.'],
  ['NOT_A_MEMBER', 'No: only members may, and the address is not a member.'],
  ['NOT_SELECTED', "No: only selected members may, and the member's own permission is false."],
  [
    'MESSAGE_TYPE_NOT_SELECTED',
    'No: with this message type only selected members may, and the member has no entry that allows it.',
  ],
  ['GROUP_PAUSED', 'No: the group is paused.'],
  ['GROUP_EXPIRED', 'No: the group has expired.'],
  ['GROUP_NOT_STARTED', 'No: the group has not started.'],
] as const;
export type DecisionReason = (typeof DECISION_REASONS)[number][0];

/** A rule that was checked. */
export interface DecisionRule {
  /** `state`, or the name of the level: `permissions.send`, `permissions(7).send`. */
  rule: string;
  passed: boolean;
  /** For people. */
  detail: string;
}

export interface Decision {
  allowed: boolean;
  /** The rule that decided: the first that refuses; if none does, the narrowest that allows. */
  reason: DecisionReason;
  /** Every rule that was checked, in order. */
  rules: DecisionRule[];
}

/** Everything that a decision depends on: may this address do this in this group, now? */
export interface Question {
  group: Pick<GroupSettings, 'active' | 'startsAt' | 'expiresAt' | 'flags'>;
  /** The group's set for the message type; undefined: it has none. Not used for message type 0. */
  type?: TypeLevels | undefined;
  /** undefined: not a member. */
  member?: { permissions: number; entry?: number | undefined } | undefined;
  action: ActionName;
  /** 0 to 2³¹−1. */
  messageType: number;
  /** The database's clock. */
  now: Date;
}

const STATE_NOES: Record<Exclude<GroupState, 'ACTIVE'>, DecisionReason> = {
  PAUSED: 'GROUP_PAUSED',
  EXPIRED: 'GROUP_EXPIRED',
  SCHEDULED: 'GROUP_NOT_STARTED',
};
const SELECTED = 1;
const WIDEST = 2;

/** The level of an action in a message type's set; undefined: there is no set, or it does not cover the action. */
export function typeLevel(action: ActionName, messageType: number, type: TypeLevels | undefined): Level | undefined {
  return messageType > 0 && (action === 'send' || action === 'recv') ? type?.[action] : undefined;
}

/** Whether each message goes to one receiver in turn: round robin in either set. */
export function isRoundRobin(flags: number, messageType: number, type: TypeLevels | undefined): boolean {
  return levelsOf(flags).recv === WIDEST || typeLevel('recv', messageType, type) === WIDEST;
}

/**
 * What a member of an active group needs to be allowed: its own permission, an entry for the message type that allows it,
 * both or neither.
 */
export function demanded(
  flags: number,
  type: TypeLevels | undefined,
  action: ActionName,
  messageType: number,
): { permission: boolean; entry: boolean } {
  return { permission: levelsOf(flags)[action] === SELECTED, entry: typeLevel(action, messageType, type) === SELECTED };
}

/** Checks the state, the group's level, then the type's level. The first that refuses decides. */
export function decide({ group, type, member, action, messageType, now }: Question): Decision {
  const bit = permissionBit(action);
  const rules: DecisionRule[] = [];
  const no = (reason: DecisionReason): Decision => ({ allowed: false, reason, rules });

  const state = stateAt(group, now);
  rules.push({ rule: 'state', passed: state === 'ACTIVE', detail: `the group is ${state}` });
  if (state !== 'ACTIVE') return no(STATE_NOES[state]);

  const own = member && (member.permissions & bit) !== 0;
  const byGroup = weigh(levelsOf(group.flags)[action], action, own, 'NOT_SELECTED');
  rules.push({ rule: `permissions.${action}`, ...byGroup.rule });
  if (!byGroup.rule.passed) return no(byGroup.reason);

  const level = typeLevel(action, messageType, type);
  if (level === undefined) return { allowed: true, reason: byGroup.reason, rules };
  const entry = member && ((member.entry ?? 0) & bit) !== 0;
  const byType = weigh(level, action, entry, 'MESSAGE_TYPE_NOT_SELECTED');
  rules.push({ rule: `permissions(${messageType}).${action}`, ...byType.rule });
  if (!byType.rule.passed) return no(byType.reason);
  return { allowed: true, reason: narrower(byGroup.reason, byType.reason), rules };
}

const NAMES = DECISION_REASONS.map(([name]) => name);
const narrower = (a: DecisionReason, b: DecisionReason) => (NAMES.indexOf(a) > NAMES.indexOf(b) ? a : b);

/** Checks one level. `selected`: whether the member is selected; undefined: the address is not a member. */
function weigh(
  level: Level,
  action: ActionName,
  selected: boolean | undefined,
  notSelected: DecisionReason,
): { reason: DecisionReason; rule: Omit<DecisionRule, 'rule'> } {
  const reason = reasonAt(level, action, selected, notSelected);
  const who =
    selected === undefined ? 'not a member' : `a member${level === SELECTED ? `, ${selected ? '' : 'not '}selected` : ''}`;
  const name = (action === 'recv' ? RECEIVE_MODES : AUDIENCES)[level];
  return {
    reason,
    rule: { passed: reason !== 'NOT_A_MEMBER' && reason !== notSelected, detail: `${name}; the address is ${who}` },
  };
}

function reasonAt(level: Level, action: ActionName, selected: boolean | undefined, notSelected: DecisionReason): DecisionReason {
  // The widest level of recv is round robin: one of the members.
  if (level === WIDEST && action !== 'recv') return 'ANYONE';
  if (selected === undefined) return 'NOT_A_MEMBER';
  if (level !== SELECTED) return 'MEMBER';
  return selected ? 'SELECTED_MEMBER' : notSelected;
}

/** The sender may not send this message. */
export class MessageRefusedError extends DomainError {
  readonly code = 'MESSAGE_REFUSED';
  readonly decision: Decision;
  constructor(decision: Decision) {
    super(`The message may not be sent: ${decision.reason}`);
    this.decision = decision;
  }
}
