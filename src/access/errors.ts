import { DomainError } from '../errors.ts';

/** The app has no such token, or no longer: nothing tells the two apart, nor a malformed id. */
export class TokenNotFoundError extends DomainError {
  readonly code = 'TOKEN_NOT_FOUND';
  constructor() {
    super('There is no such token');
  }
}
