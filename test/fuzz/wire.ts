import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sent } from './http.ts';

export interface Response {
  status: number;
  /** Names in lower case. */
  headers: Map<string, string>;
  body: Buffer;
  /** Whether all of it came. */
  whole: boolean;
}

export interface Heard {
  bytes: Buffer;
  /** Nothing came for QUIET, and the gateway did not close. */
  silent: boolean;
  /** The client left. */
  left: boolean;
}

/** How long the gateway may take, in milliseconds. It only ends what would hang. */
const QUIET = 8_000;
/** How long an event stream is listened to after its last word. */
const STREAM_QUIET = 40;

/**
 * Sends bytes and hears what comes back: until the gateway closes, until `enough` says so, or it is silent.
 * @param enough told of all that came so far
 */
export async function exchange(port: number, { pieces, half, leaves }: Sent, enough: (bytes: Buffer) => boolean): Promise<Heard> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  const over = Promise.withResolvers<Omit<Heard, 'bytes'>>();
  let quiet = setTimeout(() => over.resolve({ silent: true, left: false }), QUIET);
  let streams = false;
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    streams ||= chunk.includes('text/event-stream');
    clearTimeout(quiet);
    if (enough(Buffer.concat(chunks))) over.resolve({ silent: false, left: false });
    quiet = setTimeout(() => over.resolve({ silent: !streams, left: false }), streams ? STREAM_QUIET : QUIET);
  });
  socket.on('error', () => {});
  socket.on('end', () => over.resolve({ silent: false, left: false }));
  socket.on('close', () => over.resolve({ silent: false, left: false }));
  for (const [n, piece] of pieces.entries()) {
    if (n > 0) await sleep(2);
    socket.write(piece);
  }
  if (half) socket.end();
  if (leaves !== undefined) void sleep(leaves).then(() => over.resolve({ silent: false, left: true }));
  const how = await over.promise;
  clearTimeout(quiet);
  socket.destroy();
  return { bytes: Buffer.concat(chunks), ...how };
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** The answers in what came, one after the other. @param head whether the first has no body, as the one to HEAD */
export function responsesIn(bytes: Buffer, head: boolean): Response[] {
  const responses: Response[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const end = rest.indexOf(HEAD_END);
    if (end < 0) return [...responses, { status: 0, headers: new Map(), body: rest, whole: false }];
    const [line = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const headers = new Map(
      lines.map((each) => [each.split(':', 1)[0]?.toLowerCase() ?? '', each.slice(each.indexOf(':') + 1).trim()]),
    );
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? 0);
    rest = rest.subarray(end + 4);
    const noBody = status < 200 || (head && responses.length === 0) || [204, 304].includes(status);
    const { body, used, whole } = noBody ? NOTHING : bodyIn(rest, headers);
    rest = rest.subarray(used);
    if (status !== 100) responses.push({ status, headers, body, whole });
    if (status === 0 || status === 101) return responses;
  }
  return responses;
}

const NOTHING = { body: Buffer.alloc(0), used: 0, whole: true };

function bodyIn(bytes: Buffer, headers: Map<string, string>): { body: Buffer; used: number; whole: boolean } {
  const length = headers.get('content-length');
  if (length !== undefined) {
    const body = bytes.subarray(0, Number(length));
    return { body, used: body.length, whole: body.length === Number(length) };
  }
  if (headers.get('transfer-encoding') !== 'chunked') return { body: bytes, used: bytes.length, whole: true };
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    const size = end < 0 ? Number.NaN : Number.parseInt(bytes.subarray(at, end).toString(), 16);
    if (Number.isNaN(size) || end + 4 + size > bytes.length) {
      return { body: Buffer.concat(parts), used: bytes.length, whole: false };
    }
    if (size === 0) return { body: Buffer.concat(parts), used: end + 4, whole: true };
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 4 + size;
  }
}
