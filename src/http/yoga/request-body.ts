import type { IncomingMessage, ServerResponse } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { tokenKey } from '../../access/viewer.ts';
import type { Config } from '../../config.ts';
import { limitExceeded } from '../../graphql/limits.ts';
import { hasMoreValues } from '../../model/json.ts';
import { type Bodies, BodyBrokenError, BodyRefusedError } from '../bodies.ts';
import { bodyOf } from '../endpoint.ts';
import { turnToParse } from '../turn-to-parse.ts';
import { requestState } from './authentication.ts';

interface ServerContext {
  /** Absent where a request came as fetch has it. */
  req?: IncomingMessage;
  res?: ServerResponse;
}

/** Of a form, in bytes: its variables are JSON within it. */
const FORM_LIMIT = 1024 * 1024;
const FORM = 'application/x-www-form-urlencoded';

/**
 * Reads the body, of at most `bodyLimit` bytes, in Yoga's place, which keeps it chunk by chunk; its parsers get the text. A body
 * or parameters that cannot be read are the caller's mistake: 400, without repeating what was sent. JSON with more
 * values than `maxValues` is not parsed.
 */
export function useRequestBody(
  bodies: Bodies,
  { bodyLimit, maxValues }: Pick<Config, 'bodyLimit' | 'maxValues'>,
): Plugin<Record<string, unknown>, ServerContext> {
  function parsed(text: string): unknown {
    if (!hasMoreValues(text, maxValues)) return JSON.parse(text);
    throw limitExceeded('MAX_VALUES', maxValues, `The body has more than ${maxValues} values`, { status: 400 });
  }
  async function textOf(request: Request, { req, res }: ServerContext): Promise<string> {
    const body = req ? bodyOf(req) : request.body;
    if (!body) return '';
    const { viewer } = requestState(request);
    const token = viewer ? tokenKey(viewer) : undefined;
    const contentLength = request.headers.get('content-length');
    const limit = request.headers.get('content-type')?.startsWith(FORM) ? Math.min(bodyLimit, FORM_LIMIT) : bodyLimit;
    return new TextDecoder().decode(await bodies.read(body, { limit, contentLength, token, kept: res && whileAnswered(res) }));
  }
  return {
    onRequestParse({ serverContext, requestParser, setRequestParser }) {
      if (!requestParser) return;
      setRequestParser(async (whole) => {
        try {
          if (whole.method !== 'POST') return await requestParser(whole);
          const text = await textOf(whole, serverContext);
          requestState(whole).bytes = text.length;
          await turnToParse(text);
          return await requestParser({ text: async () => text, json: async () => parsed(text) } as Request);
        } catch (error) {
          serverContext.req?.resume(); // what still comes is dropped, so that the caller gets the answer
          throw readable(error);
        }
      });
    },
    onParams({ params }) {
      // Yoga's own answer is 200 for some.
      if (params?.query == null) throw badRequest('There is no query');
    },
  };
}

/** What came of a body, its variables above all, is kept for as long as its operation waits, runs and is answered. */
const whileAnswered = (res: ServerResponse) => (over: () => void) => {
  if (res.closed) over();
  else res.once('close', over);
};

/** What reading and Yoga's parsers throw, as an answer. Yoga's own for broken JSON repeats the whole body. */
function readable(error: unknown): unknown {
  if (error instanceof BodyRefusedError) return limitExceeded(error.limit, error.max, error.message, { status: error.status });
  if (error instanceof BodyBrokenError) return badRequest('The body broke off');
  const broken = error instanceof SyntaxError || (error instanceof GraphQLError && error.extensions['originalError']);
  return broken ? badRequest('The body, or a parameter of the URL, is not valid JSON') : error;
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } });
}
