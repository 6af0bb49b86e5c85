import { DomainError } from '../errors.ts';

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
