/** Much that is small. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from '../attack.ts';

const MIB = 1024 * 1024;
const SMALL = '{ viewer { address } }';

export const RATES: Attack[] = [
  {
    name: 'one socket with small operations, as fast as it can',
    by: 'user',
    run: async (attacker) => {
      const socket = await attacker.socket(attacker.targets.user);
      if (!socket) return;
      const answered = new Set<string>();
      socket.on('message', (data: Buffer) => {
        const text = data.toString('latin1', 0, 1_000);
        const type = /"type":"(\w+)"/.exec(text)?.[1];
        if (type === 'next' || type === 'error') attacker.count(/"code":"(\w+)"/.exec(text)?.[1] ?? type);
        const id = /"id":"(\w+)"/.exec(text)?.[1];
        if (id && type !== 'next') answered.add(id);
      });
      for (let n = 0; n < 100; n++) answered.add(`${n}`);
      const payload = { query: SMALL };
      while (!attacker.over && socket.readyState === socket.OPEN) {
        for (const id of answered) {
          answered.delete(id);
          if (socket.bufferedAmount < MIB) socket.send(JSON.stringify({ id, type: 'subscribe', payload }));
        }
        await sleep(0);
      }
    },
  },
  {
    name: 'small operations on 100 connections',
    by: 'user',
    run: (attacker) => attacker.flood(100, () => attacker.post(SMALL, attacker.targets.user)),
  },
  {
    name: 'small writes on 100 connections',
    by: 'user',
    run: (attacker) => {
      const { targets } = attacker;
      const query = 'mutation ($input: GroupSetInput!) { groupSet(input: $input) { __typename ... on Error { code } } }';
      return attacker.flood(100, (n) =>
        attacker.post(query, targets.user, { input: { gid: targets.own[n % targets.own.length], name: `name ${n}` } }),
      );
    },
  },
  {
    name: 'wrong tokens on 100 connections',
    by: 'nobody',
    run: (attacker) => attacker.flood(100, () => attacker.post(SMALL, `rollcall_${randomBytes(32).toString('base64url')}`)),
  },
  {
    name: 'wrong tokens of ops on 100 connections',
    by: 'nobody',
    run: (attacker) =>
      attacker.flood(100, () =>
        attacker.ask({
          path: '/backend',
          body: { op: 'groupget', token: randomBytes(32).toString('hex'), group: { gid: 1000 } },
        }),
      ),
  },
  {
    name: 'wrong tokens by WebSocket',
    by: 'nobody',
    run: (attacker) =>
      attacker.flood(50, async () => {
        const socket = await attacker.socket(`rollcall_${randomBytes(32).toString('base64url')}`);
        socket?.terminate();
      }),
  },
  {
    name: 'no token at all on 100 connections',
    by: 'nobody',
    run: (attacker) => attacker.flood(100, () => attacker.post(SMALL, undefined)),
  },
];
