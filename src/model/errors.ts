/** What is wrong with one value of the input. The path begins at the argument. */
export interface InputIssue {
  path: string[];
  message: string;
}

/** An answer that the caller can act on. Nothing was written. */
export abstract class DomainError extends Error {
  abstract readonly code: string;
}

export class InvalidInputError extends DomainError {
  readonly code = 'INVALID_INPUT';
  readonly issues: readonly InputIssue[];
  constructor(issues: readonly InputIssue[]) {
    super(issues.length === 1 ? `Invalid input: ${issues[0]?.message}` : `Invalid input: ${issues.length} issues`);
    this.issues = issues;
  }
}

export class NotAllowedError extends DomainError {
  readonly code = 'NOT_ALLOWED';
  /** The missing right of model/rights.ts, or the missing scope of access/viewer.ts, or "application". */
  readonly right: string;
  constructor(right: string) {
    super(right === 'application' ? 'This needs an application token' : `This needs ${right}`);
    this.right = right;
  }
}

/** The token was revoked, or has expired, since the request was let in. */
export class UnauthenticatedError extends DomainError {
  readonly code = 'UNAUTHENTICATED';
  constructor() {
    super('The token is not valid any more');
  }
}

/** The app has no such token, or no longer, or the id is malformed: callers cannot tell which. */
export class TokenNotFoundError extends DomainError {
  readonly code = 'TOKEN_NOT_FOUND';
  constructor() {
    super('There is no such token');
  }
}

/** In characters: a longer one is no gid, and is not sent back whole. */
const MAX_GID = 100;

/** The group does not exist, or the caller may not see it: callers cannot tell which. */
export class GroupNotFoundError extends DomainError {
  readonly code = 'GROUP_NOT_FOUND';
  readonly gid: string;
  constructor(gid: string | number) {
    super('There is no such group');
    this.gid = String(gid).slice(0, MAX_GID);
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

export type StreamEnd = 'BAD_CURSOR' | 'CURSOR_EXPIRED' | 'TOKEN_REVOKED' | 'TOKEN_EXPIRED' | 'LEFT_GROUP' | 'SERVER_STOPPING';

const MESSAGES: Record<StreamEnd, string> = {
  BAD_CURSOR: 'The cursor is not one of this stream, or of a history that the database no longer has; begin with a snapshot',
  CURSOR_EXPIRED: 'Records after the cursor are no longer kept, or are not for this viewer; begin with a snapshot',
  TOKEN_REVOKED: 'The token was revoked',
  TOKEN_EXPIRED: 'The token has expired',
  LEFT_GROUP: 'The viewer is no longer a member of the group',
  SERVER_STOPPING: 'The gateway is stopping; subscribe again with the last cursor',
};

/** Why a stream ends, or cannot begin. */
export class StreamEndError extends DomainError {
  readonly code: StreamEnd;
  constructor(code: StreamEnd) {
    super(MESSAGES[code]);
    this.code = code;
  }
}

/** The caller has more open than a setting allows. */
export class LimitExceededError extends Error {
  override name = 'LimitExceededError';
  /** The setting, and what it is. */
  readonly limit: string;
  readonly max: number;
  constructor(limit: string, max: number, message: string) {
    super(message);
    this.limit = limit;
    this.max = max;
  }
}

/** The caller sends more than it may; nothing was written. */
export class RateLimitedError extends Error {
  override name = 'RateLimitedError';
  /** In how many seconds the same may be sent again: whole, at least 1. */
  readonly retryAfter: number;
  constructor(message: string, retryAfter: number) {
    super(message);
    this.retryAfter = Math.max(1, Math.ceil(retryAfter));
  }
}

/** More work waits than the gateway takes on; nothing was written. */
export class OverloadedError extends Error {
  override name = 'OverloadedError';
}

/** Nobody waits for the answer any longer: the client has left, or completed the operation. Nothing is told or logged of it. */
export class ClientGoneError extends Error {
  override name = 'ClientGoneError';
  constructor() {
    super('The client did not wait for the answer');
  }
}

/** A statement or a transaction ran, or waited, longer than it may; nothing was written. */
export class TimeoutError extends Error {
  override name = 'TimeoutError';
}
