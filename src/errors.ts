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
  /** The missing right of groups/rights.ts, or the missing scope of access/viewer.ts, or "application". */
  readonly right: string;
  constructor(right: string) {
    super(right === 'application' ? 'This needs an application token' : `This needs ${right}`);
    this.right = right;
  }
}

/** What the database refuses for now: for those who answer callers, who never touch it. */
export { OverloadedError, TimeoutError } from './db/errors.ts';
