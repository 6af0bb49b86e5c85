/** Messages of WebSockets, of a token that is known. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from '../attack.ts';
import { openSockets, subscribe } from '../sockets.ts';

const MIB = 1024 * 1024;

export const MESSAGES: Attack[] = [
  {
    name: 'messages of a WebSocket that come byte by byte',
    by: 'user',
    run: async (attacker) => {
      const all = await openSockets(attacker, 20);
      const begun = all.map((socket) => (socket as unknown as { _socket: Socket })._socket.setNoDelay());
      // A text frame of 1,000,000 bytes, masked with zeros.
      const frame = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0]);
      for (const socket of begun) socket.write(frame);
      const byte = Buffer.from(' ');
      while (!attacker.over && begun.some(({ writable }) => writable)) {
        for (let n = 0; n < 20; n++) for (const socket of begun) if (socket.writable) socket.write(byte);
        attacker.count('sent', 20 * begun.length);
        await sleep(0);
      }
    },
  },
  {
    name: 'pings as fast as they are taken',
    by: 'user',
    run: async (attacker) => {
      const all = await openSockets(attacker, 20);
      while (!attacker.over) {
        for (const socket of all) for (let n = 0; n < 500; n++) if (socket.bufferedAmount < MIB) socket.ping();
        await sleep(1);
      }
    },
  },
  {
    name: 'pings in messages, as fast as they are taken',
    by: 'user',
    run: async (attacker) => {
      const all = await openSockets(attacker, 20);
      while (!attacker.over) {
        for (const socket of all) for (let n = 0; n < 500; n++) if (socket.bufferedAmount < MIB) socket.send('{"type":"ping"}');
        await sleep(1);
      }
    },
  },
  {
    name: '20 sockets × 100 operations with 900 KB of variables',
    by: 'user',
    run: async (attacker) => {
      const all = await openSockets(attacker, 20);
      const variables = { gid: attacker.targets.large, x: 'x'.repeat(900_000) };
      const query = 'query ($gid: ID!) { groupGetMembers(gid: $gid, first: 1000) { edges { node { address joinedAt } } } }';
      for (let n = 0; !attacker.over; n++) {
        for (const socket of all)
          if (socket.bufferedAmount < 4 * MIB) socket.send(subscribe(`${n % 100} ${n}`, query, variables));
        await sleep(1);
      }
    },
  },
];
