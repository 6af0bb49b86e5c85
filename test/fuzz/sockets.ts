/** WebSockets as bytes: frames and messages of graphql-transport-ws, in order and out of it. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../soak/random.ts';
import { mutateBytes, mutateText } from './mutations.ts';
import { secretOf, type Token } from './names.ts';
import type { Operation } from './operations.ts';

const TEXT = 1;
const CLOSE = 8;

export interface FrameOptions {
  opcode?: number;
  fin?: boolean;
  masked?: boolean;
  /** The three bits before the opcode. */
  reserved?: number;
  /** As it is told, which may be wrong. */
  length?: bigint;
}

export function frame(
  payload: Buffer,
  { opcode = TEXT, fin = true, masked = true, reserved = 0, length }: FrameOptions = {},
): Buffer {
  const told = length ?? BigInt(payload.length);
  const size = told < 126n ? Buffer.of(Number(told)) : told < 65_536n ? Buffer.alloc(3) : Buffer.alloc(9);
  if (size.length === 3) {
    size[0] = 126;
    size.writeUInt16BE(Number(told), 1);
  } else if (size.length === 9) {
    size[0] = 127;
    size.writeBigUInt64BE(BigInt.asUintN(64, told), 1);
  }
  size[0] = (size[0] as number) | (masked ? 0x80 : 0);
  const first = Buffer.of((fin ? 0x80 : 0) | (reserved << 4) | opcode);
  if (!masked) return Buffer.concat([first, size, payload]);
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([first, size, mask, Buffer.from(payload.map((byte, n) => byte ^ (mask[n % 4] as number)))]);
}

export interface SocketScript {
  handshake: string;
  frames: Buffer[];
  /** Whether every frame is one that WebSocket allows. */
  whole: boolean;
}

const PROTOCOLS = [
  'graphql-transport-ws',
  'graphql-transport-ws',
  'graphql-transport-ws',
  'graphql-transport-ws, x',
  'graphql-ws',
  '',
  ', ,',
];
const VERSIONS = ['13', '13', '13', '13', '13', '8', 'x'];

