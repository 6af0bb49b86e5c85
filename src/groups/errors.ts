import { DomainError } from '../errors.ts';
import type { Decision } from './decision.ts';

/** The group does not exist, or the caller may not see it: nothing tells the two apart. */
export class GroupNotFoundError extends DomainError {
  readonly code = 'GROUP_NOT_FOUND';
  readonly gid: string;
  constructor(gid: string | number) {
    super('There is no such group');
    this.gid = String(gid);
  }
}

export class VersionConflictError extends DomainError {
  readonly code = 'VERSION_CONFLICT';
  readonly currentVersion: number;
  constructor(currentVersion: number) {
    super(`The group is at version ${currentVersion}`);
    this.currentVersion = currentVersion;
  }
}

export class IdempotencyConflictError extends DomainError {
  readonly code = 'IDEMPOTENCY_CONFLICT';
  constructor() {
    super('This idempotency key was used with another input');
  }
}

export class LastOwnerError extends DomainError {
  readonly code = 'LAST_OWNER';
  constructor() {
    super('The last owner can neither leave nor give up ownership');
  }
}

export class NotAMemberError extends DomainError {
  readonly code = 'NOT_A_MEMBER';
  /** At most 100 of them. */
  readonly addresses: readonly string[];
  constructor(addresses: readonly string[], messageType = 0) {
    super(messageType > 0 ? `Not members, or without an entry for message type ${messageType}` : 'Not members of the group');
    this.addresses = addresses.slice(0, 100);
  }
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
