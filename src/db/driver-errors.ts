import { OverloadedError, TimeoutError } from '../model/errors.ts';

/** The SQLSTATE of a driver's error, if it has one. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** By the statement's timeout, or on request. */
export const QUERY_CANCELED = '57014';
const LOCK_NOT_AVAILABLE = '55P03';
const IDLE_IN_TRANSACTION = '25P03';

/** The driver's error as one of ours where the caller can act on it, else as it is. */
export function translateDriverError(error: unknown): unknown {
  const state = sqlState(error);
  if (state === QUERY_CANCELED || state === LOCK_NOT_AVAILABLE || state === IDLE_IN_TRANSACTION) {
    return new TimeoutError('The database took too long', { cause: error });
  }
  if (error instanceof Error && error.message.startsWith('timeout exceeded when trying to connect')) {
    return new OverloadedError('No database connection came free in time', { cause: error });
  }
  return error;
}
