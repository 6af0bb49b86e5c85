import { databaseOf, type Viewer } from '../access/viewer.ts';
import type { Database } from '../db/client.ts';
import type { GroupLimits } from '../model/group.ts';
import type { Cost } from '../model/points.ts';
import { badToken, failureOf, type OpCode, OpError } from './codes.ts';
import { ENVELOPE, parameterAt, readField } from './fields.ts';
import { OPS, requireScopes } from './table.ts';
import { readWire, type Wire } from './wire.ts';

export interface OpDeps {
  db: Database;
  /** Whether a token may stand in the query. */
  tokenInQuery: boolean;
  limits: GroupLimits;
  /** The viewer of an Authorization header's value. */
  authenticate: (authorization: string) => Promise<Viewer | null>;
  /** Waits until an op of this cost may run, and gives what is to be called when it is over. */
  enter: (viewer: Viewer, cost: Cost) => Promise<() => void>;
  /** Aborted when the client does not wait for the answer any longer. */
  signal?: AbortSignal;
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
  /** One sentence about the error, for the person who reads a log. */
  description?: string;
  /** What was thrown, where there is an `error`. */
  cause?: unknown;
}

/** A longer name is no op, and is not sent back. */
const MAX_ECHO = 100;

/** Runs the op that a request asks for; readWire has the parameters. Never throws. */
export async function runOp(deps: OpDeps, query: string, contentType: string, body: Buffer): Promise<Outcome> {
  const outcome: Outcome = {};
  let wire: Wire | undefined;
  try {
    wire = readWire(query, contentType, body);
    outcome.result = await run(deps, wire, outcome);
  } catch (error) {
    const { code, sentence } = failureOf(error, (path) => parameterAt(wire, path));
    outcome.error = code;
    outcome.description = sentence;
    outcome.cause = error;
  }
  return outcome;
}

/** The answer as the wire has it. */
export function answerOf({ op, id, error, description, result }: Outcome): object {
  return { op, id, result: !error, error, error_description: description, ...result };
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
  if (!op) throw new OpError('BADOP', name === '' ? 'The parameter op is missing.' : 'There is no op of this name.');
  readField(wire, ENVELOPE.id);
  if (!deps.tokenInQuery && wire.query.has('token')) {
    throw new OpError('AUTHFAIL', 'The token may not stand in the URL here; send it in the body.');
  }
  const token = orElse('AUTHFAIL', () => readField(wire, ENVELOPE.token));
  if (token === undefined) throw new OpError('AUTHFAIL', 'The parameter token is missing.');
  const viewer = /\s/.test(token) ? null : await deps.authenticate(`Bearer ${token}`);
  if (viewer === null) throw badToken();
  // A user's token is for GraphQL: no op names an acting user.
  if (viewer.address !== null) throw new OpError('AUTHFAIL', 'The token is a user’s; ops need the token of an application.');
  outcome.viewer = viewer;
  requireScopes(op, viewer);
  let leave: (() => void) | undefined;
  const begin = async (cost: Cost) => {
    leave = await deps.enter(viewer, cost);
    return databaseOf(db, viewer, deps.signal);
  };
  try {
    return await op.run({ viewer, begin, limits: deps.limits }, wire);
  } finally {
    leave?.();
  }
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
  } catch (error) {
    throw error instanceof OpError ? new OpError(code, error.message) : error;
  }
}
