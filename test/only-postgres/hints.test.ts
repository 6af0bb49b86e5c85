import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { listenNotify, redisHints } from '../../src/changes/hints.ts';
import { atEnd } from '../setup/at-end.ts';
import { openTestDatabase, sql } from '../setup/database.ts';
import { until } from '../setup/watch.ts';

const silent = pino({ level: 'silent' });

/** A server for connections by hand, until the file's tests are over. Gives its port. */
async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const ANSWERS: Record<string, string> = {
  info: '$21\r\nredis_version:7.0.0\r\n\r\n',
  client: '+OK\r\n',
  subscribe: '*3\r\n$9\r\nsubscribe\r\n$14\r\nrollcall_hints\r\n:1\r\n',
  publish: ':0\r\n',
};

/** As much of Redis as hints need. Its first PUBLISH is not answered, nor is anything else on that connection. */
async function fakeRedis(firstPublish: (socket: Socket) => void) {
  const redis = { url: '', lost: 0, published: 0 };
  const port = await serve((socket) => {
    let silent = false;
    socket.setEncoding('utf8').on('data', (text: string) => {
      for (const [name = ''] of text.matchAll(/(?<=\*\d+\r\n\$\d+\r\n)\w+/g)) {
        if (name === 'publish' && redis.lost === 0) {
          redis.lost++;
          silent = true;
          firstPublish(socket);
        }
        if (silent) return;
        if (name === 'publish') redis.published++;
        socket.write(ANSWERS[name] ?? '-ERR\r\n');
      }
    });
  });
  redis.url = `redis://127.0.0.1:${port}`;
  return redis;
}

/** The rejections that nobody handled: each would end a gateway. */
function unhandledRejections(): unknown[] {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  atEnd(() => process.off('unhandledRejection', note));
  return unhandled;
}

test.each<[string, (socket: Socket) => void]>([
  ['goes away with a PUBLISH in flight', (socket) => socket.destroy()],
  ['hangs at a PUBLISH', () => {}],
])('a Redis that %s costs hints, not the process, and is told again', async (_, firstPublish) => {
  const unhandled = unhandledRejections();
  const redis = await fakeRedis(firstPublish);
  const transport = await redisHints(redis.url, () => {}, silent);
  await until(async () => {
    await transport.send(['1:2:3 ']);
    return redis.published > 0;
  });
  await transport.close();
  expect([redis.lost, unhandled]).toEqual([1, []]);
});

test('hints by Redis are closed without harm while it is away', async () => {
  const unhandled = unhandledRejections();
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line) => lines.push(line) });
  const transport = await redisHints('redis://127.0.0.1:1', () => {}, log);
  await transport.close();
  await until(() => unhandled.length > 0 || lines.some((line) => line.includes('hints were lost')));
  expect(unhandled).toEqual([]);
});

/** A pooler that lets in and drops at the first query, as often as `drops` says; then it lets through. */
async function droppingPooler(url: string, drops: number) {
  const { hostname, port: serverPort } = new URL(url);
  const pooled = new URL(url);
  const pooler = { url: '', connections: 0 };
  const port = await serve((client) => {
    const drop = ++pooler.connections <= drops;
    const server = connect(Number(serverPort || 5432), hostname).on('error', () => {});
    client.on('data', (bytes) => {
      if (drop && bytes[0] === 'Q'.charCodeAt(0)) client.destroy();
      else server.write(bytes);
    });
    client.on('close', () => server.destroy());
    server.on('data', (bytes) => client.write(bytes)).on('close', () => client.destroy());
  });
  pooled.host = `127.0.0.1:${port}`;
  pooler.url = pooled.href;
  return pooler;
}

test('LISTEN that is dropped again and again is one connection at a time', async () => {
  const db = await openTestDatabase();
  const pooler = await droppingPooler(db.url, 3);
  let heard = 0;
  const transport = await listenNotify(db, pooler.url, () => heard++, silent);
  atEnd(() => transport.close());
  const hear = async () => {
    const before = heard;
    await until(async () => {
      await transport.send(['1:2:3 ']);
      return heard > before;
    });
  };
  await hear();
  const hints = "from pg_stat_activity where datname = current_database() and application_name = 'rollcall-hints'";
  await sql(db, `select pg_terminate_backend(pid, 10000) ${hints}`);
  await hear();
  expect(pooler.connections).toBe(5);
  expect(await sql(db, `select count(*)::int as listeners ${hints}`)).toEqual([{ listeners: 1 }]);
});
