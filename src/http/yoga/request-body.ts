import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { limitExceeded } from '../../graphql/limits.ts';
import { announcesMore } from '../body.ts';

interface ServerContext {
  /** Absent where a request came as fetch has it. */
  req?: IncomingMessage;
}

/**
 * Refuses a body of more than `limit` bytes with 413: before it is read when its length is announced, else as soon as it is
 * too long. A body or parameters that cannot be read are the caller's mistake: 400, without repeating what was sent.
 */
export function useRequestBody(limit: number): Plugin<Record<string, unknown>, ServerContext> {
  const tooLarge = () =>
    limitExceeded('BODY_LIMIT', limit, `The body of a request may have at most ${limit} bytes`, { status: 413 });
  return {
    onRequestParse({ request, serverContext, requestParser, setRequestParser }) {
      if (announcesMore(request.headers.get('content-length'), limit)) throw tooLarge();
      if (!requestParser) return;
      const { req } = serverContext;
      const counted = req?.headers['transfer-encoding'] !== undefined;
      setRequestParser(async (whole) => {
        try {
          return await (counted ? Promise.race([overrun(req, limit, tooLarge), requestParser(whole)]) : requestParser(whole));
        } catch (error) {
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

/** Rejects when more than `limit` bytes came. What comes then is dropped, so that the caller gets the answer. */
function overrun(req: IncomingMessage, limit: number, tooLarge: () => Error): Promise<never> {
  return new Promise((_, reject) => {
    // Nobody has read of it yet.
    let received = req.readableLength;
    if (received > limit) reject(tooLarge());
    const push = req.push.bind(req);
    req.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
      received += chunk?.length ?? 0;
      if (chunk === null || received <= limit) return push(chunk, encoding);
      reject(tooLarge());
      return true;
    };
  });
}

/** What Yoga's parsers throw, as an answer. Its own for broken JSON repeats the whole body. */
function readable(error: unknown): unknown {
  const broken = error instanceof SyntaxError || (error instanceof GraphQLError && error.extensions['originalError']);
  return broken ? badRequest('The body, or a parameter of the URL, is not valid JSON') : error;
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } });
}
