import type { ServerResponse } from 'node:http';
import type { ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Context } from '../../graphql/context.ts';

const CURSOR = Symbol('cursor');
const PING_EVERY = 12_000;

type Delivered = ExecutionResult & { [CURSOR]?: string };

/**
 * Server-sent events with `id:` lines, so that a client which comes back with Last-Event-ID goes on where it was. Results
 * are pulled one at a time as the client reads them; a typed end is a `next` with errors, then `complete`.
 *
 * @param open the responses on node:http that are streams, while they are open
 */
export function useServerSentEvents(mask: (error: unknown) => GraphQLError, open: Set<ServerResponse>): Plugin {
  return {
    onSubscribe({ args }) {
      const context = args.contextValue as unknown as Context;
      return {
        onSubscribeResult: () => ({
          onNext({ result, setResult }) {
            if (!isAsyncIterable(result)) setResult({ ...result, [CURSOR]: context.cursor } as ExecutionResult);
          },
        }),
      };
    },
    onResultProcess({ result, acceptableMediaTypes, setResultProcessor, serverContext }) {
      if (!isAsyncIterable(result) || !acceptableMediaTypes.includes('text/event-stream')) return;
      const { res } = serverContext as { res?: ServerResponse };
      if (res) open.add(res.once('close', () => open.delete(res)));
      setResultProcessor((stream, { Response, ReadableStream }) => {
        const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' };
        return new Response(eventStream(stream as AsyncIterable<Delivered>, mask, ReadableStream), { headers });
      }, 'text/event-stream');
    },
  };
}

function eventStream(results: AsyncIterable<Delivered>, mask: (error: unknown) => GraphQLError, Stream: typeof ReadableStream) {
  const encode = (text: string) => new TextEncoder().encode(text);
  const iterator = results[Symbol.asyncIterator]();
  let ping: NodeJS.Timeout;
  return new Stream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(encode(':\n\n'));
        ping = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encode(':\n\n'));
        }, PING_EVERY);
      },
      async pull(controller) {
        const next = await iterator.next().catch((error: unknown) => ({ done: true, value: { errors: [mask(error)] } }));
        if (next.value) controller.enqueue(encode(eventOf(next.value)));
        if (!next.done) return;
        clearInterval(ping);
        controller.enqueue(encode('event: complete\ndata:\n\n'));
        controller.close();
      },
      async cancel() {
        clearInterval(ping);
        await iterator.return?.();
      },
    },
    { highWaterMark: 1 },
  );
}

function eventOf(result: Delivered): string {
  const id = result[CURSOR] && !result.errors ? `id: ${result[CURSOR]}\n` : '';
  return `${id}event: next\ndata: ${JSON.stringify(result)}\n\n`;
}
