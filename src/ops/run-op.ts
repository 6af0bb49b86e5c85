import type { Viewer } from '../access/viewer.ts';
import type { Database } from '../db/client.ts';
import { codeOf, type OpCode, OpError } from './codes.ts';
import { ENVELOPE, readField } from './fields.ts';
import { OPS, requireScopes } from './table.ts';
import { readWire, type Wire } from './wire.ts';

export interface OpDeps {
  db: Database;
  /** Whether a token may stand in the query. */
  tokenInQuery: boolean;
  /** The viewer of an Authorization header's value. */
  authenticate: (authorization: string) => Promise<Viewer | null>;
}

/** What came of a request, and what is known of it as far as it could be read. */
export interface Outcome {
  /** As it was sent: no op of ours, perhaps. */
  op?: string;
  id?: number;
  viewer?: Viewer;
  /** What the op answers, beside the envelope. */
  result?: object;
  error?: OpCode;
  /** What was thrown, where there is an `error`. */
  cause?: unknown;
}

/** A longer name is no op, and is not sent back. */
const MAX_ECHO = 100;

/** Runs the op that a request asks for; readWire has the parameters. Never throws. */
export async function runOp(deps: OpDeps, query: string, contentType: string, body: Buffer): Promise<Outcome> {
  const outcome: Outcome = {};
  try {
    outcome.result = await run(deps, readWire(query, contentType, body), outcome);
  } catch (error) {
    outcome.error = codeOf(error) ?? 'SERVERERROR';
    outcome.cause = error;
  }
  return outcome;
}

/** The answer as the wire has it. */
export function answerOf({ op, id, error, result }: Outcome): object {
  return { op, id, result: !error, error, ...result };
}

/** Only names of ours reach the log: what stands in the place of an op may be anything, a token too. */
export function knownOp({ op }: Outcome): string | undefined {
  return op !== undefined && OPS.has(op) ? op : undefined;
}

async function run({ db, ...deps }: OpDeps, wire: Wire, outcome: Outcome): Promise<object> {
  outcome.id = idOf(wire);
  const name = orElse('BADOP', () => readField(wire, ENVELOPE.op)) ?? '';
  if (name !== '' && name.length <= MAX_ECHO) outcome.op = name;
  const op = OPS.get(name);
  if (!op) throw new OpError('BADOP');
  readField(wire, ENVELOPE.id);
  if (!deps.tokenInQuery && wire.query.has('token')) throw new OpError('AUTHFAIL');
  const token = orElse('AUTHFAIL', () => readField(wire, ENVELOPE.token));
  const viewer = token === undefined || /\s/.test(token) ? null : await deps.authenticate(`Bearer ${token}`);
  // A user's token is for GraphQL: no op names an acting user.
  if (viewer === null || viewer.address !== null) throw new OpError('AUTHFAIL');
  outcome.viewer = viewer;
  requireScopes(op, viewer);
  return op.run({ db, viewer }, wire);
}

/** The id to be echoed; one that cannot be read is refused after the op is known to be one. */
function idOf(wire: Wire): number | undefined {
  try {
    return readField(wire, ENVELOPE.id);
  } catch {
    return undefined;
  }
}

function orElse<T>(code: OpCode, read: () => T): T {
  try {
    return read();
  } catch {
    throw new OpError(code);
  }
}
