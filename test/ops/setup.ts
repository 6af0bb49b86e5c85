/**
 * The op endpoint through a port, as backends reach it:
 *
 *     const ops = await openOps();                                   // a gateway that listens, closed after the file's tests
 *     const app = await ops.app();                                   // an app of its own
 *     expect(await app.json({ op: 'appstats' })).toEqual({ op: 'appstats', result: true, app: { … } });
 *     await app.state(gid);                                          // the group, its members and records, from the tables
 */
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { hashSecret, newSecret } from '../../src/access/tokens.ts';
import type { Scope } from '../../src/access/viewer.ts';
import { scopeBits } from '../../src/access/viewer.ts';
import { atEnd } from '../setup/at-end.ts';
import { sql } from '../setup/database.ts';
import { type Caller, openTestGateway, type TestGateway, type TestGatewayOptions } from '../setup/gateway.ts';
import { type Flat, flat, type HttpRequest, type Json } from './requests.ts';

export { type Flat, flat, type HttpRequest, type Json } from './requests.ts';

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface OpApp extends Caller {
  /** JSON POST with the token; the answer whole. */
  json(body: Json): Promise<Json>;
  /** The same as a form. */
  form(parameters: Flat): Promise<Json>;
  /** A group as it stands in the tables. */
  state(gid: number): Promise<GroupState>;
  /** Another application token of this app. */
  secret(scopes: readonly Scope[]): Promise<string>;
}

export interface GroupState {
  version: number;
  records: number;
  memberCount: number;
  /** [address, permission bits, right bits] in the order of addresses. */
  members: [string, number, number][];
  /** [address, message type, permission bits] */
  entries: [string, number, number][];
  /** [message type, send, recv] */
  types: [number, number, number][];
}

export interface Ops {
  gateway: TestGateway;
  port: number;
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** The answer of a request, which has to be HTTP 200 and JSON. */
  answer(request: HttpRequest): Promise<Json>;
  app(): Promise<OpApp>;
}

export async function openOps(options: TestGatewayOptions = {}): Promise<Ops> {
  const gateway = await openTestGateway(options);
  const server = gateway.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const ops: Ops = {
    gateway,
    port,
    send: (wanted) => sendHttp(port, wanted),
    async answer(wanted) {
      const { status, headers, text } = await ops.send(wanted);
      if (status !== 200 || headers['content-type'] !== 'application/json') throw new Error(`HTTP ${status}: ${text}`);
      return JSON.parse(text);
    },
    app: async () => appOf(ops, await gateway.caller()),
  };
  return ops;
}

/** Connections are used again, as those of clients in the wild are not always. */
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

export function sendHttp(port: number, { method = 'GET', path = '/backend', query, headers, body }: HttpRequest) {
  const search = typeof query === 'string' ? query : query && flat(query);
  return new Promise<HttpAnswer>((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const url = search ? `${path}?${search}` : path;
    const req = request({ agent, port, host: '127.0.0.1', method, path: url, headers: { ...length, ...headers } }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** The reason of a failure: one sentence. */
export const SENTENCE = expect.stringMatching(/^[A-Z“].*\.$/);

export const JSON_TYPE = { 'Content-Type': 'application/json' };
export const FORM_TYPE = { 'Content-Type': 'application/x-www-form-urlencoded' };

function appOf(ops: Ops, caller: Caller): OpApp {
  const { db } = ops.gateway;
  const { token, viewer } = caller;
  return {
    ...caller,
    json: (body) => ops.answer({ method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ token, ...body }) }),
    form: (parameters) => ops.answer({ method: 'POST', headers: FORM_TYPE, body: flat({ token, ...parameters }) }),
    state: (gid) => stateOf(ops, viewer.appId, gid),
    async secret(scopes) {
      const secret = newSecret();
      const hash = new Uint8Array(hashSecret(secret));
      await db.prisma.token.create({ data: { appId: viewer.appId, hash, scopes: scopeBits(scopes) } });
      return secret;
    },
  };
}

async function stateOf({ gateway: { db } }: Ops, appId: number, gid: number): Promise<GroupState> {
  interface Row {
    version: number;
    memberCount: number;
    records: number;
    members: [string, number, number][];
    entries: [string, number, number][];
    types: [number, number, number][];
  }
  const [row] = await sql<Row>(
    db,
    `select version, member_count as "memberCount",
      (select count(*)::int from changes c where c.app_id = g.app_id and c.gid = g.gid) as records,
      (select coalesce(json_agg(json_build_array(address, permissions, rights) order by address), '[]') from members m
        where m.app_id = g.app_id and m.gid = g.gid) as members,
      (select coalesce(json_agg(json_build_array(address, message_type, permissions) order by address, message_type), '[]')
        from member_types m where m.app_id = g.app_id and m.gid = g.gid) as entries,
      (select coalesce(json_agg(json_build_array(message_type, send, recv) order by message_type), '[]') from group_types t
        where t.app_id = g.app_id and t.gid = g.gid) as types
    from groups g where app_id = $1 and gid = $2`,
    [appId, gid],
  );
  if (!row) throw new Error(`There is no group ${gid}`);
  return row;
}
