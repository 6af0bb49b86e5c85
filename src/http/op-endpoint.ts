import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Viewer } from '../access/viewer.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db/client.ts';
import { codeOf, type OpCode, OpError } from '../ops/codes.ts';
import { ENVELOPE, readField } from '../ops/fields.ts';
import { OPS, requireScopes } from '../ops/table.ts';
import { readWire, type Wire } from '../ops/wire.ts';
import { endAfterBody, readBody } from './body.ts';

export interface OpEndpointDeps {
  db: Database;
  log: Logger;
  /** `off` is the caller's: it then never calls. */
  mode: Config['opEndpoint'];
  /** BODY_LIMIT, in bytes; the endpoint's own limit holds too. */
  bodyLimit: number;
  /** The viewer of an Authorization header's value. */
  authenticate: (authorization: string) => Promise<Viewer | null>;
  tokensRevoked: () => Promise<void>;
  requestId: () => string;
  /** How long a client may go on sending a body that was refused, in milliseconds; body.ts has the default. */
  linger?: number;
}

export const OP_PATHS: ReadonlySet<string> = new Set(['/backend', '/backend/', '/api.php']);
const BODY_LIMIT = 8 * 1024 * 1024;

/** A longer name is no op, and is not sent back. */
const MAX_ECHO = 100;

const METHODS = 'GET, POST, PUT, PATCH, DELETE';
/** Any page may call, since what it needs is a token and no cookie. */
const HEADERS = { 'Cache-Control': 'no-store', 'Access-Control-Allow-Origin': '*' };
const PREFLIGHT = {
  ...HEADERS,
  'Access-Control-Allow-Methods': METHODS,
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Max-Age': '3600',
};

/** What is known of a request, as far as it could be read; the log gets it. */
interface Exchange {
  op?: string;
  id?: number;
  viewer?: Viewer;
  error?: OpCode;
}

type Answer = Record<string, unknown>;

/** Answers the requests on OP_PATHS: HTTP 200 and JSON whatever comes, but for OPTIONS and HEAD, which run nothing. */
export function createOpEndpoint(deps: OpEndpointDeps): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    if (req.method === 'OPTIONS') res.writeHead(204, PREFLIGHT).end();
    else if (req.method === 'HEAD') res.writeHead(405, { ...HEADERS, Allow: `${METHODS}, OPTIONS` }).end();
    else void exchange(deps, req, res);
  };
}

async function exchange(deps: OpEndpointDeps, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const begun = performance.now();
  const requestId = deps.requestId();
  const [path, query = ''] = splitUrl(req.url ?? '');
  const known: Exchange = {};
  let result: Answer | undefined;
  try {
    const body = await readBody(req, Math.min(deps.bodyLimit, BODY_LIMIT));
    result = await runOp(deps, readWire(query, req.headers['content-type'] ?? '', body), known);
  } catch (error) {
    if (req.destroyed && !req.complete) return; // nobody is there to be answered
    known.error = codeOf(error) ?? 'SERVERERROR';
    if (known.error === 'SERVERERROR') deps.log.error({ err: error, requestId, op: knownOp(known) }, 'unexpected error');
  }
  const { op, id, error, viewer } = known;
  write(req, res, requestId, { op, id, result: !error, error, ...result });
  endAfterBody(req, res, deps.linger);
  const ms = Math.round((performance.now() - begun) * 10) / 10;
  deps.log.info({ requestId, method: req.method, path, status: 200, ms, app: viewer?.appName, op: knownOp(known), error }, 'op');
}

function splitUrl(url: string): [path: string, query?: string] {
  const from = url.indexOf('?');
  return from < 0 ? [url] : [url.slice(0, from), url.slice(from + 1)];
}

/** Only names of ours reach the log: what stands in the place of an op may be anything, a token too. */
const knownOp = ({ op }: Exchange) => (op !== undefined && OPS.has(op) ? op : undefined);

async function runOp(deps: OpEndpointDeps, wire: Wire, known: Exchange): Promise<Answer> {
  known.id = idOf(wire);
  const name = orElse('BADOP', () => readField(wire, ENVELOPE.op)) ?? '';
  if (name !== '' && name.length <= MAX_ECHO) known.op = name;
  const op = OPS.get(name);
  if (!op) throw new OpError('BADOP');
  readField(wire, ENVELOPE.id);
  if (deps.mode === 'post' && wire.query.has('token')) throw new OpError('AUTHFAIL');
  const token = orElse('AUTHFAIL', () => readField(wire, ENVELOPE.token));
  const viewer = token === undefined || /\s/.test(token) ? null : await deps.authenticate(`Bearer ${token}`);
  // A user's token is for GraphQL: no op names an acting user.
  if (viewer === null || viewer.address !== null) throw new OpError('AUTHFAIL');
  known.viewer = viewer;
  requireScopes(op, viewer);
  return (await op.run({ db: deps.db, viewer, tokensRevoked: deps.tokensRevoked }, wire)) as Answer;
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

function write(req: IncomingMessage, res: ServerResponse, requestId: string, body: Answer): void {
  const text = JSON.stringify(body);
  res.writeHead(200, {
    ...HEADERS,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'X-Request-Id': requestId,
    ...(req.complete ? {} : { Connection: 'close' }),
  });
  res.write(text);
}
