import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { OverloadedError, RateLimitedError } from '../model/errors.ts';
import { failureOf } from '../ops/codes.ts';
import { answerOf, knownOp, type OpDeps, type Outcome, runOp } from '../ops/run-op.ts';
import { type Bodies, BodyRefusedError } from './bodies.ts';
import { EXPOSED_HEADERS, preflightHeaders } from './cors.ts';
import { createEndpoint, type Endpoint } from './endpoint.ts';
import { loggedError } from './logged-error.ts';
import { type Entrant, type Gate, rateFields } from './rates/gate.ts';
import { currentRequestId } from './request-id.ts';
import { logRequest } from './request-log.ts';
import type { Strangers } from './strangers.ts';
import { turnToParse } from './turn-to-parse.ts';
import type { Authenticate } from './yoga/authentication.ts';

export interface OpEndpointDeps extends Omit<OpDeps, 'tokenInQuery' | 'limits' | 'enter' | 'authenticate'> {
  log: Logger;
  gate: Gate;
  authenticate: Authenticate;
  /** BODY_LIMIT, in bytes; the endpoint's own limit also applies. */
  config: Pick<Config, 'bodyLimit' | 'opEndpoint' | 'maxMessageTypes'>;
  bodies: Bodies;
  strangers?: Strangers;
  /** How long a client may continue to send a body that was refused, in milliseconds; end-after-body.ts has the default. */
  linger?: number;
}

const BODY_LIMIT = 8 * 1024 * 1024;

const METHODS = 'GET, POST, PUT, PATCH, DELETE';
/** Pages of any origin may call: the endpoint needs a token and takes no cookie. */
const ANY_ORIGIN = { 'Cache-Control': 'no-store', 'Access-Control-Allow-Origin': '*' };
const HEADERS = { ...ANY_ORIGIN, 'Access-Control-Expose-Headers': EXPOSED_HEADERS };
const PREFLIGHT = { ...ANY_ORIGIN, ...preflightHeaders(METHODS, '*') };

/** Answers every request with HTTP 200 and JSON, except OPTIONS and HEAD, which run nothing. */
export function createOpEndpoint({
  log,
  config,
  bodies,
  strangers,
  gate,
  linger,
  authenticate,
  ...deps
}: OpEndpointDeps): Endpoint {
  const limit = Math.min(config.bodyLimit, BODY_LIMIT);
  const opDeps = { ...deps, limits: config, tokenInQuery: config.opEndpoint === 'on' };
  return createEndpoint(
    async ({ method, path, query, contentType, readBody, address, signal }) => {
      if (method === 'OPTIONS') return { status: 204, headers: PREFLIGHT };
      if (method === 'HEAD') return { status: 405, headers: { ...ANY_ORIGIN, Allow: `${METHODS}, OPTIONS` } };
      const entrant: Entrant = { viewer: null, signal };
      const own: Pick<OpDeps, 'enter' | 'authenticate' | 'signal'> = {
        enter: async (viewer, cost) => gate.enter(Object.assign(entrant, { viewer }), cost),
        authenticate: (given) => authenticate(given, address),
        signal,
      };
      const outcome = await readBody(bodies, limit).then(async (body) => {
        entrant.bytes = body.length;
        await turnToParse(body);
        return runOp({ ...opDeps, ...own }, query, contentType, body);
      }, refusal);
      const { viewer, error, cause } = outcome;
      const requestId = currentRequestId();
      const op = knownOp(outcome);
      if (error === 'SERVERERROR') {
        log.error({ err: loggedError(cause), requestId, op }, 'unexpected error');
        outcome.description = `${outcome.description?.slice(0, -1)}; the log has it under the request id ${requestId}.`;
      }
      logRequest(log, 'op', { method, path, status: 200, viewer }, { op, error });
      const answer = JSON.stringify(answerOf(outcome));
      const about = { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(answer)) };
      const rate = Object.fromEntries([...rateFields(entrant.rate), ...retryAfter(cause)]);
      return {
        status: 200,
        headers: { ...HEADERS, ...about, ...rate, 'X-Request-Id': requestId },
        body: answer,
        known: viewer !== undefined,
      };
    },
    { linger, strangers },
  );
}

/** When the same may be sent again, in seconds. */
function retryAfter(error: unknown): [name: string, value: string][] {
  if (error instanceof RateLimitedError) return [['Retry-After', String(error.retryAfter)]];
  return error instanceof OverloadedError ? [['Retry-After', '1']] : [];
}

/** What becomes of a body that is not taken: nothing was run. */
function refusal(error: unknown): Outcome {
  if (error instanceof BodyRefusedError) {
    // One that came too slowly may well come sooner next time: clients send again what was RATELIMIT.
    return { error: error.limit === 'BODY_LIMIT' ? 'TOOLARGE' : 'RATELIMIT', description: `${error.message}.` };
  }
  const { code, sentence } = failureOf(error, () => 'body');
  if (code === 'SERVERERROR') throw error;
  return { error: code, description: sentence, cause: error };
}
