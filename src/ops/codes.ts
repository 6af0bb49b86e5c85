import {
  GroupNotFoundError,
  InvalidInputError,
  NotAllowedError,
  NotAMemberError,
  OverloadedError,
  TimeoutError,
  UnauthenticatedError,
} from '../model/errors.ts';

/** The codes of the op endpoint. Clients compare them; none may change. */
export type OpCode =
  | 'BADOP'
  | 'AUTHFAIL'
  | 'MISSINGPARA'
  | 'BADPARA'
  | 'BADGROUP'
  | 'NOTMEMBER'
  | 'TOOLARGE'
  | 'RATELIMIT'
  | 'SERVERERROR';

/** A request that the endpoint itself refuses. */
export class OpError extends Error {
  override name = 'OpError';
  readonly code: OpCode;
  constructor(code: OpCode) {
    super(code);
    this.code = code;
  }
}

const CODES: readonly [new (...args: never[]) => Error, OpCode][] = [
  [InvalidInputError, 'BADPARA'],
  [NotAllowedError, 'AUTHFAIL'],
  [UnauthenticatedError, 'AUTHFAIL'],
  [GroupNotFoundError, 'BADGROUP'],
  [NotAMemberError, 'NOTMEMBER'],
  // Nothing was written, and the same request may do in a moment.
  [OverloadedError, 'RATELIMIT'],
  [TimeoutError, 'SERVERERROR'],
];

/** The code that an error is answered with; undefined for one that nobody expected. */
export function codeOf(error: unknown): OpCode | undefined {
  if (error instanceof OpError) return error.code;
  return CODES.find(([type]) => error instanceof type)?.[1];
}