/** @param operations what is asked on it */
export function scriptOf(operations: readonly Operation[], token: Token, random: Random): SocketScript {
  const inHeader = random.chance(0.2);
  const authorization = inHeader && token.authorization !== undefined ? `Authorization: ${token.authorization}\r\n` : '';
  const plain = random.chance(0.8);
  const protocol = plain ? 'graphql-transport-ws' : random.pick(PROTOCOLS);
  const lines = [
    `GET ${plain ? '/graphql' : random.pick(['/graphql', '/graphql?x', '/backend', '/'])} HTTP/1.1`,
    ...[
      'Host: x',
      'Connection: Upgrade',
      `Upgrade: ${plain ? 'websocket' : random.pick(['websocket', 'WebSocket', 'h2c', 'websocket, x'])}`,
    ],
    `Sec-WebSocket-Key: ${plain ? 'dGhlIHNhbXBsZSBub25jZQ==' : random.pick(['dGhlIHNhbXBsZSBub25jZQ==', 'x', ''])}`,
    `Sec-WebSocket-Version: ${plain ? '13' : random.pick(VERSIONS)}`,
    ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
    ...(random.chance(0.1) ? ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'] : []),
    ...(random.chance(0.1) ? [`Origin: ${random.pick(['http://x', 'http://localhost', 'null', 'http://evil'])}`] : []),
  ];
  const messages = messagesOf(operations, token, random, inHeader);
  const whole = random.chance(0.6);
  const frames = messages.flatMap((message) => framesOf(Buffer.from(message), random, whole));
  return { handshake: `${lines.join('\r\n')}\r\n${authorization}\r\n`, frames, whole };
}

function messagesOf(operations: readonly Operation[], token: Token, random: Random, inHeader: boolean): string[] {
  const params = inHeader ? undefined : { [random.pick(['authorization', 'Authorization'])]: token.authorization };
  const messages = [JSON.stringify({ type: 'connection_init', payload: params })];
  for (const [n, { query, variables, operationName }] of operations.entries()) {
    const id = random.chance(0.9) ? String(n) : random.pick(['', '0', '__proto__', 'constructor', 'x'.repeat(150), '\ud800']);
    messages.push(JSON.stringify({ id, type: 'subscribe', payload: { query, variables, operationName } }));
    if (random.chance(0.2)) messages.push(JSON.stringify({ id: random.pick([id, 'nobody']), type: 'complete' }));
  }
  for (let more = random.pick([0, 0, 0, 1, 2]); more > 0; more--) {
    messages.splice(random.between(0, messages.length), 0, random.pick(MESSAGES)(random, messages, secretOf(token)));
  }
  return messages;
}

const MESSAGES: readonly ((random: Random, messages: string[], secret: string) => string)[] = [
  () => '{"type":"ping"}',
  () => '{"type":"ping","payload":{"a":[1,{"b":null}]}}',
  () => '{"type":"pong","payload":null}',
  () => '{"type":"connection_init"}',
  () => '{"type":"connection_ack"}',
  () => '{"id":"0","type":"next","payload":{"data":{}}}',
  () => '{"id":"0","type":"error","payload":[{"message":"x"}]}',
  () => '{"id":"0","type":"complete"}',
  () => '{"id":"__proto__","type":"complete"}',
  () => '{"id":"constructor","type":"subscribe","payload":{"query":"{ __typename }"}}',
  () => '{"id":0,"type":"subscribe","payload":{"query":"{ __typename }"}}',
  () => '{"id":"q","type":"subscribe","payload":{"query":5}}',
  () => '{"id":"q","type":"subscribe","payload":{"query":"{ __typename }","variables":[],"extensions":1}}',
  () => '{"id":"q","type":"subscribe","payload":{"query":"{ __typename }","variables":null,"operationName":null}}',
  () => '{"id":"q","type":"subscribe"}',
  () => '{"type":"start","id":"1","payload":{"query":"{ __typename }"}}',
  () => '{"type":{"toString":1}}',
  () => '{"type":"__proto__"}',
  () => '{"__proto__":{"type":"ping"}}',
  ...['', ' ', 'null', '5', '[]', '{', '"ping"', '\0', '\ufeff{"type":"ping"}'].map((text) => () => text),
  () => '['.repeat(50_000),
  () => `{"type":"ping","payload":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
  () => `{"type":"${'t'.repeat(10_000)}"}`,
  () => `{"id":"${'i'.repeat(10_000)}","type":"subscribe","payload":{"query":"{ __typename }"}}`,
  (_, __, secret) => `{"type":"ping","payload":{"authorization":"${secret}"}}`,
  (random, messages) => random.pick(messages),
  (random, messages) => mutateText(random.pick(messages), random),
];

/** A message in one frame, in fragments with control frames between them, or spoiled. */
function framesOf(message: Buffer, random: Random, whole: boolean): Buffer[] {
  if (random.chance(0.1) && message.length > 2) {
    const at = random.between(1, message.length - 1);
    const between = random.chance(0.5) ? [frame(Buffer.from('x'), { opcode: 9 })] : [];
    return [frame(message.subarray(0, at), { fin: false }), ...between, frame(message.subarray(at), { opcode: 0 })];
  }
  if (whole || random.chance(0.6)) return [frame(message)];
  return random.pick<() => Buffer[]>([
    () => [mutateBytes(frame(message), random)],
    () => [frame(message, { masked: false })],
    () => [frame(message, { reserved: random.between(1, 7) })],
    () => [frame(message, { opcode: random.between(0, 15) })],
    () => [frame(message, { fin: false }), frame(message, { fin: false })],
    () => [frame(message, { length: BigInt(message.length) + 3n })],
    () => [frame(message, { length: random.pick([2n ** 63n, 2n ** 64n - 1n, 2n ** 31n, 2n ** 21n]) })],
    () => [frame(Buffer.from([0xff, 0xfe, 0xed, 0xa0, 0x80]))],
    () => [frame(Buffer.alloc(126), { opcode: 9 })],
    () => [frame(Buffer.from([random.between(0, 255)]), { opcode: CLOSE })],
    () => [frame(Buffer.from([...Buffer.from([random.between(0, 19), random.between(0, 255)]), 0xff]), { opcode: CLOSE })],
    () => [frame(message, { opcode: 2 }), frame(Buffer.alloc(0)), frame(Buffer.from('p'), { opcode: 10 })],
    () => [randomFrame(random)],
  ])();
}

function randomFrame(random: Random): Buffer {
  return Buffer.from(Array.from({ length: random.between(1, 40) }, () => random.between(0, 255)));
}

export interface SocketHeard {
  /** The answer to the handshake. */
  status: number;
  head: string;
  messages: string[];
  close: { code: number; reason: string } | undefined;
  faults: string[];
}

/** How long the gateway may take, in milliseconds; it only ends what would hang. */
const QUIET = 8_000;
/** How long a socket is listened to until its first word, and after each, in milliseconds. */
const FIRST = 500;
const LISTEN = 60;

/** Plays a script and hears what comes back. */
export async function play(port: number, { handshake, frames }: SocketScript): Promise<SocketHeard> {
  const socket = connect({ port, host: '127.0.0.1' });
  let bytes: Buffer = Buffer.alloc(0);
  const over = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let quiet = setTimeout(over.resolve, QUIET);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    clearTimeout(quiet);
    quiet = setTimeout(over.resolve, LISTEN);
    if (bytes.includes('\r\n\r\n')) opened.resolve();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    over.resolve();
    opened.resolve();
  });
  socket.write(handshake);
  await Promise.race([opened.promise, over.promise]);
  if (bytes.subarray(0, 12).toString() === 'HTTP/1.1 101') {
    for (const each of frames) socket.write(each);
    if (frames.length > 3) await sleep(1);
    if (bytes.indexOf('\r\n\r\n') === bytes.length - 4) {
      clearTimeout(quiet);
      quiet = setTimeout(over.resolve, FIRST);
    }
  }
  await over.promise;
  clearTimeout(quiet);
  socket.destroy();
  return heardIn(bytes);
}

function heardIn(bytes: Buffer): SocketHeard {
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.subarray(0, Math.max(0, end)).toString('latin1');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? 0);
  const heard: SocketHeard = { status, head, messages: [], close: undefined, faults: [] };
  if (status !== 101) return heard;
  for (let at = end + 4; at + 2 <= bytes.length; ) {
    const [first = 0, second = 0] = bytes.subarray(at);
    const short = second & 0x7f;
    const sizes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (at + 2 + sizes > bytes.length) break;
    const length = sizes === 0 ? short : sizes === 2 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    const payload = bytes.subarray(at + 2 + sizes, at + 2 + sizes + length);
    if (payload.length < length) break;
    at += 2 + sizes + length;
    if (second & 0x80) heard.faults.push('a masked frame');
    if ((first & 0xf0) !== 0x80) heard.faults.push(`a frame that begins with ${first}`);
    const opcode = first & 0xf;
    if (opcode === TEXT) heard.messages.push(payload.toString());
    else if (opcode === CLOSE)
      heard.close = { code: payload.length > 1 ? payload.readUInt16BE() : 1005, reason: payload.subarray(2).toString() };
    else if (opcode !== 9 && opcode !== 10) heard.faults.push(`a frame of kind ${opcode}`);
  }
  return heard;
}
