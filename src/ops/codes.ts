import {
  ClientGoneError,
  GroupNotFoundError,
  InvalidInputError,
  NotAllowedError,
  NotAMemberError,
  OverloadedError,
  RateLimitedError,
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
  | 'BADUSER'
  | 'NOTMEMBER'
  | 'TOOLARGE'
  | 'RATELIMIT'
  | 'SERVERERROR';

/** A request that the endpoint itself refuses. The message is a sentence for the person who reads a log. */
export class OpError extends Error {
  override name = 'OpError';
  readonly code: OpCode;
  constructor(code: OpCode, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

/** Why a request failed: the code, and a sentence that clients never need. */
export interface Failure {
  code: OpCode;
  sentence: string;
}

const BAD_TOKEN = 'The token is unknown, was revoked or has expired.';

/**
 * @param nameOf the parameter that the path of an issue stands for
 * @returns SERVERERROR for what nobody expected, of which no word is told
 */
export function failureOf(error: unknown, nameOf: (path: readonly string[]) => string): Failure {
  if (error instanceof OpError) return { code: error.code, sentence: error.message };
  if (error instanceof InvalidInputError) {
    const [{ path, message } = { path: [], message: '' }] = error.issues;
    return { code: 'BADPARA', sentence: wrong(nameOf(path), message) };
  }
  if (error instanceof NotAllowedError) return { code: 'AUTHFAIL', sentence: `The token lacks the scope ${error.right}.` };
  if (error instanceof UnauthenticatedError) return { code: 'AUTHFAIL', sentence: BAD_TOKEN };
  if (error instanceof GroupNotFoundError) return { code: 'BADGROUP', sentence: 'This app has no such group.' };
  if (error instanceof NotAMemberError) {
    const sentence = `With a type above 0 every address has to be a member of the group, and ${error.addresses[0]} is none.`;
    return { code: 'NOTMEMBER', sentence };
  }
  if (error instanceof RateLimitedError) return { code: 'RATELIMIT', sentence: `${error.message}.` };
  // Nothing was written, and the same request may do in a moment.
  if (error instanceof OverloadedError) {
    return { code: 'RATELIMIT', sentence: 'There is too much to do just now, and the same request may be sent again.' };
  }
  // Nobody reads it.
  if (error instanceof ClientGoneError) return { code: 'RATELIMIT', sentence: 'The client did not wait for the answer.' };
  if (error instanceof TimeoutError) return { code: 'SERVERERROR', sentence: 'The database took too long.' };
  return { code: 'SERVERERROR', sentence: 'Something went wrong inside.' };
}

/** The sentence about a parameter's value, of a problem that is a sentence or lacks its subject. */
export function wrong(parameter: string, problem: string): string {
  const subject = /^(must|is|names|cannot|would|makes) /.test(problem) ? 'it ' : '';
  return `The parameter ${parameter} is wrong: ${subject}${problem}.`;
}

export function badToken(): OpError {
  return new OpError('AUTHFAIL', BAD_TOKEN);
}
