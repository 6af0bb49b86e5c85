import { stdSerializers } from 'pino';

/** What is logged of an error. The rest of a database's error may be what callers sent: addresses, hashes of tokens. */
const LOGGED = ['type', 'message', 'stack', 'code', 'severity', 'schema', 'table', 'column', 'constraint', 'routine'] as const;

export function loggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const all = stdSerializers.err(error);
  return Object.fromEntries(LOGGED.filter((name) => all[name] !== undefined).map((name) => [name, all[name]]));
}
