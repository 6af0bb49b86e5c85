/**
 * A gateway on a port of this process, and requests to it as they go over the wire:
 *
 *     const server = await listen(gateway);
 *     const { status, headers, json } = await server.send({ token, body: { query: '{ viewer { address } }' } });
 */
import { once } from 'node:events';
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gateway } from '../../src/gateway.ts';
import { atEnd } from './at-end.ts';

export interface Sent {
  method?: string;
  path?: string;
  token?: string;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: object | string | Buffer;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
  json: any;
}

export interface Listener {
  server: Server;
  port: number;
  url: string;
  send(sent: Sent): Promise<HttpAnswer>;
  /** Sends only the headers. Pass the request to `answerOf` for the answer. */
  open(sent: Sent): ClientRequest;
}

export async function listen(gateway: Pick<Gateway, 'createServer'>): Promise<Listener> {
  const server = gateway.createServer();
  atEnd(() => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    return closed;
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const open: Listener['open'] = ({ method = 'POST', path = '/graphql', token, headers = {}, body }) => {
    const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const all = { ...type, ...authorization, ...headers };
    const sent = request({ port, host: '127.0.0.1', method, path, agent: false, headers: all });
    sent.on('error', () => {}); // answerOf handles it
    sent.flushHeaders();
    return sent;
  };
  return {
    server,
    port,
    url: `http://127.0.0.1:${port}/graphql`,
    open,
    send(sent) {
      const { body, headers } = sent;
      const bytes = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
      const length: Record<string, string> = bytes === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(bytes)) };
      const opened = open({ ...sent, headers: { ...length, ...headers } });
      const answer = answerOf(opened);
      opened.end(bytes);
      return answer;
    },
  };
}

/** The whole answer; fails when the connection breaks before. */
export async function answerOf(sent: ClientRequest): Promise<HttpAnswer> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const json = text && response.headers['content-type']?.includes('json') ? JSON.parse(text) : undefined;
  return { status: response.statusCode as number, headers: response.headers, text, json };
}
