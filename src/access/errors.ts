import { DomainError } from '../errors.ts';

/** The token was revoked, or has expired, since the request was let in. */
export class UnauthenticatedError extends DomainError {
  readonly code = 'UNAUTHENTICATED';
  constructor() {
    super('The token is not valid any more');
  }
}

/** The app has no such token, or no longer: nothing tells the two apart, nor a malformed id. */
export class TokenNotFoundError extends DomainError {
  readonly code = 'TOKEN_NOT_FOUND';
  constructor() {
    super('There is no such token');
  }
}
