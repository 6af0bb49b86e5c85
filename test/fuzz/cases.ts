/** The cases of a fuzz: each is made of its seed and number alone, and can be played again without those before it. */
import fc from 'fast-check';
import { schema } from '../../src/graphql/schema.ts';
import { mutatedOp } from '../ops/mutated.ts';
import { flat } from '../ops/requests.ts';
import { Random } from '../soak/random.ts';
import { requestOf, type Sent, sentOf, written } from './http.ts';
import { mutateOperation } from './mutations.ts';
import { type Names, secretOf, type Token } from './names.ts';
import { generateOperation, type Operation } from './operations.ts';
import { faultsOfErrors, faultsOfText, type Judged, judgeResponse, judgeResult } from './oracle.ts';
import { play, type SocketHeard, type SocketScript, scriptOf } from './sockets.ts';
import { exchange, responsesIn } from './wire.ts';
import type { World } from './world.ts';

export interface Played extends Judged {
  /** What was sent, as text that can be read, with the names of tokens. */
  shown: string;
}

/** The numbers of a case, which depend on nothing but these two. */
function randomOf(seed: number, number: number): Random {
  return new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0);
}

/** @param ports of gateways, one of which is asked */
export async function playCase(seed: number, number: number, world: World, ports: readonly number[]): Promise<Played> {
  const random = randomOf(seed, number);
  const port = random.pick(ports);
  const token = random.chance(0.4) ? world.application : random.pick(world.names.tokens);
  const kind = random.next();
  if (kind < 0.2) return playSocket(port, socketScript(random, token, world.names), world);
  const bytes = kind < 0.35 ? opBytes(random, token) : graphqlBytes(random, token, world.names, `fuzz-${number}`);
  return playHttp(port, sentOf(bytes, random), world);
}

function operationOf(random: Random, names: Names): Operation {
  const operation = generateOperation(schema, random, names);
  return random.chance(0.75) ? operation : mutateOperation(operation, random);
}

function graphqlBytes(random: Random, token: Token, names: Names, requestId: string): Buffer {
  const request = requestOf(operationOf(random, names), token, random);
  request.headers.push(['X-Request-Id', requestId]);
  const keep = random.chance(0.15);
  if (!keep) request.headers.push(['Connection', 'close']);
  const bytes = written(request, random);
  if (!keep) return bytes;
  const next = requestOf(operationOf(random, names), token, random);
  next.headers.push(['Connection', 'close']);
  return Buffer.concat([bytes, written(next, random)]);
}

function opBytes(random: Random, token: Token): Buffer {
  const [sent] = fc.sample(mutatedOp(secretOf(token)), { seed: random.between(0, 2 ** 31 - 1), numRuns: 1 });
  const { method = 'GET', path = '/backend', query, headers = {}, body = '' } = sent ?? {};
  const search = typeof query === 'string' ? query : query && flat(query);
  const target = search ? `${path}?${search}` : path;
  const all: [string, string][] = [['Host', 'x'], ['Connection', 'close'], ...Object.entries(headers)];
  return written({ method, target, headers: all, body: Buffer.from(body as string) }, random);
}

function socketScript(random: Random, token: Token, names: Names): SocketScript {
  return scriptOf(
    Array.from({ length: random.between(0, 4) }, () => operationOf(random, names)),
    token,
    random,
  );
}

async function playHttp(port: number, sent: Sent, world: World): Promise<Played> {
  const text = Buffer.concat(sent.pieces).toString('latin1');
  const [method = ''] = text.split(' ', 1);
  const onlyResults =
    /^Accept: application\/graphql-response\+json(; charset=utf-8)?\r$/m.test(text) &&
    sent.whole &&
    text.match(/ HTTP\/1\.1\r$/gm)?.length === 1;
  const heard = await exchange(port, sent, () => false);
  const shown = showing(text, world);
  if (heard.bytes.length === 0) {
    // Node takes a client that closes its side for one that is gone; and who still sends headers that are too large may be cut
    // before the answer is read.
    const due = sent.whole && !sent.half && !heard.left && text.indexOf('\r\n\r\n') < 16_000;
    const faults = due ? [heard.silent ? 'no answer, and the connection stays' : 'no answer'] : [];
    return { faults, outcomes: [heard.left ? 'left' : 'closed'], shown };
  }
  if (heard.left) return { faults: faultsOfText(heard.bytes.toString(), world.canary), outcomes: ['left'], shown };
  const judged = responsesIn(heard.bytes, method === 'HEAD').map((each) =>
    judgeResponse(each, { canary: world.canary, onlyResults }),
  );
  const faults = judged.flatMap((each) => each.faults);
  if (heard.silent && sent.whole) faults.push('the connection stays');
  return { faults, outcomes: judged.flatMap(({ outcomes }) => outcomes), shown };
}

/** How the gateway may close a socket: what clients do wrong, and nothing that is its own fault. */
const CLOSES: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1013],
  ...[4400, 4401, 4403, 4406, 4408, 4409, 4429],
]);

async function playSocket(port: number, script: SocketScript, world: World): Promise<Played> {
  const heard = await play(port, script);
  const shown = showing(`${script.handshake}${script.frames.map((each) => each.toString('latin1')).join('\n')}`, world);
  return { ...judgeSocket(heard, world.canary), shown };
}

function judgeSocket({ status, head, messages, close, faults: found }: SocketHeard, canary: string): Judged {
  const faults = [...found, ...faultsOfText([head, ...messages, close?.reason ?? ''].join('\n'), canary)];
  if (status === 0 || status >= 500) faults.push(`the handshake is answered with ${status}`);
  const outcomes = status === 101 ? [] : [`handshake ${status}`];
  for (const message of messages) {
    const { type, payload } = JSON.parse(message) as { type: string; payload?: unknown };
    if (type === 'next') {
      const judged = judgeResult(payload, message.length);
      faults.push(...judged.faults);
      outcomes.push(`next ${judged.outcome}`);
    } else if (type === 'error') {
      faults.push(...faultsOfErrors(payload));
      outcomes.push(`error ${(payload as { extensions?: { code?: string } }[])[0]?.extensions?.code}`);
    } else if (['connection_ack', 'pong', 'complete'].includes(type)) outcomes.push(type);
    else faults.push(`a message of type ${type}`);
  }
  if (close && !CLOSES.has(close.code)) faults.push(`closed with ${close.code} ${close.reason}`);
  if (close) outcomes.push(`closed ${close.code}`);
  return { faults, outcomes };
}

const MOST_SHOWN = 6_000;

function showing(text: string, { names }: World): string {
  let shown = text;
  for (const token of names.tokens) {
    const secret = secretOf(token);
    if (secret) shown = shown.replaceAll(secret, token.name);
  }
  return JSON.stringify(shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}… ${shown.length} bytes` : shown);
}
