/** Connections that read nothing, begin much, or never say who they are. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Attack, times } from '../attack.ts';
import type { Attacker } from '../attacker.ts';
import { complete, openSockets, subscribe } from '../sockets.ts';

const MIB = 1024 * 1024;
const SNAPSHOT =
  'subscription ($gid: ID!) { groupChanges(gid: $gid, snapshot: true) { __typename cursor ... on GroupSnapshot { members { address permissions { send recv } } } } }';
const CHANGES = 'subscription ($gid: ID!) { groupChanges(gid: $gid) { __typename cursor } }';
const DECISIONS = 'subscription ($gid: ID!) { permissionChanges(gid: $gid, address: "member-000001") { at } }';

/** So many requests on a connection that reads nothing of the answers. */
async function unread(attacker: Attacker, connections: number, request: string, localAddress?: () => string): Promise<void> {
  const all = Array.from({ length: connections }, async () => {
    const socket = await attacker.connect(localAddress ? { localAddress: localAddress() } : {});
    socket.pause();
    socket.on('close', () => attacker.count('cut'));
    socket.write(request);
    attacker.count('sent');
  });
  await Promise.race([Promise.all(all), attacker.wait()]);
  await attacker.wait();
}

const PAGE = 'GET /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n';

function post(token: string, query: string): string {
  const body = JSON.stringify({ query });
  return `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export const SOCKETS: Attack[] = [
  {
    name: '60 unread answers of 3 MB',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = `{ ${times(38, (n) => `a${n}: groupGetMembers(gid: "${targets.thousand}", first: 1000) { edges { node { address gid: id } } }`)} }`;
      return unread(attacker, 60, post(targets.user, query));
    },
  },
  {
    name: '300 unread pages of GraphiQL, from 300 addresses',
    by: 'nobody',
    run: (attacker) => unread(attacker, 300, PAGE, () => attacker.nextAddress()),
  },
  {
    name: '300 pages of GraphiQL pipelined on one connection',
    by: 'nobody',
    run: (attacker) => unread(attacker, 1, PAGE.repeat(300)),
  },
  {
    name: 'operations pipelined on 20 connections',
    by: 'user',
    run: (attacker) => {
      const requests = Buffer.from(post(attacker.targets.user, '{ viewer { address } }').repeat(400));
      return attacker.flood(20, async () => {
        const socket = await attacker.connect();
        let answers = 0;
        socket.on('data', (data: Buffer) => {
          for (const [, status] of data.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)) {
            attacker.count(status as string);
            answers++;
          }
        });
        socket.write(requests);
        while (!attacker.over && !socket.destroyed && answers < 400) await sleep(5);
        socket.destroy();
      });
    },
  },
  {
    name: '100 WebSockets send 31 MB each before connection_init',
    by: 'nobody',
    run: (attacker) => {
      const message = Buffer.alloc(31 * MIB, ' ');
      return attacker.flood(100, async () => {
        const socket = await attacker.bareSocket();
        socket.send(message);
        while (!attacker.over && socket.readyState === socket.OPEN) await sleep(20);
      });
    },
  },
  {
    name: 'WebSockets that say nothing',
    by: 'nobody',
    run: (attacker) =>
      attacker.flood(200, async () => {
        const socket = await attacker.bareSocket();
        while (!attacker.over && socket.readyState === socket.OPEN) await sleep(50);
      }),
  },
  {
    name: '10 sockets × 100 snapshots of 100,000 members',
    by: 'user',
    run: async (attacker) => {
      const all = await openSockets(attacker, 10);
      for (const socket of all)
        for (let n = 0; n < 100; n++) socket.send(subscribe(`${n}`, SNAPSHOT, { gid: attacker.targets.large }));
      await attacker.wait();
    },
  },
  {
    name: '10 sockets × 100 unread snapshots of 100,000 members',
    by: 'user',
    run: async (attacker) => {
      const all = await openSockets(attacker, 10);
      for (const socket of all) {
        socket.pause();
        for (let n = 0; n < 100; n++) socket.send(subscribe(`${n}`, SNAPSHOT, { gid: attacker.targets.large }));
      }
      await attacker.wait();
    },
  },
  {
    name: '20 sockets × 100 streams, completed and subscribed again',
    by: 'user',
    run: async (attacker) => {
      const { targets } = attacker;
      const all = await openSockets(attacker, 20);
      for (let round = 0; !attacker.over; round++) {
        for (const socket of all) {
          if (socket.readyState !== socket.OPEN) continue;
          for (let n = 0; n < 100; n++) {
            const gid = targets.own[(n + round) % targets.own.length];
            if (round > 0) socket.send(complete(`${n}`));
            socket.send(subscribe(`${n}`, n % 2 ? CHANGES : DECISIONS, { gid }));
          }
          await sleep(1);
        }
        await sleep(10);
      }
    },
  },
];
