import type { Viewer } from '../../access/viewer.ts';
import { Issues, type Path } from '../../model/issues.ts';
import type { MessageId } from '../routing/routed-messages.ts';
import { idempotentRequest } from '../write/idempotency.ts';
import { messageTypeOf } from './member-input.ts';

export interface GroupRouteMessageInput {
  gid: string;
  /** The sender's address. */
  from: string;
  /** Default 0. */
  messageType?: number | null;
  /** Round robin: one of these addresses is chosen, at most 5,000. */
  among?: readonly string[] | null;
  /** The message's id. */
  idempotencyKey?: string | null;
}

/** A message whose input is valid. */
export interface Message {
  gid: string;
  from: string;
  messageType: number;
  among: readonly string[] | undefined;
  id: MessageId | undefined;
}

const INPUT: Path = ['input'];
const MAX_AMONG = 5_000;

/**
 * Checks the input of a message. The hash of its id covers all other fields.
 * @throws InvalidInputError
 */
export function checkMessage(viewer: Viewer, input: GroupRouteMessageInput): Message {
  const issues = new Issues();
  issues.noNulls(input, INPUT, ['messageType']);
  issues.address(input.from, [...INPUT, 'from']);
  const messageType = messageTypeOf(issues, input.messageType, [...INPUT, 'messageType']);
  issues.idempotencyKey(input.idempotencyKey, [...INPUT, 'idempotencyKey']);
  checkAmong(issues, input.among ?? [], [...INPUT, 'among']);
  issues.settle();
  const { gid, from, idempotencyKey: key } = input;
  const among = input.among ?? undefined;
  const message = { gid, from, messageType, among };
  const { appId } = viewer;
  const id = key == null ? undefined : { appId, key, hash: idempotentRequest(viewer, 'groupRouteMessage', key, message).hash };
  return { ...message, id };
}

function checkAmong(issues: Issues, among: readonly string[], path: Path): void {
  if (among.length > MAX_AMONG) {
    issues.add(path, `must be at most ${MAX_AMONG} addresses`);
    return;
  }
  const seen = new Set<string>();
  among.forEach((address, index) => {
    issues.address(address, [...path, index]);
    if (seen.has(address)) issues.add([...path, index], 'the address is named twice in this request');
    seen.add(address);
  });
}
